//! A value of an object together with its place, for rules that look at decoded objects: their types are right already.

use super::causes::{duplicate, forbidden, invalid, not_supported, required};
use super::labels::validate_label_selector;
use super::path::FieldPath;
use kubus_proto::status::Cause;
use serde_json::Value;
use std::collections::BTreeSet;

/// A value and where it is; null where there is none.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The value.
    pub value: &'a Value,
    /// Its place.
    pub path: FieldPath<'a>,
}

impl<'a> At<'a> {
    /// A field of the object itself.
    pub fn root(object: &'a Value, field: &'a str) -> Self {
        Self { value: &object[field], path: FieldPath::root(field) }
    }

    /// A field of this value.
    pub fn field(&'a self, name: &'a str) -> At<'a> {
        At { value: &self.value[name], path: self.path.field(name) }
    }

    /// The items of this list.
    pub fn items(&'a self) -> impl Iterator<Item = At<'a>> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(i, value)| At { value, path: self.path.index(i) })
    }

    /// The entries of this map.
    pub fn entries(&'a self) -> impl Iterator<Item = (&'a str, At<'a>)> {
        let entries = self.value.as_object().into_iter().flatten();
        entries.map(|(key, value)| (key.as_str(), At { value, path: self.path.key(key) }))
    }

    /// The text, empty where there is none.
    pub fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// The number, if there is one.
    pub fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// How many items a list or a map has.
    pub fn len(&self) -> usize {
        match self.value {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        }
    }

    /// Whether nothing is given.
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// Whether nothing is given, or something empty.
    pub fn is_empty(&self) -> bool {
        match self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(_) | Value::Object(_) => self.len() == 0,
            Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Says that the value breaks a rule.
    pub fn invalid(&self, detail: impl AsRef<str>, causes: &mut Vec<Cause>) {
        causes.push(invalid(self.path, self.value.clone(), detail));
    }

    /// Says that the value may not be here.
    pub fn forbidden(&self, detail: impl AsRef<str>, causes: &mut Vec<Cause>) {
        causes.push(forbidden(self.path, detail));
    }

    /// Says that a value is missing.
    pub fn missing(&self, detail: &str, causes: &mut Vec<Cause>) {
        causes.push(required(self.path, detail));
    }

    /// Something must be given; gives whether it is.
    pub fn require(&self, detail: &str, causes: &mut Vec<Cause>) -> bool {
        let given = !self.is_empty();
        if !given {
            self.missing(detail, causes);
        }
        given
    }

    /// A text that is given must follow a rule.
    pub fn follow(&self, rule: fn(&str) -> Vec<String>, causes: &mut Vec<Cause>) {
        if !self.is_empty() {
            rule(self.text()).into_iter().for_each(|problem| self.invalid(problem, causes));
        }
    }

    /// A text that must be given and follow a rule.
    pub fn require_text(&self, rule: fn(&str) -> Vec<String>, causes: &mut Vec<Cause>) {
        if self.require("", causes) {
            self.follow(rule, causes);
        }
    }

    /// A text that is given must be one of these; gives whether it is.
    pub fn one_of(&self, supported: &[&str], causes: &mut Vec<Cause>) -> bool {
        let good = self.is_null() || supported.contains(&self.text());
        if !good {
            causes.push(not_supported(self.path, self.value.clone(), supported));
        }
        good
    }

    /// A text that must be given and be one of these.
    pub fn require_one_of(&self, supported: &[&str], causes: &mut Vec<Cause>) {
        if self.require("", causes) {
            self.one_of(supported, causes);
        }
    }

    /// A number that is given must be in a range.
    pub fn within(&self, low: i64, high: i64, causes: &mut Vec<Cause>) {
        if self.number().is_some_and(|number| number < low || number > high) {
            self.invalid(super::names::range(low, high), causes);
        }
    }

    /// A number that is given must not be negative.
    pub fn not_negative(&self, causes: &mut Vec<Cause>) {
        if self.number().is_some_and(|number| number < 0) {
            self.invalid("must be greater than or equal to 0", causes);
        }
    }

    /// A label selector, if there is one.
    pub fn label_selector(&self, causes: &mut Vec<Cause>) {
        if self.is_null() {
            return;
        }
        super::metadata::check(self.value, causes, |selector, causes| {
            validate_label_selector(selector, &self.path, causes);
        });
    }

    /// Items of a list that must differ in a field are told of where they do not.
    pub fn unique(&self, field: &str, causes: &mut Vec<Cause>) {
        let mut seen = BTreeSet::new();
        for item in self.items() {
            let key = item.field(field);
            if !key.is_empty() && !seen.insert(key.value.to_string()) {
                causes.push(duplicate(key.path, key.value.clone()));
            }
        }
    }
}

/// Says of each of these fields that it cannot change, where it has. Nothing and something empty are the same.
pub fn immutable(new: &At<'_>, old: &Value, fields: &[&str], causes: &mut Vec<Cause>) {
    for field in fields {
        let new = new.field(field);
        let before = At { value: &old[*field], path: new.path };
        if new.value != before.value && !(new.is_empty() && before.is_empty()) {
            new.invalid("field is immutable", causes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_name_the_place() {
        let object =
            json!({"spec": {"list": [{"name": "a"}, {"name": "a", "size": 9, "kind": "x"}], "map": {"k": "v"}}});
        let mut causes = Vec::new();
        let spec = At::root(&object, "spec");
        spec.field("list").unique("name", &mut causes);
        for item in spec.field("list").items() {
            item.field("size").within(1, 5, &mut causes);
            item.field("kind").one_of(&["y"], &mut causes);
            item.field("kind").require("must be said", &mut causes);
        }
        spec.field("map").entries().for_each(|(_, at)| at.forbidden("", &mut causes));
        immutable(&spec, &json!({"other": [], "map": {}}), &["map", "other"], &mut causes);
        let said: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(
            said,
            [
                "spec.list[1].name: Duplicate value: \"a\"",
                "spec.list[0].kind: Required value: must be said",
                "spec.list[1].size: Invalid value: 9: must be between 1 and 5, inclusive",
                "spec.list[1].kind: Unsupported value: \"x\": supported values: \"y\"",
                "spec.map[k]: Forbidden",
                "spec.map: Invalid value: {\"k\":\"v\"}: field is immutable",
            ]
        );
    }
}
