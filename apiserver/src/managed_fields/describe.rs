//! What an object says: the set of the fields it holds, and whether it holds what its type allows.

use super::scope::Scope;
use super::set::{FieldSet, Mark};
use super::step::{self, Step};
use super::types::{Key, Node, Relation, Scalar, Type, View};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How deep an object that is applied may be nested.
const DEPTH_LIMIT: usize = 128;

/// The fields that `object` holds.
pub(super) fn describe(root: Type<'_>, scope: Scope, object: &Value) -> FieldSet {
    let mut mark = Mark::default();
    for (name, value) in object.as_object().into_iter().flatten().filter(|(name, _)| scope.of_root(name)) {
        let inner = if name == "metadata" {
            let mut inner = Mark::default();
            fields(root.field_or_any(name), value, Scope::of_metadata, &mut inner);
            inner
        } else {
            field(root, name, value)
        };
        mark.put(|| step::field(name), inner);
    }
    FieldSet::of(mark)
}

fn field(of: Type<'_>, name: &str, value: &Value) -> Mark {
    let mut mark = value_of(of.field_or_any(name), value);
    // Nothing and the empty map are said by naming the field; and so is a field that the type does not know by itself.
    mark.member |= value.is_null() || value.as_object().is_some_and(Map::is_empty) || of.declared(name).is_none();
    mark
}

fn fields(of: Type<'_>, value: &Value, is_wanted: impl Fn(&str) -> bool, mark: &mut Mark) {
    for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| is_wanted(name)) {
        mark.put(|| step::field(name), field(of, name, value));
    }
}

fn value_of(of: Type<'_>, value: &Value) -> Mark {
    let mut mark = Mark::default();
    match of.view(value) {
        View::Leaf => mark.member = true,
        View::Map => fields(of, value, |_| true, &mut mark),
        View::Set => {
            for step in value.as_array().into_iter().flatten().filter_map(|item| step::of_value(item).ok()) {
                mark.put(|| step, Mark::leaf());
            }
        }
        View::Keyed(keys, item_type) => {
            for item in value.as_array().into_iter().flatten() {
                let Ok(step) = step::of_keys(keys, item) else { continue };
                let inner = Mark { member: true, ..value_of(item_type, item) };
                mark.put(|| step, inner);
            }
        }
    }
    mark
}

/// What is wrong with an object that is applied, each with its path: `.spec.replicas: expected numeric (int or float), got string`.
pub(super) fn check(root: Type<'_>, object: &Value) -> Vec<String> {
    let mut check = Check { path: String::new(), depth: 0, wrong: Vec::new() };
    check.value(root, object);
    check.wrong
}

struct Check {
    path: String,
    depth: usize,
    wrong: Vec<String>,
}

impl Check {
    fn say(&mut self, text: impl std::fmt::Display) {
        let path = &self.path;
        self.wrong.push(if path.is_empty() { text.to_string() } else { format!("{path}: {text}") });
    }

    fn at(&mut self, step: &str, inner: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            self.say("the object is nested too deeply");
        } else {
            inner(self);
        }
        self.depth -= 1;
        self.path.truncate(length);
    }

    fn value(&mut self, of: Type<'_>, value: &Value) {
        match (of.node(), value) {
            (_, Value::Null) | (Node::Any, _) => {}
            (Node::Scalar(scalar), value) => {
                if let Some(wanted) = misfit(*scalar, value) {
                    self.say(wanted);
                }
            }
            (Node::Struct { .. } | Node::Map { .. }, Value::Object(fields)) => {
                for (name, value) in fields {
                    self.at(&format!(".{name}"), |check| match of.field(name) {
                        Some(inner) => check.value(inner, value),
                        None => check.say("field not declared in schema"),
                    });
                }
            }
            (Node::Struct { .. } | Node::Map { .. }, other) => self.say(format_args!("expected map, got {other}")),
            (Node::List { relation, .. }, Value::Array(items)) => self.items(of, relation, items),
            (Node::List { .. }, other) => self.say(format_args!("expected list, got {other}")),
        }
    }

    fn items(&mut self, of: Type<'_>, relation: &Relation, items: &[Value]) {
        let mut seen = BTreeSet::new();
        for (i, item) in items.iter().enumerate() {
            let step = match relation {
                Relation::Atomic => {
                    self.at(&format!("[{i}]"), |check| check.value(of.item(), item));
                    continue;
                }
                Relation::Set => step::of_value(item),
                Relation::Keyed(keys) => keyed(keys, item),
            };
            match step {
                Err(error) => self.say(format_args!("element {i}: {error}")),
                Ok(step) => {
                    let shown = Step::parse(&step).map(|step| step.to_string()).unwrap_or_default();
                    self.at(&shown, |check| check.value(of.item(), item));
                    if !seen.insert(step) {
                        self.say(format_args!("duplicate entries for key {shown}"));
                    }
                }
            }
        }
    }
}

fn keyed(keys: &[Key], item: &Value) -> Result<String, step::StepError> {
    step::of_keys(keys, item)
}

fn misfit(scalar: Scalar, value: &Value) -> Option<String> {
    let kind = match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    match (scalar, value) {
        (Scalar::Number, Value::Number(_))
        | (Scalar::Text, Value::String(_))
        | (Scalar::Bool, Value::Bool(_))
        | (Scalar::Any, Value::Number(_) | Value::String(_) | Value::Bool(_)) => None,
        (Scalar::Number, _) => Some(format!("expected numeric (int or float), got {kind}")),
        (Scalar::Text, _) => Some(format!("expected string, got &value.valueUnstructured{{Value:{value}}}")),
        (Scalar::Bool, _) => Some(format!("expected boolean, got &{{{value}}}")),
        (Scalar::Any, _) => Some(format!("expected any scalar, got &{{{value}}}")),
    }
}
