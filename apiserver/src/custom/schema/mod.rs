//! Structural schemas: what the objects of a custom kind look like, read once from the definition.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

mod constraints;
mod defaults;
mod embedded;
mod formats;
mod lists;
mod prune;
mod structural;
mod values;

#[cfg(test)]
mod tests;

pub use defaults::fill_in;
pub use embedded::check_embedded;
pub use formats::is_known as is_known_format;
pub use lists::check_lists;
pub use prune::prune;
pub use structural::{Findings, check_schema};
pub use values::check_values;

pub use constraints::Constraints;

use serde_json::Value;
use std::collections::BTreeMap;

/// JSON types, as schemas name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// Every type with its name.
pub const TYPES: [(&str, Type); 6] = [
    ("array", Type::Array),
    ("boolean", Type::Boolean),
    ("integer", Type::Integer),
    ("number", Type::Number),
    ("object", Type::Object),
    ("string", Type::String),
];

impl Type {
    /// The type of that name.
    pub fn of(name: &str) -> Option<Self> {
        TYPES.iter().find(|(known, _)| *known == name).map(|(_, found)| *found)
    }

    /// As schemas write it.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// How a list's items are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// They are not: the list is one value.
    #[default]
    Atomic,
    /// By their values.
    Set,
    /// By some of their fields.
    Map(Vec<String>),
}

/// What stands in a map beside its named fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Additional {
    /// Anything.
    Any,
    /// Values of one shape.
    Schema(Box<Structural>),
}

/// A CEL rule about a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The expression.
    pub rule: String,
    /// What is said when it does not hold.
    pub message: String,
    /// An expression that says it.
    pub message_expression: String,
    /// `FieldValueInvalid` where nothing is said.
    pub reason: String,
    /// Which field is meant, from the value on.
    pub field_path: String,
    /// Whether a rule about the old value is also asked where there is none.
    pub optional_old_self: bool,
}

/// The shape of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Structural {
    /// Its type; none for what is an integer or a string, and for what is not said.
    pub kind: Option<Type>,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is where it is not given.
    pub default: Option<Value>,
    /// Fields of an object.
    pub properties: BTreeMap<String, Structural>,
    /// Entries of a map.
    pub additional: Option<Additional>,
    /// Items of a list.
    pub items: Option<Box<Structural>>,
    /// How a list's items are told apart.
    pub list: ListType,
    /// Whether a map is one value, for server-side apply.
    pub atomic_map: bool,
    /// Whether it holds a whole object with apiVersion, kind and metadata.
    pub embedded: bool,
    /// Whether it is a whole number or text.
    pub int_or_string: bool,
    /// Whether fields that are not named stay.
    pub preserve_unknown: bool,
    /// What values are good.
    pub constraints: Constraints,
    /// CEL rules.
    pub rules: Vec<Rule>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

impl Structural {
    /// Reads an `openAPIV3Schema` that has been checked.
    pub fn parse(schema: &Value) -> Self {
        let flag = |key: &str| schema[key] == true;
        let rule = |rule: &Value| Rule {
            rule: text(&rule["rule"]),
            message: text(&rule["message"]),
            message_expression: text(&rule["messageExpression"]),
            reason: text(&rule["reason"]),
            field_path: text(&rule["fieldPath"]),
            optional_old_self: rule["optionalOldSelf"] == true,
        };
        Self {
            kind: schema["type"].as_str().and_then(Type::of),
            nullable: flag("nullable"),
            default: Some(schema["default"].clone()).filter(|default| !default.is_null()),
            properties: schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, field)| (name.clone(), Self::parse(field)))
                .collect(),
            additional: match &schema["additionalProperties"] {
                Value::Bool(true) => Some(Additional::Any),
                Value::Object(_) => Some(Additional::Schema(Box::new(Self::parse(&schema["additionalProperties"])))),
                _ => None,
            },
            items: schema["items"].is_object().then(|| Box::new(Self::parse(&schema["items"]))),
            list: match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map(texts(&schema["x-kubernetes-list-map-keys"])),
                _ => ListType::Atomic,
            },
            atomic_map: schema["x-kubernetes-map-type"] == "atomic",
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            constraints: Constraints::parse(schema),
            rules: schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(rule).collect(),
        }
    }

    /// The shape of a field or entry; none where nothing is said of it.
    pub fn field(&self, name: &str) -> Option<&Structural> {
        self.properties.get(name).or(match &self.additional {
            Some(Additional::Schema(schema)) => Some(schema),
            Some(Additional::Any) | None => None,
        })
    }

    /// The shape's type as rules and messages name it.
    pub fn type_name(&self) -> &'static str {
        self.kind.map_or("", Type::name)
    }

    /// Whether the shape or one in it passes `test`.
    pub fn any(&self, test: &dyn Fn(&Structural) -> bool) -> bool {
        let additional = match &self.additional {
            Some(Additional::Schema(schema)) => Some(schema),
            Some(Additional::Any) | None => None,
        };
        test(self)
            || self.properties.values().any(|field| field.any(test))
            || additional.is_some_and(|schema| schema.any(test))
            || self.items.as_ref().is_some_and(|items| items.any(test))
    }
}
