//! What values a schema takes beside their type: ranges, lengths, patterns, and schemas that must or must not hold too.

use super::{Type, text, texts};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// A pattern, which compares by its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it is written.
    pub text: String,
    /// None for one that this program cannot read; its definition was refused.
    pub regex: Option<Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What values are good, named as in OpenAPI. The schemas of `all_of` and its sisters are constraints again, with types and fields of their own.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Constraints {
    /// Only here for the nested ones, whose types are no part of the structure.
    pub kind: Option<Type>,
    /// Whether a nested one takes integers and text.
    pub int_or_string: bool,
    /// Name of the format, empty for none.
    pub format: String,
    /// The values there are.
    pub values: Vec<Value>,
    /// What text must match.
    pub pattern: Option<Pattern>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub exclusive_minimum: bool,
    pub exclusive_maximum: bool,
    pub multiple_of: Option<f64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub unique_items: bool,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    /// Fields that must be there.
    pub required: Vec<String>,
    pub all_of: Vec<Constraints>,
    pub any_of: Vec<Constraints>,
    pub one_of: Vec<Constraints>,
    pub not: Option<Box<Constraints>>,
    /// Fields, items and entries of a nested one.
    pub properties: BTreeMap<String, Constraints>,
    pub items: Option<Box<Constraints>>,
    pub additional: Option<Box<Constraints>>,
}

impl Constraints {
    /// Reads what a schema demands, without its structure.
    pub(super) fn parse(schema: &Value) -> Self {
        let number = |key: &str| schema[key].as_f64();
        let count = |key: &str| schema[key].as_u64();
        let list = |key: &str| schema[key].as_array().into_iter().flatten().map(Self::nested).collect();
        Self {
            format: text(&schema["format"]),
            values: schema["enum"].as_array().cloned().unwrap_or_default(),
            pattern: schema["pattern"]
                .as_str()
                .filter(|pattern| !pattern.is_empty())
                .map(|pattern| Pattern { text: pattern.to_owned(), regex: Regex::new(pattern).ok() }),
            minimum: number("minimum"),
            maximum: number("maximum"),
            exclusive_minimum: schema["exclusiveMinimum"] == true,
            exclusive_maximum: schema["exclusiveMaximum"] == true,
            multiple_of: number("multipleOf"),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            unique_items: schema["uniqueItems"] == true,
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            required: texts(&schema["required"]),
            all_of: list("allOf"),
            any_of: list("anyOf"),
            one_of: list("oneOf"),
            not: schema["not"].is_object().then(|| Box::new(Self::nested(&schema["not"]))),
            ..Self::default()
        }
    }

    /// Reads one of the schemas in `allOf` and its sisters, whole.
    fn nested(schema: &Value) -> Self {
        let inner = |key: &str| schema[key].is_object().then(|| Box::new(Self::nested(&schema[key])));
        Self {
            kind: schema["type"].as_str().and_then(Type::of),
            int_or_string: schema["x-kubernetes-int-or-string"] == true,
            properties: schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, field)| (name.clone(), Self::nested(field)))
                .collect(),
            items: inner("items"),
            additional: inner("additionalProperties"),
            ..Self::parse(schema)
        }
    }

    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
