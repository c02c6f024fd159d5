//! One message into JSON's values, by the table of fields.

use super::fields::{Form, Table};
use super::wire::{Fields, Item, text};
use super::{ProtobufError, absent};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Messages in messages: schemas of custom resources are the deepest, and far from this.
const DEPTH_LIMIT: u32 = 64;

/// Reads a message of the type called `message`.
pub fn read(table: &Table, message: &'static str, bytes: &[u8]) -> Result<Value, ProtobufError> {
    let mut object = Map::new();
    Reader { table, depth: 0 }.fill(message, bytes, &mut object)?;
    Ok(Value::Object(object))
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    table: &'a Table,
    depth: u32,
}

impl Reader<'_> {
    fn fill(self, message: &'static str, bytes: &[u8], object: &mut Map<String, Value>) -> Result<(), ProtobufError> {
        let reader = self.deeper()?;
        for field in Fields::of(bytes) {
            let (number, item) = field?;
            let Some(field) = self.table.field(message, number) else { continue };
            match &field.form {
                Form::Inline(inner) => reader.fill(inner, bytes_of(item, message)?, object)?,
                Form::List(form) => {
                    let list = object.entry(field.name).or_insert_with(|| json!([]));
                    let element = reader.value(form, item, field.name)?;
                    list.as_array_mut().ok_or_else(|| ProtobufError::Form(message.to_owned()))?.push(element);
                }
                Form::Map(form) => {
                    let (key, value) = reader.entry(form, bytes_of(item, message)?, field.name)?;
                    let map = object.entry(field.name).or_insert_with(|| json!({}));
                    map.as_object_mut().ok_or_else(|| ProtobufError::Form(message.to_owned()))?.insert(key, value);
                }
                form => {
                    let value = reader.value(form, item, field.name)?;
                    if !says_nothing(&value) || absent::counts(field.name) && !value.is_null() {
                        object.insert(field.name.to_owned(), value);
                    }
                }
            }
        }
        Ok(())
    }

    fn value(self, form: &Form, item: Item<'_>, name: &str) -> Result<Value, ProtobufError> {
        Ok(match (form, item) {
            (Form::Text, Item::Bytes(bytes)) => json!(text(bytes, name)?),
            (Form::Integer, Item::Varint(number)) => json!(number.cast_signed()),
            (Form::Bool, Item::Varint(number)) => json!(number != 0),
            (Form::Bytes, Item::Bytes(bytes)) => json!(STANDARD.encode(bytes)),
            (Form::Quantity, Item::Bytes(bytes)) => json!(text(bytes_at(bytes, 1)?, name)?),
            (Form::IntOrString, Item::Bytes(bytes)) => int_or_string(bytes, name)?,
            (Form::Time, Item::Bytes(bytes)) => time(bytes, name)?,
            (Form::Raw, Item::Bytes(bytes)) => match bytes_at(bytes, 1)? {
                [] => Value::Null,
                raw => serde_json::from_slice(raw).map_err(|_| ProtobufError::Embedded(name.to_owned()))?,
            },
            (Form::Wrapped, Item::Bytes(bytes)) => {
                let mut list = Vec::new();
                for field in Fields::of(bytes) {
                    list.push(json!(text(bytes_of(field?.1, name)?, name)?));
                }
                json!(list)
            }
            (Form::Message(message), Item::Bytes(bytes)) => {
                let mut object = Map::new();
                self.fill(message, bytes, &mut object)?;
                Value::Object(object)
            }
            _ => return Err(ProtobufError::Form(name.to_owned())),
        })
    }

    fn entry(self, form: &Form, bytes: &[u8], name: &str) -> Result<(String, Value), ProtobufError> {
        let (mut key, mut value) = (String::new(), None);
        for field in Fields::of(bytes) {
            match field? {
                (1, Item::Bytes(bytes)) => text(bytes, name)?.clone_into(&mut key),
                (2, item) => value = Some(self.value(form, item, name)?),
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.value(form, Item::Bytes(&[]), name)?,
        };
        Ok((key, value))
    }

    fn deeper(self) -> Result<Self, ProtobufError> {
        if self.depth == DEPTH_LIMIT {
            return Err(ProtobufError::Depth);
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn bytes_of<'a>(item: Item<'a>, place: &str) -> Result<&'a [u8], ProtobufError> {
    match item {
        Item::Bytes(bytes) => Ok(bytes),
        _ => Err(ProtobufError::Form(place.to_owned())),
    }
}

/// The last field with that number, empty where there is none.
fn bytes_at(message: &[u8], number: u32) -> Result<&[u8], ProtobufError> {
    let mut found = &[][..];
    for field in Fields::of(message) {
        if let (at, Item::Bytes(bytes)) = field?
            && at == number
        {
            found = bytes;
        }
    }
    Ok(found)
}

fn number_at(message: &[u8], number: u32) -> Result<i64, ProtobufError> {
    let mut found = 0;
    for field in Fields::of(message) {
        if let (at, Item::Varint(value)) = field?
            && at == number
        {
            found = value.cast_signed();
        }
    }
    Ok(found)
}

fn int_or_string(bytes: &[u8], name: &str) -> Result<Value, ProtobufError> {
    // 0: a number in field 2; 1: text in field 3.
    if number_at(bytes, 1)? == 1 {
        Ok(json!(text(bytes_at(bytes, 3)?, name)?))
    } else {
        Ok(json!(number_at(bytes, 2)?))
    }
}

/// An empty message is no moment.
fn time(bytes: &[u8], name: &str) -> Result<Value, ProtobufError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let nanoseconds = i32::try_from(number_at(bytes, 2)?).map_err(|_| ProtobufError::Form(name.to_owned()))?;
    let moment =
        jiff::Timestamp::new(number_at(bytes, 1)?, nanoseconds).map_err(|_| ProtobufError::Form(name.to_owned()))?;
    Ok(json!(moment.to_string()))
}
