//! OpenAPI v2: everything in one document, for older clients.

use super::custom;
use super::definitions::{COMPONENTS, KIND_EXTENSION};
use super::operations::{Operation, Parameter, PathItem};
use kubus_proto::VERSION;
use serde_json::{Map, Value, json};

/// Where references between definitions lead in this version.
const DEFINITIONS: &str = "#/definitions/";

/// The whole document. `is_custom` tells the definitions of custom kinds from those of Kubernetes' types.
pub fn document(mut definitions: Map<String, Value>, items: &[PathItem], is_custom: impl Fn(&str) -> bool) -> Value {
    for (name, schema) in &mut definitions {
        if is_custom(name) {
            custom::for_v2(schema);
        }
        definition(name, schema);
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": items.iter().map(|item| (item.path.clone(), path_item(item))).collect::<Map<_, _>>(),
        "definitions": definitions,
    })
}

/// Writes a definition as Kubernetes writes it in this version, which has no alternatives.
fn definition(name: &str, schema: &mut Value) {
    let text = match name.rsplit('.').next() {
        Some("IntOrString") => Some(Some("int-or-string")),
        Some("Quantity") => Some(None),
        _ => None,
    };
    match (text, schema.as_object_mut()) {
        (Some(format), Some(fields)) => {
            fields.remove("x-kubernetes-int-or-string");
            fields.insert("type".to_owned(), json!("string"));
            fields.extend(format.map(|format| ("format".to_owned(), json!(format))));
        }
        (None, Some(fields)) if fields.contains_key("oneOf") => {
            fields.remove("oneOf");
        }
        _ => {}
    }
    references(schema);
}

fn references(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(COMPONENTS)
            {
                *reference = format!("{DEFINITIONS}{name}");
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
        "type": parameter.kind,
        "uniqueItems": true,
    });
    if parameter.place == "path" {
        value["required"] = json!(true);
    }
    value
}

fn reference(definition: &str) -> Value {
    json!({"$ref": format!("{DEFINITIONS}{definition}")})
}

fn operation(operation: &Operation) -> Value {
    let schema = if operation.answer.is_empty() { json!({"type": "string"}) } else { reference(&operation.answer) };
    let mut responses = json!({
        "200": {"description": "OK", "schema": schema},
        "401": {"description": "Unauthorized"},
    });
    if operation.creates {
        responses["201"] = json!({"description": "Created", "schema": schema});
    }
    let mut parameters = Vec::new();
    if !operation.body.is_empty() {
        let mut body = json!({"name": "body", "in": "body", "schema": reference(&operation.body)});
        if matches!(operation.action, "post" | "put" | "patch") {
            body["required"] = json!(true);
        }
        parameters.push(body);
    }
    parameters.extend(operation.parameters.iter().map(parameter));
    let produces: &[&str] = if operation.answer.is_empty() {
        &["*/*"]
    } else if operation.action == "list" {
        &["application/json", "application/yaml", "application/json;stream=watch"]
    } else {
        &["application/json", "application/yaml"]
    };
    let consumes = if operation.consumes.is_empty() { &["*/*"] } else { operation.consumes };
    json!({
        "tags": [operation.tag],
        "operationId": operation.id,
        "description": operation.description,
        "consumes": consumes,
        "produces": produces,
        "schemes": ["https"],
        "parameters": parameters,
        "responses": responses,
        "x-kubernetes-action": operation.action,
        (KIND_EXTENSION): operation.kind,
    })
}
