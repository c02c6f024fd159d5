//! Reads JSON and YAML, and notices fields that are given twice: after this nobody can see them any more.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Most fields given twice that are told.
const DUPLICATES_LIMIT: usize = 32;

/// A document and what is odd about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it says; of a field given twice what it says last.
    pub value: Value,
    /// Paths of fields given twice, such as `spec.containers[0].image`.
    pub duplicates: Vec<String>,
}

/// Reads one JSON document.
pub fn json(text: &[u8]) -> Result<Document, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let document = read(&mut reader)?;
    reader.end()?;
    Ok(document)
}

/// Reads one YAML document as Kubernetes does, with YAML 1.1's octals. The error is a text of one line.
pub fn yaml(text: &str) -> Result<Document, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| read(reader))
        .map_err(|error| error.without_snippet().to_string())
}

fn read<'de, D: Deserializer<'de>>(reader: D) -> Result<Document, D::Error> {
    let mut found = Found::default();
    let value = Node(&mut found).deserialize(reader)?;
    Ok(Document { value, duplicates: found.duplicates })
}

/// Where reading is, and what was found.
#[derive(Default)]
struct Found {
    path: String,
    duplicates: Vec<String>,
}

impl Found {
    /// Goes below a place for as long as `read` takes.
    fn below<T>(&mut self, place: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 && !place.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(place);
        let result = read(self);
        self.path.truncate(length);
        result
    }

    fn note(&mut self) {
        if self.duplicates.len() < DUPLICATES_LIMIT && !self.duplicates.contains(&self.path) {
            self.duplicates.push(self.path.clone());
        }
    }
}

/// One value.
struct Node<'a>(&'a mut Found);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // JSON has no word for what is no number; YAML's `.nan` is refused as Kubernetes refuses it.
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(format!("unsupported value: {value}")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        loop {
            let place = format!("[{}]", all.len());
            match self.0.below(&place, |found| items.next_element_seed(Node(found)))? {
                Some(item) => all.push(item),
                None => return Ok(Value::Array(all)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let known = all.contains_key(&key);
            let value = self.0.below(&key, |found| {
                if known {
                    found.note();
                }
                fields.next_value_seed(Node(found))
            })?;
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_given_twice_are_noticed_and_the_last_one_counts() {
        let twice = json!({"a": 2, "b": {"c": [{"d": 3}, {"d": 1}]}, "e": null});
        for (text, expected, duplicates) in [
            (r#"{"a":1}"#, json!({"a": 1}), vec![]),
            (r#"{"a":1,"a":2,"b":{"c":[{"d":1,"d":2,"d":3},{"d":1}]},"e":null}"#, twice.clone(), vec!["a", "b.c[0].d"]),
            (r#"[1,-2,3.5,18446744073709551615,true,"x"]"#, json!([1, -2, 3.5, u64::MAX, true, "x"]), vec![]),
        ] {
            let expected =
                Document { value: expected, duplicates: duplicates.into_iter().map(str::to_owned).collect() };
            assert_eq!(json(text.as_bytes()).expect(text), expected, "{text}");
            assert_eq!(yaml(text).expect(text), expected, "{text}");
        }
        let text = "a: 1\na: 2\nb:\n  c:\n  - d: 1\n    d: 3\n  - d: 1\ne:\n";
        let read = yaml(text).expect("YAML");
        assert_eq!((read.value, read.duplicates), (twice, vec!["a".to_owned(), "b.c[0].d".to_owned()]));
    }

    #[test]
    fn yaml_is_read_as_kubernetes_reads_it() {
        for (text, expected) in [
            ("on: yes\nmode: 0644\n", json!({"on": true, "mode": 420})),
            ("at: 2022-09-06T10:46:52Z\n", json!({"at": "2022-09-06T10:46:52Z"})),
            ("a: &x {b: 1}\nc: *x\n", json!({"a": {"b": 1}, "c": {"b": 1}})),
            ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
            ("text: |\n  a\n  b\n", json!({"text": "a\nb\n"})),
        ] {
            assert_eq!(yaml(text).expect(text).value, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["{", "{} x", "a: [", "a: .nan"] {
            assert!(json(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["a: [", "a: b: c", "a: .nan"] {
            assert!(yaml(text).is_err(), "{text}");
        }
    }
}
