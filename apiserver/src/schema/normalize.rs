//! One way of writing each value: quantities and times canonical, nulls gone.

use super::{Schema, Shape};
use jiff::Timestamp;
use kubus_proto::quantity::Quantity;
use serde_json::{Value, json};

/// Rewrites what `object` holds in canonical form: `0.5` becomes `500m`, a time becomes UTC, a null field goes.
/// Values that do not fit the schema and fields it does not know stay as they are.
pub fn normalize(schema: &Schema, object: &mut Value) {
    rewrite(schema, &Shape::Struct(schema.root), object);
}

fn rewrite(schema: &Schema, shape: &Shape, value: &mut Value) {
    match (shape, &mut *value) {
        (Shape::Struct(name), Value::Object(map)) => {
            let Some(fields) = schema.types.get(name) else { return };
            map.retain(|key, value| !(value.is_null() && fields.contains_key(key.as_str())));
            for (key, value) in map.iter_mut() {
                if let Some(shape) = fields.get(key.as_str()) {
                    rewrite(schema, shape, value);
                }
            }
        }
        (Shape::List(item), Value::Array(items)) => {
            items.iter_mut().for_each(|value| rewrite_item(schema, item, value))
        }
        (Shape::Map(item), Value::Object(map)) => map.values_mut().for_each(|value| rewrite_item(schema, item, value)),
        (Shape::Quantity, Value::String(text)) => {
            if let Ok(quantity) = Quantity::parse(text) {
                *text = quantity.to_string();
            }
        }
        (Shape::Quantity, Value::Number(number)) => {
            if let Ok(quantity) = Quantity::parse(&number.to_string()) {
                *value = json!(quantity.to_string());
            }
        }
        (Shape::Time | Shape::MicroTime, Value::String(text)) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                let format = if *shape == Shape::Time { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
                *text = time.strftime(format).to_string();
            }
        }
        _ => {}
    }
}

/// An entry of a list or a map cannot be left out: null is its type's zero.
fn rewrite_item(schema: &Schema, shape: &Shape, value: &mut Value) {
    if value.is_null() {
        *value = match shape {
            Shape::Struct(_) | Shape::Map(_) => json!({}),
            Shape::List(_) => json!([]),
            Shape::Text | Shape::Bytes => json!(""),
            Shape::Quantity => json!("0"),
            Shape::Integer(_) | Shape::Number | Shape::IntOrString => json!(0),
            Shape::Bool => json!(false),
            Shape::Time | Shape::MicroTime | Shape::Any => Value::Null,
        };
    }
    rewrite(schema, shape, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::learn;
    use k8s_openapi::api::coordination::v1::Lease;
    use k8s_openapi::api::core::v1::Pod;

    #[test]
    fn values_get_one_way_of_writing() {
        let schema = learn::<Pod>().expect("a schema");
        let mut pod = json!({
            "metadata": {"name": "a", "creationTimestamp": null, "deletionTimestamp": "2024-01-01T02:00:00.5+02:00",
                "labels": {"a": null}},
            "spec": {"containers": [{"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi", "x": 2}}}], "later": null},
        });
        normalize(&schema, &mut pod);
        let expected = json!({
            "metadata": {"name": "a", "deletionTimestamp": "2024-01-01T00:00:00Z", "labels": {"a": ""}},
            "spec": {"containers": [{"resources": {"limits": {"cpu": "500m", "memory": "1Gi", "x": "2"}}}], "later": null},
        });
        assert_eq!(pod, expected);
        let schema = learn::<Lease>().expect("a schema");
        let mut lease = json!({"spec": {"renewTime": "2024-01-01T00:00:00.25Z"}});
        normalize(&schema, &mut lease);
        assert_eq!(lease["spec"]["renewTime"], "2024-01-01T00:00:00.250000Z");
    }
}
