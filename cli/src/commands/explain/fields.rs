//! Schemas of an OpenAPI v3 document, as both forms of output walk them.

use serde_json::{Map, Value};

/// An OpenAPI v3 document.
pub struct Document(pub Value);

impl Document {
    /// The schema of a kind.
    pub fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Value> {
        let schemas = self.0["components"]["schemas"].as_object()?;
        schemas.values().find(|schema| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
            kinds.into_iter().any(|k| k["group"] == group && k["version"] == version && k["kind"] == kind)
        })
    }

    /// The schema that a reference leads to; a schema that is none stays itself.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let target = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        target.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(schema)
    }
}

/// The fields of a schema by name.
pub fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"].as_object().filter(|properties| !properties.is_empty())
}

/// Whether a field must be there.
pub fn is_required(schema: &Value, field: &str) -> bool {
    schema["required"].as_array().into_iter().flatten().any(|name| name == field)
}

/// The schemas a schema is put together from.
pub fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| schema[key].as_array().into_iter().flatten())
}

/// The schema of the items of a list or of the values of a map.
pub fn item(schema: &Value) -> Option<&Value> {
    [&schema["items"], &schema["additionalProperties"]].into_iter().find(|item| item.is_object())
}

/// The error for a field that is not there.
pub fn missing(fields: &[String]) -> crate::error::CliError {
    let name = fields.last().map(String::as_str).unwrap_or_default();
    crate::error::CliError::message(format!("field {name:?} does not exist"))
}
