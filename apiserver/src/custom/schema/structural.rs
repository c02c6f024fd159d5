//! Whether a schema is structural: every field has a type, and what must hold beside it says nothing about structure.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

use super::{ListType, Structural, Type, check_values, fill_in, is_known_format, prune};
use crate::behaviour::causes::{forbidden, invalid, not_supported, required};
use kubus_proto::status::Cause;
use serde_json::Value;

/// How deep schemas may nest.
const DEPTH_LIMIT: usize = 64;
/// What a structural schema cannot have, and what is said of it.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("$ref", "$ref is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
    ("id", "id is not supported"),
    ("patternProperties", "patternProperties is not supported"),
];
/// What belongs to the structure and may not stand in `allOf` and its sisters.
const STRUCTURE: &[&str] = &[
    "additionalProperties",
    "default",
    "description",
    "nullable",
    "title",
    "type",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];
/// Schemas that must hold beside the structure.
const JUNCTIONS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Where a schema stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What is wrong with a definition's schema, and what its author should know.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub causes: Vec<Cause>,
    /// What is suspicious.
    pub warnings: Vec<String>,
}

/// Checks the schema that stands at `path`.
pub fn check_schema(path: &str, schema: &Value) -> Findings {
    let mut findings = Findings::default();
    walk(Level::Root, path, schema, 0, &mut findings);
    findings
}

fn walk(level: Level, path: &str, schema: &Value, depth: usize, findings: &mut Findings) {
    if depth > DEPTH_LIMIT {
        findings.causes.push(forbidden(path, format!("schemas may not nest deeper than {DEPTH_LIMIT}")));
        return;
    }
    for (key, said) in UNSUPPORTED.iter().filter(|(key, _)| !schema[*key].is_null()) {
        findings.causes.push(forbidden(format!("{path}.{key}"), said));
    }
    check_type(level, path, schema, &mut findings.causes);
    check_object(path, schema, &mut findings.causes);
    check_array(path, schema, &mut findings.causes);
    check_extensions(path, schema, &mut findings.causes);
    check_constraints(path, schema, findings);
    check_junctions(path, schema, &mut findings.causes);
    check_default(path, schema, &mut findings.causes);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.properties[{name}]");
        if level == Level::Root && name == "metadata" {
            check_metadata_schema(&path, field, &mut findings.causes);
        }
        walk(Level::Field, &path, field, depth + 1, findings);
    }
    if schema["items"].is_object() {
        walk(Level::Item, &format!("{path}.items"), &schema["items"], depth + 1, findings);
    }
    if schema["additionalProperties"].is_object() {
        let path = format!("{path}.additionalProperties");
        walk(Level::Field, &path, &schema["additionalProperties"], depth + 1, findings);
    }
}

fn flag(schema: &Value, key: &str) -> bool {
    schema[key] == true
}

fn check_type(level: Level, path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    let at = format!("{path}.type");
    let kind = schema["type"].as_str().unwrap_or_default();
    let open = flag(schema, "x-kubernetes-int-or-string") || flag(schema, "x-kubernetes-preserve-unknown-fields");
    match (kind, level) {
        ("", _) if flag(schema, "x-kubernetes-embedded-resource") => {
            causes.push(required(&at, "must be object if x-kubernetes-embedded-resource is true"));
        }
        ("", Level::Root) if !open => causes.push(required(&at, "must not be empty at the root")),
        ("", Level::Item) if !open => causes.push(required(&at, "must not be empty for specified array items")),
        ("", Level::Field) if !open => causes.push(required(&at, "must not be empty for specified object fields")),
        ("", _) => {}
        ("null", _) => causes.push(forbidden(&at, "type cannot be set to null, use nullable as an alternative")),
        (kind, _) if Type::of(kind).is_none() => {
            let known: Vec<&str> = super::TYPES.iter().map(|(name, _)| *name).collect();
            causes.push(not_supported(&at, kind, &known));
        }
        (kind, Level::Root) if kind != "object" => causes.push(invalid(&at, kind, "must be object at the root")),
        (kind, _) if flag(schema, "x-kubernetes-embedded-resource") && kind != "object" => {
            causes.push(invalid(&at, kind, "must be object if x-kubernetes-embedded-resource is true"));
        }
        (kind, _) if flag(schema, "x-kubernetes-int-or-string") => {
            causes.push(invalid(&at, kind, "must be empty if x-kubernetes-int-or-string is true"));
        }
        _ => {}
    }
}

fn check_object(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    let at = format!("{path}.additionalProperties");
    let additional = &schema["additionalProperties"];
    let has_fields = schema["properties"].as_object().is_some_and(|fields| !fields.is_empty());
    if *additional == false {
        causes.push(forbidden(&at, "additionalProperties cannot be set to false"));
    } else if !additional.is_null() {
        if has_fields {
            causes.push(forbidden(&at, "additionalProperties and properties are mutual exclusive"));
        }
        if flag(schema, "x-kubernetes-embedded-resource") {
            causes.push(forbidden(&at, "must not be used if x-kubernetes-embedded-resource is set"));
        }
    }
    let bare = !has_fields && !flag(schema, "x-kubernetes-preserve-unknown-fields");
    if flag(schema, "x-kubernetes-embedded-resource") && bare {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
            x-kubernetes-preserve-unknown-fields";
        causes.push(required(format!("{path}.properties"), detail));
    }
}

fn check_array(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    if schema["items"].is_array() {
        causes.push(forbidden(format!("{path}.items"), "items must be a schema object and not an array"));
    }
    if schema["type"] == "array" && schema["items"].is_null() {
        causes.push(required(format!("{path}.items"), "must be specified"));
    }
    if flag(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(forbidden(format!("{path}.uniqueItems"), detail));
    }
    let list = schema["x-kubernetes-list-type"].as_str().unwrap_or_default();
    let keys = format!("{path}.x-kubernetes-list-map-keys");
    let has_keys = schema["x-kubernetes-list-map-keys"].as_array().is_some_and(|keys| !keys.is_empty());
    if !list.is_empty() && schema["type"] != "array" {
        let detail = format!("must be array if x-kubernetes-list-type is {list}");
        causes.push(invalid(format!("{path}.type"), schema["type"].as_str().unwrap_or_default(), detail));
        return;
    }
    match list {
        "" | "atomic" | "set" if has_keys => {
            causes.push(forbidden(keys, "must be empty if x-kubernetes-list-type is not map"));
        }
        "" | "atomic" => {}
        "set" => check_set(path, &schema["items"], causes),
        "map" if !has_keys => causes.push(required(keys, "must not be empty if x-kubernetes-list-type is map")),
        "map" => check_keys(path, schema, causes),
        other => {
            causes.push(not_supported(format!("{path}.x-kubernetes-list-type"), other, &["atomic", "set", "map"]));
        }
    }
}

/// Items of a set are compared whole.
fn check_set(path: &str, items: &Value, causes: &mut Vec<Cause>) {
    let path = format!("{path}.items");
    if flag(items, "nullable") {
        causes.push(forbidden(format!("{path}.nullable"), "cannot be nullable when x-kubernetes-list-type is set"));
    }
    match items["type"].as_str() {
        Some("object") if items["x-kubernetes-map-type"] != "atomic" => {
            let found = items["x-kubernetes-map-type"].as_str().unwrap_or("granular");
            let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
            causes.push(invalid(format!("{path}.x-kubernetes-map-type"), found, detail));
        }
        Some("array") if !matches!(items["x-kubernetes-list-type"].as_str(), None | Some("atomic")) => {
            let found = items["x-kubernetes-list-type"].as_str().unwrap_or_default();
            let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
            causes.push(invalid(format!("{path}.x-kubernetes-list-type"), found, detail));
        }
        _ => {}
    }
}

/// Items of a map are told apart by fields that are always there.
fn check_keys(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    let items = &schema["items"];
    let path = format!("{path}.items");
    if items["type"] != "object" {
        let found = items["type"].as_str().unwrap_or_default();
        causes.push(invalid(
            format!("{path}.type"),
            found,
            "must be object if parent array's x-kubernetes-list-type is map",
        ));
        return;
    }
    if flag(items, "nullable") {
        causes.push(forbidden(format!("{path}.nullable"), "cannot be nullable when x-kubernetes-list-type is map"));
    }
    let ListType::Map(keys) = Structural::parse(schema).list else { return };
    for key in &keys {
        let field = &items["properties"][key];
        if field.is_null() {
            let at = format!("{}.x-kubernetes-list-map-keys", path.trim_end_matches(".items"));
            causes.push(invalid(at, key.as_str(), "entries must all be names of item properties"));
            continue;
        }
        let path = format!("{path}.properties[{key}]");
        if matches!(field["type"].as_str(), Some("array" | "object")) {
            let found = field["type"].as_str().unwrap_or_default();
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            causes.push(invalid(format!("{path}.type"), found, detail));
        }
        let is_required = items["required"].as_array().is_some_and(|all| all.iter().any(|name| name == key.as_str()));
        if !is_required && field["default"].is_null() {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(required(format!("{path}.default"), detail));
        }
    }
}

fn check_extensions(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let at = format!("{path}.x-kubernetes-preserve-unknown-fields");
        causes.push(invalid(at, false, "must be true or undefined"));
    }
    match schema["x-kubernetes-map-type"].as_str() {
        None | Some("atomic" | "granular")
            if schema["x-kubernetes-map-type"].is_null() || schema["type"] == "object" => {}
        Some("atomic" | "granular") => {
            let found = schema["type"].as_str().unwrap_or_default();
            causes.push(invalid(format!("{path}.type"), found, "must be object if x-kubernetes-map-type is specified"));
        }
        other => {
            let at = format!("{path}.x-kubernetes-map-type");
            causes.push(not_supported(at, other.unwrap_or_default(), &["atomic", "granular"]));
        }
    }
}

fn check_constraints(path: &str, schema: &Value, findings: &mut Findings) {
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(error) = regex::Regex::new(pattern)
    {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default();
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        findings.causes.push(invalid(format!("{path}.pattern"), pattern, detail));
    }
    if let Some(format) = schema["format"].as_str().filter(|format| !format.is_empty() && !is_known_format(format)) {
        findings.warnings.push(format!("{path}.format: unrecognized format {format:?}"));
    }
}

/// `allOf` and its sisters say nothing about structure, and speak only of fields that the structure has.
fn check_junctions(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    for key in JUNCTIONS {
        for (i, nested) in schema[key].as_array().into_iter().flatten().enumerate() {
            let exempt = is_int_or_string_choice(schema, key, i);
            check_nested(&format!("{path}.{key}[{i}]"), path, nested, schema, exempt, causes);
        }
    }
    if schema["not"].is_object() {
        check_nested(&format!("{path}.not"), path, &schema["not"], schema, false, causes);
    }
}

/// The way generators write what is an integer or a string: `anyOf: [{type: integer}, {type: string}]`.
fn is_int_or_string_choice(schema: &Value, key: &str, index: usize) -> bool {
    let is_choice = |any: &Value| any[0]["type"] == "integer" && any[1]["type"] == "string" && any[2].is_null();
    flag(schema, "x-kubernetes-int-or-string")
        && match key {
            "anyOf" => is_choice(&schema["anyOf"]),
            "allOf" => index == 0 && is_choice(&schema["allOf"][0]["anyOf"]),
            _ => false,
        }
}

fn check_nested(path: &str, home: &str, nested: &Value, structure: &Value, exempt: bool, causes: &mut Vec<Cause>) {
    let allowed = |key: &str| nested[key].is_null() || exempt && key == "type";
    for key in STRUCTURE.iter().filter(|key| !allowed(key)) {
        let wanted = if *key == "type" { "empty" } else { "undefined" };
        causes.push(forbidden(format!("{path}.{key}"), format!("must be {wanted} to be structural")));
    }
    for (name, field) in nested["properties"].as_object().into_iter().flatten() {
        let (path, home) = (format!("{path}.properties[{name}]"), format!("{home}.properties[{name}]"));
        let shape = &structure["properties"][name];
        if shape.is_null() && structure["x-kubernetes-preserve-unknown-fields"] != true {
            causes.push(required(&home, &format!("because it is defined in {path}")));
        } else {
            check_nested(&path, &home, field, shape, false, causes);
        }
    }
    if nested["items"].is_object() {
        let (path, home) = (format!("{path}.items"), format!("{home}.items"));
        if structure["items"].is_null() {
            causes.push(required(&home, &format!("because it is defined in {path}")));
        } else {
            check_nested(&path, &home, &nested["items"], &structure["items"], false, causes);
        }
    }
    for key in JUNCTIONS {
        for (i, inner) in nested[key].as_array().into_iter().flatten().enumerate() {
            check_nested(&format!("{path}.{key}[{i}]"), home, inner, structure, exempt, causes);
        }
    }
    if nested["not"].is_object() {
        check_nested(&format!("{path}.not"), home, &nested["not"], structure, false, causes);
    }
}

/// A default is a good value and has no field that would be dropped.
fn check_default(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    if schema["default"].is_null() {
        return;
    }
    let path = format!("{path}.default");
    let shape = Structural::parse(schema);
    let mut whole = schema["default"].clone();
    let plain = Structural { embedded: false, ..shape.clone() };
    if !prune_inner(&plain, &mut whole).is_empty() {
        causes.push(invalid(&path, schema["default"].clone(), "must not have unknown fields"));
        return;
    }
    fill_in(&shape, &mut whole);
    check_values(&shape, &path, &whole, causes);
}

/// As [`prune`], for a value that is no whole object.
fn prune_inner(shape: &Structural, value: &mut Value) -> Vec<String> {
    let holder = Structural { properties: [("x".to_owned(), shape.clone())].into(), ..Structural::default() };
    prune(&holder, &mut serde_json::json!({"x": value}))
}

/// `metadata` of the object itself is the server's; a schema may only say what names look like.
fn check_metadata_schema(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    if schema["type"] != "object" {
        let found = schema["type"].as_str().unwrap_or_default();
        causes.push(invalid(format!("{path}.type"), found, "must be object"));
    }
    let mut rest = schema.clone();
    if let Some(fields) = rest["properties"].as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "name" | "generateName"));
    }
    let rest = Structural { kind: None, ..Structural::parse(&rest) };
    if rest != Structural::default() {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        causes.push(forbidden(path, detail));
    }
}
