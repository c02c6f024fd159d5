//! One step of a path through an object, as sets of fields write it and as messages do.

use super::types::Key;
use serde_json::{Map, Value};
use std::fmt;

/// A step from a value to a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step<'a> {
    /// A field of a map.
    Field(&'a str),
    /// The item of a list with these values in its key fields.
    Key(Map<String, Value>),
    /// The item of a list that is this value.
    Value(Value),
    /// The item of a list at this place.
    Index(i64),
}

/// Why an item of a list cannot be told from the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StepError {
    #[error("associative list with keys may not have non-map elements")]
    NotAMap,
    #[error(
        "associative list with keys has an element that omits all key fields {0:?} (and doesn't have default values for \
         any key fields)"
    )]
    NoKeys(Vec<String>),
    #[error("associative list without keys has an element that's a map type")]
    NotPlain,
}

impl<'a> Step<'a> {
    /// Reads a step as sets of fields write it.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Step::Field(rest)),
            "k" => serde_json::from_str(rest).ok().map(Step::Key),
            "v" => serde_json::from_str(rest).ok().map(Step::Value),
            "i" => rest.parse().ok().map(Step::Index),
            _ => None,
        }
    }

    /// As this server writes it in sets of fields.
    pub fn canonical(&self) -> String {
        match self {
            Step::Field(name) => field(name),
            Step::Key(keys) => format!("k:{}", Value::Object(keys.clone())),
            Step::Value(value) => format!("v:{value}"),
            Step::Index(index) => format!("i:{index}"),
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Key(keys) => {
                let texts: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", texts.join(","))
            }
            Step::Value(value) => write!(f, "[={value}]"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// The step to a field.
pub(super) fn field(name: &str) -> String {
    ["f:", name].concat()
}

/// The step to an item that is a plain value.
pub(super) fn of_value(item: &Value) -> Result<String, StepError> {
    if item.is_object() || item.is_array() {
        return Err(StepError::NotPlain);
    }
    Ok(format!("v:{item}"))
}

/// The step to an item by its keys. Keys that may be missing are left out; an item without any cannot be told apart.
pub(super) fn of_keys(keys: &[Key], item: &Value) -> Result<String, StepError> {
    let Value::Object(fields) = item else { return Err(StepError::NotAMap) };
    if let [key] = keys
        && let Some(Value::String(text)) = fields.get(&key.name)
    {
        // By far the most of all items: one key, which is text.
        return Ok(format!("k:{{\"{}\":{}}}", key.name, Value::from(text.as_str())));
    }
    let values: Map<String, Value> = keys
        .iter()
        .filter_map(|key| Some((key.name.clone(), fields.get(&key.name).or(key.default.as_ref())?.clone())))
        .collect();
    if values.is_empty() {
        return Err(StepError::NoKeys(keys.iter().map(|key| key.name.clone()).collect()));
    }
    Ok(format!("k:{}", Value::Object(values)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(name: &str, default: Option<Value>) -> Key {
        Key { name: name.to_owned(), default }
    }

    #[test]
    fn items_are_told_apart_by_their_keys() {
        let name = [key("name", None)];
        let port = [key("containerPort", None), key("protocol", Some(json!("TCP")))];
        for (keys, item, expected) in [
            (&name[..], json!({"name": "a\"b", "image": "x"}), "k:{\"name\":\"a\\\"b\"}"),
            (&port[..], json!({"containerPort": 80}), "k:{\"containerPort\":80,\"protocol\":\"TCP\"}"),
            (
                &port[..],
                json!({"protocol": "UDP", "containerPort": 53}),
                "k:{\"containerPort\":53,\"protocol\":\"UDP\"}",
            ),
        ] {
            assert_eq!(of_keys(keys, &item), Ok(expected.to_owned()));
            let parsed = Step::parse(expected).expect(expected);
            assert_eq!(parsed.canonical(), expected);
        }
        assert_eq!(of_keys(&name, &json!({"image": "x"})), Err(StepError::NoKeys(vec!["name".into()])));
        assert_eq!(of_keys(&name, &json!("x")), Err(StepError::NotAMap));
        assert_eq!(of_value(&json!({})), Err(StepError::NotPlain));
        assert_eq!(of_value(&json!("a/b")), Ok("v:\"a/b\"".into()));
    }

    #[test]
    fn steps_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("f:spec", ".spec"),
            ("f:app.kubernetes.io/name", ".app.kubernetes.io/name"),
            ("k:{\"containerPort\":80,\"protocol\":\"TCP\"}", "[containerPort=80,protocol=\"TCP\"]"),
            ("v:\"a\"", "[=\"a\"]"),
            ("i:3", "[3]"),
        ] {
            assert_eq!(Step::parse(text).map(|step| step.to_string()).as_deref(), Some(expected));
        }
        for text in ["", "spec", "x:1", "k:[]", "k:1", "i:a", "v:{"] {
            assert_eq!(Step::parse(text), None, "{text}");
        }
    }
}
