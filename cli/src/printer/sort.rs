//! `--sort-by`: objects in the order of one of their fields.

use crate::error::Result;
use crate::fail;
use crate::jsonpath::Path;
use kubus_proto::quantity::Quantity;
use serde_json::Value;
use std::cmp::Ordering;

/// Sorts `objects` by the field at `path`; objects without it come first. No object with it is an error.
pub fn sort_by(objects: &mut Vec<Value>, path: &str) -> Result<()> {
    let parsed = Path::parse_relaxed(path)?;
    let key = |object: &Value| parsed.find(object).ok().and_then(|found| found.first().map(|v| (*v).clone()));
    let mut keyed: Vec<(Option<Value>, Value)> = objects.drain(..).map(|object| (key(&object), object)).collect();
    if !keyed.is_empty() && keyed.iter().all(|(key, _)| key.is_none()) {
        fail!("couldn't find any field with path {path:?} in the list of objects");
    }
    keyed.sort_by(|a, b| match (&a.0, &b.0) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    objects.extend(keyed.into_iter().map(|(_, object)| object));
    Ok(())
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => match (Quantity::parse(a), Quantity::parse(b)) {
            (Ok(a), Ok(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => natural(a, b),
        },
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// Order of texts in which runs of digits count as numbers: `web-2` before `web-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
        let (in_a, in_b) = (digits(a), digits(b));
        if in_a > 0 && in_b > 0 {
            let number = |t: &str| t.trim_start_matches('0').to_owned();
            let (left, right) = (number(&a[..in_a]), number(&b[..in_b]));
            let order = left.len().cmp(&right.len()).then_with(|| left.cmp(&right));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[in_a..], &b[in_b..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(x), Some(y)) if x == y => (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]),
            (x, y) => return x.cmp(&y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_sorted_by_what_they_hold() {
        for (values, expected) in [
            (vec![json!("web-10"), json!("web-2")], vec![json!("web-2"), json!("web-10")]),
            (vec![json!(10), json!(9)], vec![json!(9), json!(10)]),
            (vec![json!("1Gi"), json!("500Mi")], vec![json!("500Mi"), json!("1Gi")]),
            (
                vec![json!("2022-09-27T09:00:00Z"), json!("2022-09-26T10:00:00Z")],
                vec![json!("2022-09-26T10:00:00Z"), json!("2022-09-27T09:00:00Z")],
            ),
        ] {
            let mut objects: Vec<Value> = values.into_iter().map(|v| json!({"x": v})).collect();
            sort_by(&mut objects, "{.x}").expect("path");
            assert_eq!(objects.into_iter().map(|o| o["x"].clone()).collect::<Vec<_>>(), expected);
        }
        assert!(sort_by(&mut vec![json!({})], ".nope").is_err());
    }
}
