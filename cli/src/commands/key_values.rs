//! What `label` and `annotate` share: `key=value` and `key-` on a command line, and the patch they make.

use crate::error::Result;
use crate::fail;
use kubus_proto::selector::{is_label_value, is_qualified_name};
use serde_json::{Map, Value, json};

/// Changes of a map in metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValues {
    /// Keys that get a value.
    pub set: Vec<(String, String)>,
    /// Keys that are taken away.
    pub remove: Vec<String>,
}

impl KeyValues {
    /// Splits the words of a command line into those that name resources and those that change keys.
    pub fn split(words: &[String]) -> (Vec<String>, Vec<String>) {
        let first = words.iter().position(|w| w.contains('=') || (w.ends_with('-') && w.len() > 1));
        let (resources, changes) = words.split_at(first.unwrap_or(words.len()));
        (resources.to_vec(), changes.to_vec())
    }

    /// Reads `key=value` and `key-`. `what` is `label` or `annotation`.
    pub fn parse(words: &[String], what: &str) -> Result<Self> {
        let mut all = Self::default();
        for word in words {
            let key = match (word.split_once('='), word.strip_suffix('-')) {
                (Some((key, value)), _) => {
                    if what == "label" && !is_label_value(value) {
                        fail!(
                            "invalid label value: {word:?}: a valid label must be an empty string or consist of \
                             alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                             character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
                             '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                        );
                    }
                    all.set.push((key.to_owned(), value.to_owned()));
                    key
                }
                (None, Some(key)) => {
                    all.remove.push(key.to_owned());
                    key
                }
                (None, None) => fail!("unknown {what} spec: {word}"),
            };
            if !is_qualified_name(key) {
                fail!("invalid {what} key {key:?}: it must be [prefix/]name with letters, digits, '-', '_' or '.'");
            }
        }
        if let Some((key, _)) = all.set.iter().find(|(key, _)| all.remove.contains(key)) {
            fail!("can not both modify and remove a {what} in the same command: {key:?}");
        }
        Ok(all)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Keys that have another value already.
    pub fn conflicts<'a>(&'a self, current: &'a Value) -> Vec<(&'a str, &'a str)> {
        self.set
            .iter()
            .filter_map(|(key, value)| {
                let old = current[key].as_str()?;
                (old != value).then_some((key.as_str(), old))
            })
            .collect()
    }

    /// The merge patch of `metadata.<field>`; empty where nothing changes.
    pub fn patch(&self, field: &str, current: &Value) -> Value {
        let mut changes = Map::new();
        for (key, value) in self.set.iter().filter(|(key, value)| current[key] != json!(value)) {
            changes.insert(key.clone(), json!(value));
        }
        for key in self.remove.iter().filter(|key| !current[key.as_str()].is_null()) {
            changes.insert(key.clone(), Value::Null);
        }
        if changes.is_empty() { json!({}) } else { json!({"metadata": {field: changes}}) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn words_become_patches() {
        let current = json!({"a": "1", "b": "2"});
        for (line, expected) in [
            ("c=3", json!({"metadata": {"labels": {"c": "3"}}})),
            ("a-", json!({"metadata": {"labels": {"a": null}}})),
            ("a=1", json!({})),
            ("z-", json!({})),
            ("b=", json!({"metadata": {"labels": {"b": ""}}})),
        ] {
            let changes = KeyValues::parse(&words(line), "label").expect(line);
            assert_eq!(changes.patch("labels", &current), expected, "{line}");
        }
        assert_eq!(KeyValues::parse(&words("a=1 b=3"), "label").expect("labels").conflicts(&current), [("b", "2")]);
        for line in ["a", "a=b c", "k=bad!", "bad!=v", "a=1 a-", "=x"] {
            assert!(KeyValues::parse(&words(line), "label").is_err(), "{line}");
        }
        let (resources, changes) = KeyValues::split(&words("pod x a=1 b-"));
        assert_eq!((resources, changes), (words("pod x"), words("a=1 b-")));
    }
}
