//! OpenAPI v2 in protobuf (`openapi.v2.Document` of gnostic), which kubectl and helm ask for. Only the fields that
//! [`super::v2`] writes are here; what has no field of its own goes along as an extension.

use prost::{Message, Oneof};
use serde_json::{Map, Value};

/// Media type of the document.
pub const CONTENT_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

#[derive(Clone, PartialEq, Message)]
struct Document {
    #[prost(string, tag = "1")]
    swagger: String,
    #[prost(message, optional, tag = "2")]
    info: Option<Info>,
    #[prost(message, optional, tag = "8")]
    paths: Option<Paths>,
    #[prost(message, optional, tag = "9")]
    definitions: Option<Schemas>,
}

#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Paths {
    #[prost(message, repeated, tag = "2")]
    path: Vec<NamedPathItem>,
}

#[derive(Clone, PartialEq, Message)]
struct NamedPathItem {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<PathItem>,
}

#[derive(Clone, PartialEq, Message)]
struct PathItem {
    #[prost(message, optional, boxed, tag = "2")]
    get: Option<Box<Operation>>,
    #[prost(message, optional, boxed, tag = "3")]
    put: Option<Box<Operation>>,
    #[prost(message, optional, boxed, tag = "4")]
    post: Option<Box<Operation>>,
    #[prost(message, optional, boxed, tag = "5")]
    delete: Option<Box<Operation>>,
    #[prost(message, optional, boxed, tag = "8")]
    patch: Option<Box<Operation>>,
    #[prost(message, repeated, tag = "9")]
    parameters: Vec<ParametersItem>,
}

#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(string, repeated, tag = "1")]
    tags: Vec<String>,
    #[prost(string, tag = "3")]
    description: String,
    #[prost(string, tag = "5")]
    operation_id: String,
    #[prost(string, repeated, tag = "6")]
    produces: Vec<String>,
    #[prost(string, repeated, tag = "7")]
    consumes: Vec<String>,
    #[prost(message, repeated, tag = "8")]
    parameters: Vec<ParametersItem>,
    #[prost(message, optional, tag = "9")]
    responses: Option<Responses>,
    #[prost(string, repeated, tag = "10")]
    schemes: Vec<String>,
    #[prost(message, repeated, tag = "13")]
    extensions: Vec<NamedAny>,
}

#[derive(Clone, PartialEq, Message)]
struct ParametersItem {
    #[prost(message, optional, tag = "1")]
    parameter: Option<Parameter>,
}

#[derive(Clone, PartialEq, Message)]
struct Parameter {
    #[prost(message, optional, tag = "1")]
    body: Option<BodyParameter>,
    #[prost(message, optional, tag = "2")]
    other: Option<NonBodyParameter>,
}

#[derive(Clone, PartialEq, Message)]
struct BodyParameter {
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    place: String,
    #[prost(bool, tag = "4")]
    required: bool,
    #[prost(message, optional, tag = "5")]
    schema: Option<Schema>,
}

#[derive(Clone, PartialEq, Message)]
struct NonBodyParameter {
    #[prost(message, optional, tag = "3")]
    query: Option<QueryParameter>,
    #[prost(message, optional, tag = "4")]
    path: Option<PathParameter>,
}

#[derive(Clone, PartialEq, Message)]
struct QueryParameter {
    #[prost(string, tag = "2")]
    place: String,
    #[prost(string, tag = "3")]
    description: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, tag = "6")]
    kind: String,
    #[prost(bool, tag = "20")]
    unique_items: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PathParameter {
    #[prost(bool, tag = "1")]
    required: bool,
    #[prost(string, tag = "2")]
    place: String,
    #[prost(string, tag = "3")]
    description: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, tag = "5")]
    kind: String,
    #[prost(bool, tag = "19")]
    unique_items: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Responses {
    #[prost(message, repeated, tag = "1")]
    codes: Vec<NamedResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct NamedResponse {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<ResponseValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ResponseValue {
    #[prost(message, optional, tag = "1")]
    response: Option<Response>,
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(string, tag = "1")]
    description: String,
    #[prost(message, optional, tag = "2")]
    schema: Option<SchemaItem>,
}

#[derive(Clone, PartialEq, Message)]
struct SchemaItem {
    #[prost(message, optional, tag = "1")]
    schema: Option<Schema>,
}

/// Definitions, and the properties of one.
#[derive(Clone, PartialEq, Message)]
struct Schemas {
    #[prost(message, repeated, tag = "1")]
    named: Vec<NamedSchema>,
}

#[derive(Clone, PartialEq, Message)]
struct NamedSchema {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, boxed, tag = "2")]
    value: Option<Box<Schema>>,
}

#[derive(Clone, PartialEq, Message)]
struct Schema {
    #[prost(string, tag = "1")]
    reference: String,
    #[prost(string, tag = "2")]
    format: String,
    #[prost(string, tag = "3")]
    title: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(message, optional, tag = "5")]
    default: Option<Any>,
    #[prost(double, tag = "6")]
    multiple_of: f64,
    #[prost(double, tag = "7")]
    maximum: f64,
    #[prost(bool, tag = "8")]
    exclusive_maximum: bool,
    #[prost(double, tag = "9")]
    minimum: f64,
    #[prost(bool, tag = "10")]
    exclusive_minimum: bool,
    #[prost(int64, tag = "11")]
    max_length: i64,
    #[prost(int64, tag = "12")]
    min_length: i64,
    #[prost(string, tag = "13")]
    pattern: String,
    #[prost(int64, tag = "14")]
    max_items: i64,
    #[prost(int64, tag = "15")]
    min_items: i64,
    #[prost(bool, tag = "16")]
    unique_items: bool,
    #[prost(int64, tag = "17")]
    max_properties: i64,
    #[prost(int64, tag = "18")]
    min_properties: i64,
    #[prost(string, repeated, tag = "19")]
    required: Vec<String>,
    #[prost(message, repeated, tag = "20")]
    values: Vec<Any>,
    #[prost(message, optional, tag = "21")]
    additional_properties: Option<AdditionalProperties>,
    #[prost(message, optional, tag = "22")]
    kind: Option<Texts>,
    #[prost(message, optional, tag = "23")]
    items: Option<Items>,
    #[prost(message, optional, tag = "25")]
    properties: Option<Schemas>,
    #[prost(message, optional, tag = "30")]
    example: Option<Any>,
    #[prost(message, repeated, tag = "31")]
    extensions: Vec<NamedAny>,
}

#[derive(Clone, PartialEq, Message)]
struct AdditionalProperties {
    #[prost(oneof = "Additional", tags = "1, 2")]
    what: Option<Additional>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Additional {
    #[prost(message, boxed, tag = "1")]
    Schema(Box<Schema>),
    #[prost(bool, tag = "2")]
    Any(bool),
}

#[derive(Clone, PartialEq, Message)]
struct Texts {
    #[prost(string, repeated, tag = "1")]
    value: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Items {
    #[prost(message, repeated, tag = "1")]
    schema: Vec<Schema>,
}

#[derive(Clone, PartialEq, Message)]
struct NamedAny {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}

/// Any value, as YAML, which JSON is a part of.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "2")]
    yaml: String,
}

/// Encodes a document of [`super::v2`].
pub fn encode(document: &Value) -> Vec<u8> {
    let info = Info { title: text(&document["info"], "title"), version: text(&document["info"], "version") };
    let path = |(name, value): (&String, &Value)| NamedPathItem { name: name.clone(), value: Some(path_item(value)) };
    Document {
        swagger: text(document, "swagger"),
        info: Some(info),
        paths: Some(Paths { path: entries(&document["paths"]).map(path).collect() }),
        definitions: Some(schemas(&document["definitions"])),
    }
    .encode_to_vec()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn any(value: &Value) -> Any {
    Any { yaml: value.to_string() }
}

fn extensions(value: &Value) -> Vec<NamedAny> {
    let own = entries(value).filter(|(key, _)| key.starts_with("x-"));
    own.map(|(key, value)| NamedAny { name: key.clone(), value: Some(any(value)) }).collect()
}

fn path_item(value: &Value) -> PathItem {
    let at = |method: &str| value.get(method).map(|operation| Box::new(self::operation(operation)));
    PathItem {
        get: at("get"),
        put: at("put"),
        post: at("post"),
        delete: at("delete"),
        patch: at("patch"),
        parameters: parameters(&value["parameters"]),
    }
}

fn operation(value: &Value) -> Operation {
    let response = |(code, value): (&String, &Value)| {
        let schema = value.get("schema").map(|schema| SchemaItem { schema: Some(self::schema(schema)) });
        let response = Response { description: text(value, "description"), schema };
        NamedResponse { name: code.clone(), value: Some(ResponseValue { response: Some(response) }) }
    };
    Operation {
        tags: texts(&value["tags"]),
        description: text(value, "description"),
        operation_id: text(value, "operationId"),
        produces: texts(&value["produces"]),
        consumes: texts(&value["consumes"]),
        parameters: parameters(&value["parameters"]),
        responses: Some(Responses { codes: entries(&value["responses"]).map(response).collect() }),
        schemes: texts(&value["schemes"]),
        extensions: extensions(value),
    }
}

fn parameters(value: &Value) -> Vec<ParametersItem> {
    let parameters = value.as_array().into_iter().flatten();
    parameters.map(|value| ParametersItem { parameter: Some(parameter(value)) }).collect()
}

fn parameter(value: &Value) -> Parameter {
    let (name, place) = (text(value, "name"), text(value, "in"));
    let (required, unique_items) = (value["required"] == true, value["uniqueItems"] == true);
    let (description, kind) = (text(value, "description"), text(value, "type"));
    match place.as_str() {
        "body" => {
            let schema = Some(schema(&value["schema"]));
            Parameter { body: Some(BodyParameter { name, place, required, schema }), other: None }
        }
        "path" => {
            let path = PathParameter { required, place, description, name, kind, unique_items };
            Parameter { body: None, other: Some(NonBodyParameter { query: None, path: Some(path) }) }
        }
        _ => {
            let query = QueryParameter { place, description, name, kind, unique_items };
            Parameter { body: None, other: Some(NonBodyParameter { query: Some(query), path: None }) }
        }
    }
}

fn schemas(value: &Value) -> Schemas {
    let named =
        |(name, value): (&String, &Value)| NamedSchema { name: name.clone(), value: Some(Box::new(schema(value))) };
    Schemas { named: entries(value).map(named).collect() }
}

fn schema(value: &Value) -> Schema {
    let empty = Map::new();
    let fields = value.as_object().unwrap_or(&empty);
    let number = |key: &str| fields.get(key).and_then(Value::as_f64).unwrap_or_default();
    let whole = |key: &str| fields.get(key).and_then(Value::as_i64).unwrap_or_default();
    let flag = |key: &str| fields.get(key) == Some(&Value::Bool(true));
    let kind = text(value, "type");
    let additional = fields.get("additionalProperties").map(|additional| match additional {
        Value::Bool(any) => Additional::Any(*any),
        schema => Additional::Schema(Box::new(self::schema(schema))),
    });
    Schema {
        reference: text(value, "$ref"),
        format: text(value, "format"),
        title: text(value, "title"),
        description: text(value, "description"),
        default: fields.get("default").map(any),
        multiple_of: number("multipleOf"),
        maximum: number("maximum"),
        exclusive_maximum: flag("exclusiveMaximum"),
        minimum: number("minimum"),
        exclusive_minimum: flag("exclusiveMinimum"),
        max_length: whole("maxLength"),
        min_length: whole("minLength"),
        pattern: text(value, "pattern"),
        max_items: whole("maxItems"),
        min_items: whole("minItems"),
        unique_items: flag("uniqueItems"),
        max_properties: whole("maxProperties"),
        min_properties: whole("minProperties"),
        required: texts(&value["required"]),
        values: value["enum"].as_array().into_iter().flatten().map(any).collect(),
        additional_properties: additional.map(|what| AdditionalProperties { what: Some(what) }),
        kind: (!kind.is_empty()).then(|| Texts { value: vec![kind] }),
        items: fields.get("items").map(|items| Items { schema: vec![schema(items)] }),
        properties: fields.get("properties").map(schemas),
        example: fields.get("example").map(any),
        extensions: extensions(value),
    }
}

/// The paths and the definitions of an encoded document, for tests.
#[cfg(test)]
pub fn names(encoded: &[u8]) -> (Vec<String>, Vec<String>) {
    let document = Document::decode(encoded).expect("a document");
    let paths = document.paths.expect("paths").path.into_iter().map(|path| path.name).collect();
    let definitions = document.definitions.expect("definitions").named.into_iter().map(|named| named.name).collect();
    (paths, definitions)
}
