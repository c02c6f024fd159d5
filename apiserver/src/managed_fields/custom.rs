//! The schema of a custom kind (`openAPIV3Schema`) in the form that structured merge needs.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#custom-resources-and-server-side-apply>

use super::types::{Field, Key, Node, Relation, Scalar, Struct, Types};
use crate::schema::learn;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// How deep a schema may be nested; what is deeper is taken as it comes.
const DEPTH_LIMIT: usize = 128;
/// The type of the metadata that every object has.
const METADATA: &str = "metadata";

/// The types of a ConfigMap, for its metadata.
static METADATA_SOURCE: LazyLock<Types> =
    LazyLock::new(|| Types::of_schema(&learn::<ConfigMap>().expect("a test learns every schema")));

impl Types {
    /// The types of a custom kind by its structural schema.
    pub fn of_json_schema(schema: &Value) -> Self {
        // Metadata is of one type in every kind; its structs come first, under the numbers they have there.
        let mut compiler = Compiler { structs: METADATA_SOURCE.structs.iter().map(copy).collect() };
        let root = compiler.embedded(schema, 0);
        Self { structs: compiler.structs, root }
    }
}

fn copy(from: &Struct) -> Struct {
    let field = |f: &Field| Field { name: f.name.clone(), node: f.node.clone(), present: f.present };
    Struct { fields: from.fields.iter().map(field).collect(), others: from.others.clone() }
}

fn metadata_node() -> Node {
    METADATA_SOURCE.root().declared(METADATA).map_or(Node::Any, |field| field.node.clone())
}

struct Compiler {
    structs: Vec<Struct>,
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema[key].as_str().unwrap_or_default()
}

impl Compiler {
    fn node(&mut self, schema: &Value, depth: usize) -> Node {
        if depth > DEPTH_LIMIT {
            return Node::Any;
        }
        if schema["x-kubernetes-int-or-string"] == true {
            return Node::Scalar(Scalar::Any);
        }
        if schema["x-kubernetes-embedded-resource"] == true {
            return self.embedded(schema, depth);
        }
        match text(schema, "type") {
            "object" => self.map(schema, depth),
            "array" => {
                let relation = match text(schema, "x-kubernetes-list-type") {
                    "set" => Relation::Set,
                    "map" => Relation::Keyed(keys(schema)),
                    _ => Relation::Atomic,
                };
                Node::List { item: Box::new(self.node(&schema["items"], depth + 1)), relation }
            }
            "string" => Node::Scalar(Scalar::Text),
            "integer" | "number" => Node::Scalar(Scalar::Number),
            "boolean" => Node::Scalar(Scalar::Bool),
            _ => Node::Any,
        }
    }

    fn map(&mut self, schema: &Value, depth: usize) -> Node {
        let atomic = text(schema, "x-kubernetes-map-type") == "atomic";
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
        let item = match &schema["additionalProperties"] {
            Value::Object(_) => Some(self.node(&schema["additionalProperties"], depth + 1)),
            Value::Bool(true) => Some(Node::Any),
            _ if open => Some(Node::Any),
            _ => None,
        };
        match (schema["properties"].as_object(), item) {
            (Some(properties), others) => self.struct_of(properties, others, atomic, depth),
            (None, Some(item)) => Node::Map { item: Box::new(item), atomic },
            (None, None) => self.struct_of(&Map::new(), None, atomic, depth),
        }
    }

    fn struct_of(&mut self, properties: &Map<String, Value>, others: Option<Node>, atomic: bool, depth: usize) -> Node {
        let mut fields: Vec<Field> = properties
            .iter()
            .map(|(name, schema)| Field { name: name.clone(), node: self.node(schema, depth + 1), present: false })
            .collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        self.structs.push(Struct { fields, others });
        Node::Struct { number: self.structs.len() - 1, atomic }
    }

    /// A whole object: with apiVersion, kind and metadata, whether the schema names them or not.
    fn embedded(&mut self, schema: &Value, depth: usize) -> Node {
        let node = self.map(schema, depth);
        let number = match node {
            Node::Struct { number, .. } => number,
            _ => {
                self.structs.push(Struct { fields: Vec::new(), others: Some(Node::Any) });
                self.structs.len() - 1
            }
        };
        if let Some(made) = self.structs.get_mut(number) {
            made.fields.retain(|field| !matches!(field.name.as_str(), "apiVersion" | "kind" | METADATA));
            for (name, node) in [
                ("apiVersion", Node::Scalar(Scalar::Text)),
                ("kind", Node::Scalar(Scalar::Text)),
                (METADATA, metadata_node()),
            ] {
                made.fields.push(Field { name: name.to_owned(), node, present: name == METADATA });
            }
            made.fields.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Node::Struct { number, atomic: false }
    }
}

fn keys(schema: &Value) -> Vec<Key> {
    let names = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let default = |name: &str| {
        let value = &schema["items"]["properties"][name]["default"];
        (!value.is_null()).then(|| value.clone())
    };
    let mut keys: Vec<Key> = names.map(|name| Key { name: name.to_owned(), default: default(name) }).collect();
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    keys
}
