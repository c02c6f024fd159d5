//! The node's own object: registered, kept true, and its signs of life.

pub mod heart;
pub mod object;
pub mod register;
