//! Whether an object fits its schema: wrong types, unreadable values, and fields its types do not have.

use super::{Schema, Shape};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kubus_proto::quantity::Quantity;
use serde_json::{Number, Value};

/// A field that its type does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Where it is, `spec.containers[0].imag`.
    pub path: String,
    /// The field that was probably meant.
    pub suggestion: Option<&'static str>,
}

/// A value that its field cannot hold; the text is what Kubernetes' decoder says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// JSON of the wrong type.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Type {
        /// What is there, `string`.
        found: String,
        /// Which field, `struct field PodSpec.spec.containers`.
        place: String,
        /// What belongs there, `[]v1.Container`.
        wanted: String,
    },
    /// Text or a number that is no quantity.
    #[error("{error} (at {path})")]
    Quantity {
        /// Why not.
        error: kubus_proto::quantity::QuantityError,
        /// Where.
        path: String,
    },
    /// Text that is no RFC 3339 moment.
    #[error("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\" (at {path})")]
    Time {
        /// What is there.
        text: String,
        /// Where.
        path: String,
    },
    /// Text that is not base64.
    #[error("illegal base64 data at input byte {offset} (at {path})")]
    Base64 {
        /// The first byte that is wrong.
        offset: usize,
        /// Where.
        path: String,
    },
}

/// The most a word may differ from the field it is taken for, in parts of its length.
const SUGGESTION_DISTANCE_PART: usize = 3;

/// Checks `object` against `schema`: the fields it should not have, or the first value that cannot be read.
/// `version` is the kind's, for the names of types in messages.
pub fn check(schema: &Schema, version: &str, object: &Value) -> Result<Vec<UnknownField>, Unreadable> {
    let mut walk = Walk { schema, version, unknown: Vec::new(), path: String::new(), fields: Vec::new() };
    walk.value(&Shape::Struct(schema.root), object, None)?;
    Ok(walk.unknown)
}

struct Walk<'a> {
    schema: &'a Schema,
    version: &'a str,
    unknown: Vec<UnknownField>,
    /// Where the walk is, with indices.
    path: String,
    /// Where the walk is, names only, as Go's decoder tells it.
    fields: Vec<&'static str>,
}

impl Walk<'_> {
    /// `holder` is the innermost struct type around `value`.
    fn value(&mut self, shape: &Shape, value: &Value, holder: Option<&'static str>) -> Result<(), Unreadable> {
        match (shape, value) {
            // Null is "not given" for every type.
            (_, Value::Null)
            | (Shape::Any, _)
            | (Shape::Text, Value::String(_))
            | (Shape::Bool, Value::Bool(_))
            | (Shape::IntOrString, Value::String(_))
            | (Shape::Number, Value::Number(_)) => Ok(()),
            (Shape::Struct(name), Value::Object(map)) => {
                for (key, value) in map {
                    let Some((name_of_field, shape)) =
                        self.schema.types.get(name).and_then(|t| t.get_key_value(key.as_str()))
                    else {
                        let suggestion = self.suggest(name, key);
                        let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
                        self.unknown.push(UnknownField { path, suggestion });
                        continue;
                    };
                    self.fields.push(name_of_field);
                    let step = if self.path.is_empty() { key.clone() } else { format!(".{key}") };
                    self.at(&step, |walk| walk.value(shape, value, Some(name)))?;
                    self.fields.pop();
                }
                Ok(())
            }
            (Shape::List(item), Value::Array(items)) => {
                for (i, value) in items.iter().enumerate() {
                    self.at(&format!("[{i}]"), |walk| walk.value(item, value, holder))?;
                }
                Ok(())
            }
            (Shape::Map(item), Value::Object(map)) => {
                for (key, value) in map {
                    self.at(&format!("[{key}]"), |walk| walk.value(item, value, holder))?;
                }
                Ok(())
            }
            (Shape::Integer(bits), Value::Number(number)) => {
                if fits(number, *bits) {
                    Ok(())
                } else {
                    Err(self.wrong(shape, value, holder))
                }
            }
            (Shape::IntOrString, Value::Number(number)) => {
                if fits(number, 32) {
                    Ok(())
                } else {
                    Err(self.wrong(&Shape::Integer(32), value, None))
                }
            }
            (Shape::IntOrString, _) => Err(self.wrong(&Shape::Integer(32), value, None)),
            (Shape::Quantity, Value::String(text)) => self.quantity(text),
            (Shape::Quantity, Value::Number(number)) => self.quantity(&number.to_string()),
            (Shape::Quantity, other) => self.quantity(&other.to_string()),
            (Shape::Time | Shape::MicroTime, Value::String(text)) => match text.parse::<Timestamp>() {
                Ok(_) => Ok(()),
                Err(_) => Err(Unreadable::Time { text: text.clone(), path: self.path.clone() }),
            },
            (Shape::Time | Shape::MicroTime, _) => Err(self.wrong(&Shape::Text, value, None)),
            (Shape::Bytes, Value::String(text)) => match STANDARD.decode(text) {
                Ok(_) => Ok(()),
                Err(error) => Err(Unreadable::Base64 { offset: offset(&error, text), path: self.path.clone() }),
            },
            _ => Err(self.wrong(shape, value, holder)),
        }
    }

    fn at(&mut self, step: &str, inner: impl FnOnce(&mut Self) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
        let length = self.path.len();
        self.path.push_str(step);
        inner(self)?;
        self.path.truncate(length);
        Ok(())
    }

    fn quantity(&self, text: &str) -> Result<(), Unreadable> {
        Quantity::parse(text).map(|_| ()).map_err(|error| Unreadable::Quantity { error, path: self.path.clone() })
    }

    fn wrong(&self, shape: &Shape, value: &Value, holder: Option<&'static str>) -> Unreadable {
        let place = match holder {
            Some(name) => format!("struct field {name}.{}", self.fields.join(".")),
            None => "value".to_owned(),
        };
        Unreadable::Type { found: found(shape, value), place, wanted: self.go_type(shape) }
    }

    fn go_type(&self, shape: &Shape) -> String {
        match shape {
            Shape::Struct(name) => format!("{}.{name}", self.version),
            Shape::List(item) => format!("[]{}", self.go_type(item)),
            Shape::Map(item) => format!("map[string]{}", self.go_type(item)),
            Shape::Text => "string".to_owned(),
            Shape::Integer(bits) => format!("int{bits}"),
            Shape::Number => "float64".to_owned(),
            Shape::Bool => "bool".to_owned(),
            Shape::IntOrString => "intstr.IntOrString".to_owned(),
            Shape::Quantity => "resource.Quantity".to_owned(),
            Shape::Time => "v1.Time".to_owned(),
            Shape::MicroTime => "v1.MicroTime".to_owned(),
            Shape::Bytes => "[]uint8".to_owned(),
            Shape::Any => "interface {}".to_owned(),
        }
    }

    fn suggest(&self, type_name: &str, key: &str) -> Option<&'static str> {
        let lower = key.to_lowercase();
        let limit = (key.chars().count() / SUGGESTION_DISTANCE_PART).max(1);
        let fields = self.schema.types.get(type_name)?;
        let distances = fields.keys().map(|f| (strsim::damerau_levenshtein(&f.to_lowercase(), &lower), *f));
        distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, field)| field)
    }
}

fn fits(number: &Number, bits: u8) -> bool {
    match (number.as_i64(), bits) {
        (Some(value), 32) => i32::try_from(value).is_ok(),
        (value, _) => value.is_some(),
    }
}

/// What Go's decoder calls `value`; a number that only does not fit is named.
fn found(shape: &Shape, value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if matches!(shape, Shape::Integer(_)) => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

fn offset(error: &base64::DecodeError, text: &str) -> usize {
    match error {
        base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol(offset, _) => *offset,
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => text.len(),
    }
}
