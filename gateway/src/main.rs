//! The gateway process.
#![forbid(unsafe_code)]

fn main() {}
