//! Kubernetes' own types in the form that structured merge needs.

use super::types::{Field, Key, Node, Relation, Scalar, Struct, Types};
use crate::schema::{ListRule, Schema, Shape, is_atomic, is_present, key_default, own_rule};
use serde_json::json;
use std::collections::BTreeMap;

impl Types {
    /// The types of a kind of Kubernetes.
    pub fn of_schema(schema: &Schema) -> Self {
        let numbers: BTreeMap<&str, usize> = schema.types.keys().enumerate().map(|(i, name)| (*name, i)).collect();
        let structs = schema.types.iter().map(|(type_name, fields)| {
            let mut fields: Vec<Field> = fields
                .iter()
                .map(|(name, shape)| Field {
                    name: (*name).to_owned(),
                    node: node(&numbers, shape, Some((type_name, name))),
                    present: is_present(schema.root, type_name, name),
                })
                .collect();
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            Struct { fields, others: None }
        });
        Self { structs: structs.collect(), root: node(&numbers, &Shape::Struct(schema.root), None) }
    }
}

/// `place` is the field of a struct that holds the value; what is said of a list or a map is said there.
fn node(numbers: &BTreeMap<&str, usize>, shape: &Shape, place: Option<(&str, &str)>) -> Node {
    let rule = place.map(|(type_name, field)| own_rule(type_name, field)).unwrap_or_default();
    match shape {
        Shape::Struct(name) => match numbers.get(name) {
            Some(number) => Node::Struct { number: *number, atomic: rule.atomic_map.unwrap_or(is_atomic(name)) },
            None => Node::Any,
        },
        Shape::Map(item) => {
            Node::Map { item: Box::new(node(numbers, item, None)), atomic: rule.atomic_map.unwrap_or(false) }
        }
        Shape::List(item) => {
            let relation = match rule.list {
                ListRule::Atomic => Relation::Atomic,
                ListRule::Set => Relation::Set,
                ListRule::Keyed(keys) => Relation::Keyed(keys.into_iter().map(key).collect()),
            };
            Node::List { item: Box::new(node(numbers, item, None)), relation }
        }
        Shape::Text | Shape::Bytes => Node::Scalar(Scalar::Text),
        Shape::Integer(_) | Shape::Number => Node::Scalar(Scalar::Number),
        Shape::Bool => Node::Scalar(Scalar::Bool),
        Shape::IntOrString | Shape::Quantity | Shape::Time | Shape::MicroTime => Node::Scalar(Scalar::Any),
        Shape::Any => Node::Any,
    }
}

fn key(name: &str) -> Key {
    Key { name: name.to_owned(), default: key_default(name).map(|value| json!(value)) }
}
