//! YAML as kubectl writes and reads it.

mod emit;
mod parse;
mod style;

pub use emit::to_yaml;
pub use parse::{YamlError, parse_documents};
