//! OpenAPI v3: one document for each version of each group.
//! <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3>

use super::definitions::KIND_EXTENSION;
use super::operations::{Operation, Parameter, PathItem};
use kubus_proto::VERSION;
use serde_json::{Map, Value, json};

/// Media types of answers.
const JSON: &str = "application/json";

/// The document of one version of a group.
pub fn document(mut definitions: Map<String, Value>, items: &[PathItem]) -> Value {
    definitions.iter_mut().for_each(|(name, schema)| definition(name, schema));
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": items.iter().map(|item| (item.path.clone(), path_item(item))).collect::<Map<_, _>>(),
        "components": {"schemas": definitions},
    })
}

/// Writes a definition as Kubernetes writes it in this version.
fn definition(name: &str, schema: &mut Value) {
    let alternatives = match name.rsplit('.').next() {
        Some("IntOrString") => Some((json!([{"type": "integer"}, {"type": "string"}]), Some("int-or-string"))),
        Some("Quantity") => Some((json!([{"type": "string"}, {"type": "number"}]), None)),
        _ => None,
    };
    if let (Some((any_of, format)), Some(fields)) = (alternatives, schema.as_object_mut()) {
        fields.remove("x-kubernetes-int-or-string");
        fields.insert("oneOf".to_owned(), any_of);
        fields.extend(format.map(|format| ("format".to_owned(), json!(format))));
        return;
    }
    references(schema);
}

/// A reference may have nothing beside it in this version; what is there goes around it.
fn references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.len() > 1
                && let Some(reference @ Value::String(_)) = fields.remove("$ref")
            {
                fields.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
            fields.values_mut().for_each(references);
        }
        Value::Array(items) => items.iter_mut().for_each(references),
        _ => {}
    }
}

fn path_item(item: &PathItem) -> Value {
    let mut value = Map::new();
    for operation in &item.operations {
        value.insert(operation.method.to_owned(), self::operation(operation));
    }
    let parameters: Vec<Value> = item.parameters.iter().map(|p| parameter(p)).collect();
    value.insert("parameters".to_owned(), json!(parameters));
    Value::Object(value)
}

fn parameter(parameter: &Parameter) -> Value {
    let mut value = json!({
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": {"type": parameter.kind, "uniqueItems": true},
    });
    if parameter.place == "path" {
        value["required"] = json!(true);
    }
    value
}

fn reference(definition: &str) -> Value {
    json!({"$ref": format!("{}{definition}", super::definitions::COMPONENTS)})
}

fn operation(operation: &Operation) -> Value {
    let schema = if operation.answer.is_empty() { json!({"type": "string"}) } else { reference(&operation.answer) };
    let mut content = Map::new();
    if operation.answer.is_empty() {
        content.insert("*/*".to_owned(), json!({"schema": schema}));
    } else {
        content.insert(JSON.to_owned(), json!({"schema": schema.clone()}));
        content.insert("application/yaml".to_owned(), json!({"schema": schema.clone()}));
        if operation.action == "list" {
            content.insert(format!("{JSON};stream=watch"), json!({"schema": schema}));
        }
    }
    let mut responses = json!({
        "200": {"description": "OK", "content": content},
        "401": {"description": "Unauthorized"},
    });
    if operation.creates {
        responses["201"] = json!({"description": "Created", "content": content});
    }
    let mut value = json!({
        "tags": [operation.tag],
        "operationId": operation.id,
        "description": operation.description,
        "responses": responses,
        "x-kubernetes-action": operation.action,
        (KIND_EXTENSION): operation.kind,
    });
    if !operation.parameters.is_empty() {
        value["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if !operation.body.is_empty() {
        let body = json!({"schema": reference(&operation.body)});
        let content: Map<String, Value> =
            operation.consumes.iter().map(|media| ((*media).to_owned(), body.clone())).collect();
        value["requestBody"] = json!({"content": content});
        if matches!(operation.action, "post" | "put" | "patch") {
            value["requestBody"]["required"] = json!(true);
        }
    }
    value
}
