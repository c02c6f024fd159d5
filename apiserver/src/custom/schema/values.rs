//! Whether a value is as its schema wants it: types, ranges, lengths, patterns, formats, required fields. Worded as
//! Kubernetes words it.

use super::{Additional, Constraints, Structural, Type, formats};
use kubus_proto::status::Cause;
use serde_json::Value;
use std::collections::HashSet;

/// Most causes that are told of one object.
const CAUSES_LIMIT: usize = 256;

/// Checks a value that stands at `path` (empty for the object itself).
pub fn check_values(schema: &Structural, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    check(View::Shape(schema), path, value, causes);
    causes.truncate(CAUSES_LIMIT);
}

/// A shape, or one of the schemas that must hold beside it.
#[derive(Clone, Copy)]
enum View<'a> {
    Shape(&'a Structural),
    Nested(&'a Constraints),
}

impl<'a> View<'a> {
    fn constraints(self) -> &'a Constraints {
        match self {
            View::Shape(shape) => &shape.constraints,
            View::Nested(nested) => nested,
        }
    }

    fn kind(self) -> Option<Type> {
        match self {
            View::Shape(shape) => shape.kind,
            View::Nested(nested) => nested.kind,
        }
    }

    fn int_or_string(self) -> bool {
        match self {
            View::Shape(shape) => shape.int_or_string,
            View::Nested(nested) => nested.int_or_string,
        }
    }

    fn nullable(self) -> bool {
        matches!(self, View::Shape(shape) if shape.nullable)
    }

    fn field(self, name: &str) -> Option<View<'a>> {
        match self {
            View::Shape(shape) => shape.properties.get(name).map(View::Shape).or(match &shape.additional {
                Some(Additional::Schema(schema)) => Some(View::Shape(schema)),
                Some(Additional::Any) | None => None,
            }),
            View::Nested(nested) => {
                let named = nested.properties.get(name);
                named.or(nested.additional.as_deref()).map(View::Nested)
            }
        }
    }

    fn items(self) -> Option<View<'a>> {
        match self {
            View::Shape(shape) => shape.items.as_deref().map(View::Shape),
            View::Nested(nested) => nested.items.as_deref().map(View::Nested),
        }
    }
}

fn cause(reason: &str, field: &str, message: String) -> Cause {
    Cause { reason: reason.to_owned(), message, field: field.to_owned() }
}

fn invalid(path: &str, value: &Value, detail: &str) -> Cause {
    cause("FieldValueInvalid", path, format!("Invalid value: {value}: {} {detail}", place(path)))
}

/// `spec.replicas in body`, as messages name a place.
fn place(path: &str) -> String {
    if path.is_empty() { "in body".to_owned() } else { format!("{path} in body") }
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What JSON calls the type of a value.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|float| float.fract() == 0.0)
}

fn fits(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Number => value.is_number(),
        Type::Integer => value.is_number() && is_whole(value),
    }
}

/// 422's causes for one value and what is in it.
fn check(view: View<'_>, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    if value.is_null() && view.nullable() || causes.len() >= CAUSES_LIMIT {
        return;
    }
    let wanted = match (view.kind(), view.int_or_string()) {
        (_, true) if !(value.is_string() || value.is_number() && is_whole(value)) => Some("integer,string"),
        (Some(kind), false) if !fits(kind, value) => Some(kind.name()),
        _ => None,
    };
    if let Some(wanted) = wanted {
        let found = type_of(value);
        let detail = format!("must be of type {wanted}: {found:?}");
        let message = format!("Invalid value: {found:?}: {} {detail}", place(path));
        causes.push(cause("FieldValueTypeInvalid", path, message));
        return;
    }
    let rules = view.constraints();
    junctions(rules, path, value, causes);
    match value {
        Value::String(text) => check_text(rules, path, text, causes),
        Value::Number(_) => check_number(rules, path, value, causes),
        Value::Array(items) => check_list(view, path, items, causes),
        Value::Object(_) => check_map(view, path, value, causes),
        Value::Null | Value::Bool(_) => {}
    }
    if !rules.values.is_empty() && !rules.values.iter().any(|known| same(known, value)) {
        let known: Vec<String> =
            rules.values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        causes.push(crate::behaviour::causes::not_supported(path, value.clone(), &known));
    }
}

/// Equal, and a whole float equal to its integer.
fn same(a: &Value, b: &Value) -> bool {
    a == b || matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a == b)
}

fn check_text(rules: &Constraints, path: &str, text: &str, causes: &mut Vec<Cause>) {
    let value = || Value::String(text.to_owned());
    let length = || text.chars().count() as u64;
    if let Some(limit) = rules.max_length.filter(|limit| length() > *limit) {
        causes.push(cause("FieldValueTooLong", path, format!("Too long: may not be more than {limit} bytes")));
    }
    if let Some(limit) = rules.min_length.filter(|limit| length() < *limit) {
        causes.push(invalid(path, &value(), &format!("should be at least {limit} chars long")));
    }
    if let Some(pattern) = &rules.pattern
        && pattern.regex.as_ref().is_some_and(|regex| !regex.is_match(text))
    {
        causes.push(invalid(path, &value(), &format!("should match '{}'", pattern.text)));
    }
    if !formats::matches(&rules.format, text) {
        let detail = format!("must be of type {}: {text:?}", rules.format);
        let message = format!("Invalid value: {}: {} {detail}", value(), place(path));
        causes.push(cause("FieldValueTypeInvalid", path, message));
    }
}

/// A number as Go prints it.
fn printed(number: f64) -> String {
    const EXACT: f64 = 1e15;
    if number.fract() == 0.0 && number.abs() < EXACT { format!("{number:.0}") } else { number.to_string() }
}

fn check_number(rules: &Constraints, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    let bounds = [
        (rules.maximum, rules.exclusive_maximum, number > rules.maximum.unwrap_or(number), "less than"),
        (rules.minimum, rules.exclusive_minimum, number < rules.minimum.unwrap_or(number), "greater than"),
    ];
    for (bound, exclusive, beyond, relation) in bounds {
        let Some(bound) = bound else { continue };
        if beyond || exclusive && number == bound {
            let or_equal = if exclusive { "" } else { " or equal to" };
            causes.push(invalid(path, value, &format!("should be {relation}{or_equal} {}", printed(bound))));
        }
    }
    if let Some(factor) = rules.multiple_of.filter(|factor| *factor != 0.0 && (number / factor).fract() != 0.0) {
        causes.push(invalid(path, value, &format!("should be a multiple of {}", printed(factor))));
    }
    let bits = match rules.format.as_str() {
        "int32" => value.as_i64().is_none_or(|number| i32::try_from(number).is_err()),
        "int64" => value.as_i64().is_none(),
        _ => false,
    };
    if bits && is_whole(value) && value.as_f64().is_some_and(|float| float.abs() >= f64::from(i32::MAX)) {
        let detail = format!("Checked value must be of type integer with format {} in {}", rules.format, place(path));
        causes.push(cause("FieldValueInvalid", path, format!("Invalid value: {value}: {detail}")));
    }
}

fn check_list(view: View<'_>, path: &str, items: &[Value], causes: &mut Vec<Cause>) {
    let rules = view.constraints();
    let count = items.len() as u64;
    if let Some(inner) = view.items() {
        for (i, item) in items.iter().enumerate() {
            check(inner, &format!("{path}[{i}]"), item, causes);
        }
    }
    if let Some(limit) = rules.min_items.filter(|limit| count < *limit) {
        causes.push(invalid(path, &Value::from(count), &format!("should have at least {limit} items")));
    }
    if let Some(limit) = rules.max_items.filter(|limit| count > *limit) {
        causes.push(cause("FieldValueTooMany", path, format!("Too many: {count}: must have at most {limit} items")));
    }
    if rules.unique_items {
        let distinct: HashSet<String> = items.iter().map(Value::to_string).collect();
        if distinct.len() < items.len() {
            causes.push(invalid(path, &Value::Array(items.to_vec()), "shouldn't contain duplicates"));
        }
    }
}

fn check_map(view: View<'_>, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    let Some(map) = value.as_object() else { return };
    let rules = view.constraints();
    let count = map.len() as u64;
    if let Some(limit) = rules.min_properties.filter(|limit| count < *limit) {
        causes.push(invalid(path, &Value::from(count), &format!("should have at least {limit} properties")));
    }
    if let Some(limit) = rules.max_properties.filter(|limit| count > *limit) {
        causes.push(cause("FieldValueTooMany", path, format!("Too many: {count}: must have at most {limit} items")));
    }
    for name in rules.required.iter().filter(|name| !map.contains_key(*name)) {
        causes.push(cause("FieldValueRequired", &child(path, name), "Required value".to_owned()));
    }
    for (name, inner) in map {
        if let Some(shape) = view.field(name) {
            check(shape, &child(path, name), inner, causes);
        }
    }
}

/// The schemas that must hold too. What Kubernetes says of them has no field.
fn junctions(rules: &Constraints, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    let holds = |nested: &Constraints| {
        let mut own = Vec::new();
        check(View::Nested(nested), path, value, &mut own);
        own
    };
    let mut say =
        |text: &str| causes.push(cause("FieldValueInvalid", "<nil>", format!("Invalid value: \"\": {path:?} {text}")));
    let mut told = Vec::new();
    if !rules.any_of.is_empty() {
        let failures: Vec<Vec<Cause>> = rules.any_of.iter().map(holds).collect();
        if failures.iter().all(|failure| !failure.is_empty()) {
            say("must validate at least one schema (anyOf)");
            told.extend(failures.into_iter().min_by_key(Vec::len).unwrap_or_default());
        }
    }
    if !rules.one_of.is_empty() {
        let failures: Vec<Vec<Cause>> = rules.one_of.iter().map(holds).collect();
        match failures.iter().filter(|failure| failure.is_empty()).count() {
            1 => {}
            0 => {
                say("must validate one and only one schema (oneOf). Found none valid");
                told.extend(failures.into_iter().min_by_key(Vec::len).unwrap_or_default());
            }
            count => say(&format!("must validate one and only one schema (oneOf). Found {count} valid alternatives")),
        }
    }
    if !rules.all_of.is_empty() {
        let failures: Vec<Vec<Cause>> = rules.all_of.iter().map(holds).collect();
        if failures.iter().any(|failure| !failure.is_empty()) {
            let none = failures.iter().all(|failure| !failure.is_empty());
            say(&format!("must validate all the schemas (allOf){}", if none { ". None validated" } else { "" }));
            told.extend(failures.into_iter().flatten());
        }
    }
    if rules.not.as_ref().is_some_and(|nested| holds(nested).is_empty()) {
        say("must not validate the schema (not)");
    }
    causes.extend(told);
}
