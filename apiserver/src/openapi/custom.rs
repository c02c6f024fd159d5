//! The types of custom kinds, from the schemas of their definitions.

use super::definitions::{COMPONENTS, OBJECT_META};
use crate::custom::registry;
use crate::state::State;
use kubus_proto::KindRow;
use serde_json::{Map, Value, json};

/// The schema that the definition of a custom kind has for one version; null where it has none.
pub fn schema(state: &State, row: &KindRow) -> Value {
    let found = registry::find(state, row.group, row.version, row.plural);
    found.map(|custom| custom.version().document.clone()).unwrap_or_default()
}

/// The revision of the definition of a custom kind, 0 if there is none.
pub fn revision(state: &State, row: &KindRow) -> u64 {
    registry::find(state, row.group, row.version, row.plural).map_or(0, |custom| custom.kind.revision)
}

/// The type of a custom kind: its schema with the fields that every object has.
pub fn definition(schema: &Value) -> Value {
    let mut schema = if schema.is_object() {
        schema.clone()
    } else {
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    };
    embed(&mut schema);
    add_object_fields(&mut schema);
    schema
}

/// Gives every object inside of an object the fields that objects have.
fn embed(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for key in ["items", "additionalProperties"] {
        fields.get_mut(key).into_iter().for_each(embed);
    }
    fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten().for_each(|(_, s)| embed(s));
    if fields.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
        add_object_fields(schema);
    }
}

fn add_object_fields(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    let Some(properties) = properties.as_object_mut() else { return };
    let mut put = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    let version = "APIVersion is the group and version of this object.";
    put("apiVersion", json!({"type": "string", "description": version}));
    put("kind", json!({"type": "string", "description": "Kind is the kind of this object."}));
    let metadata = "Metadata that every object has.";
    put("metadata", json!({"$ref": format!("{COMPONENTS}{OBJECT_META}"), "description": metadata}));
}

/// What a document of OpenAPI v2 can say of a custom schema: it knows no alternatives, no null, and nothing where fields
/// are not known.
pub fn for_v2(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for key in ["allOf", "anyOf", "oneOf", "not", "nullable", "default", "x-kubernetes-validations"] {
        fields.remove(key);
    }
    let untyped = fields.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
    let unknown = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if untyped {
        fields.remove("type");
    }
    if unknown {
        // A client that checks against known fields would refuse the unknown ones.
        for key in ["items", "properties", "type"] {
            fields.remove(key);
        }
    }
    for key in ["items", "additionalProperties"] {
        fields.get_mut(key).into_iter().for_each(for_v2);
    }
    let properties: Option<&mut Map<String, Value>> = fields.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flatten().for_each(|(_, schema)| for_v2(schema));
}
