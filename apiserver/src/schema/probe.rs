//! A deserializer that gives every type what it asks for and writes down what that was.

use super::{Schema, Shape};
use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use std::collections::BTreeMap;

/// A moment that every time type can read.
const SOME_TIME: &str = "1970-01-01T00:00:00Z";

/// Kinds that stand inside of others, with the apiVersion they read back.
const EMBEDDED: [(&str, &str); 1] = [("PersistentVolumeClaim", "v1")];

/// Learns the schema of `K` from its `Deserialize` implementation. Fails only if that implementation asks for something
/// no Kubernetes type asks for, which the test over all kinds would show.
pub fn learn<K: k8s_openapi::Resource + DeserializeOwned>() -> Result<Schema, Error> {
    let mut notes = Notes { types: BTreeMap::new(), api_version: K::API_VERSION, kind: K::KIND };
    let mut shape = Shape::Any;
    K::deserialize(Probe { notes: &mut notes, shape: &mut shape, text: "" })?;
    Ok(Schema { root: K::KIND, types: notes.types })
}

struct Notes {
    types: BTreeMap<&'static str, BTreeMap<&'static str, Shape>>,
    api_version: &'static str,
    kind: &'static str,
}

struct Probe<'a> {
    notes: &'a mut Notes,
    shape: &'a mut Shape,
    /// What to answer when text is asked for: the root type reads its own apiVersion and kind back.
    text: &'static str,
}

fn expected(visitor: &dyn Expected) -> String {
    visitor.to_string()
}

macro_rules! leaf {
    ($($method:ident $visit:ident $value:expr, $shape:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            *self.shape = $shape;
            visitor.$visit($value)
        }
    )*};
}

macro_rules! never {
    ($($method:ident ( $($argument:ty),* );)*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* visitor: V) -> Result<V::Value, Error> {
            Err(Error::custom(format!("no schema for {} by {}", expected(&visitor), stringify!($method))))
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    leaf! {
        deserialize_bool visit_bool false, Shape::Bool;
        deserialize_i32 visit_i32 0, Shape::Integer(32);
        deserialize_i64 visit_i64 0, Shape::Integer(64);
        deserialize_f64 visit_f64 0.0, Shape::Number;
    }

    never! {
        deserialize_i8(); deserialize_i16(); deserialize_i128();
        deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_char(); deserialize_bytes(); deserialize_byte_buf(); deserialize_unit();
        deserialize_unit_struct(&'static str); deserialize_tuple(usize);
        deserialize_tuple_struct(&'static str, usize);
        deserialize_enum(&'static str, &'static [&'static str]);
        deserialize_identifier(); deserialize_ignored_any();
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        *self.shape = Shape::Text;
        visitor.visit_str(self.text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if expected(&visitor) == "IntOrString" {
            *self.shape = Shape::IntOrString;
            return visitor.visit_i32(0);
        }
        *self.shape = Shape::Any;
        visitor.visit_map(Fields { notes: self.notes, type_name: "", fields: &[] })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // k8s-openapi's byte string asks for an option, to read null as no bytes.
        if expected(&visitor) == "a base64-encoded string" {
            *self.shape = Shape::Bytes;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        let (shape, text) = match name {
            "Quantity" => (Shape::Quantity, "0"),
            "Time" => (Shape::Time, SOME_TIME),
            "MicroTime" => (Shape::MicroTime, SOME_TIME),
            _ => (Shape::Any, ""),
        };
        *self.shape = shape;
        match *self.shape {
            Shape::Quantity => visitor.visit_str(text),
            Shape::Any => visitor.visit_newtype_struct(true.into_deserializer()),
            _ => visitor.visit_newtype_struct(StrDeserializer::new(text)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut item = Shape::Any;
        let value = visitor.visit_seq(Once { notes: self.notes, shape: &mut item, done: false })?;
        *self.shape = Shape::List(Box::new(item));
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut item = Shape::Any;
        let value = visitor.visit_map(Once { notes: self.notes, shape: &mut item, done: false })?;
        *self.shape = Shape::Map(Box::new(item));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.shape = Shape::Struct(name);
        // A type seen before, perhaps one we are inside of, is not walked again: all its fields have defaults.
        if let Some(known) = self.notes.types.get(name) {
            if !known.is_empty() && known.len() != fields.len() {
                return Err(Error::custom(format!("two types are called {name}")));
            }
            return visitor.visit_map(Fields { notes: self.notes, type_name: name, fields: &[] });
        }
        let blank = fields.iter().map(|field| (*field, Shape::Any)).collect();
        self.notes.types.insert(name, blank);
        visitor.visit_map(Fields { notes: self.notes, type_name: name, fields })
    }
}

/// A list or a map of one entry.
struct Once<'a> {
    notes: &'a mut Notes,
    shape: &'a mut Shape,
    done: bool,
}

impl<'de> SeqAccess<'de> for Once<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        seed.deserialize(Probe { notes: self.notes, shape: self.shape, text: "" }).map(Some)
    }
}

impl<'de> MapAccess<'de> for Once<'_> {
    type Error = Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        seed.deserialize(StrDeserializer::new("")).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Probe { notes: self.notes, shape: self.shape, text: "" })
    }
}

/// Every field of a struct once.
struct Fields<'a> {
    notes: &'a mut Notes,
    type_name: &'static str,
    fields: &'static [&'static str],
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.fields.first().map(|field| seed.deserialize(StrDeserializer::new(field))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let (field, rest) = self.fields.split_first().ok_or_else(|| Error::custom("a value without a key"))?;
        self.fields = rest;
        let text = match *field {
            "apiVersion" if self.type_name == self.notes.kind => self.notes.api_version,
            "kind" if self.type_name == self.notes.kind => self.notes.kind,
            "apiVersion" | "kind" => match EMBEDDED.iter().find(|(kind, _)| *kind == self.type_name) {
                Some((_, version)) if *field == "apiVersion" => version,
                Some((kind, _)) => kind,
                None => "",
            },
            _ => "",
        };
        let mut shape = Shape::Any;
        let value = seed.deserialize(Probe { notes: self.notes, shape: &mut shape, text })?;
        if let Some(known) = self.notes.types.get_mut(self.type_name) {
            known.insert(field, shape);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::{Event, Pod, Secret};
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

    #[test]
    fn types_are_learnt_whole() {
        let pod = learn::<Pod>().expect("a schema");
        let list = |shape| Some(Shape::List(Box::new(shape)));
        for (type_name, field, shape) in [
            ("Pod", "spec", Some(Shape::Struct("PodSpec"))),
            ("Pod", "kind", Some(Shape::Text)),
            ("PodSpec", "containers", list(Shape::Struct("Container"))),
            ("PodSpec", "initContainers", list(Shape::Struct("Container"))),
            ("PodSpec", "terminationGracePeriodSeconds", Some(Shape::Integer(64))),
            ("PodSpec", "hostNetwork", Some(Shape::Bool)),
            ("PodSpec", "overhead", Some(Shape::Map(Box::new(Shape::Quantity)))),
            ("ContainerPort", "containerPort", Some(Shape::Integer(32))),
            ("HTTPGetAction", "port", Some(Shape::IntOrString)),
            ("ObjectMeta", "creationTimestamp", Some(Shape::Time)),
            ("ObjectMeta", "labels", Some(Shape::Map(Box::new(Shape::Text)))),
            ("ManagedFieldsEntry", "fieldsV1", Some(Shape::Any)),
            ("PodSpec", "contaners", None),
        ] {
            assert_eq!(pod.field(type_name, field).cloned(), shape, "{type_name}.{field}");
        }
        let event = learn::<Event>().expect("a schema");
        assert_eq!(event.field("Event", "eventTime"), Some(&Shape::MicroTime));
        let secret = learn::<Secret>().expect("a schema");
        assert_eq!(secret.field("Secret", "data"), Some(&Shape::Map(Box::new(Shape::Bytes))));
        let deployment = learn::<Deployment>().expect("a schema");
        assert_eq!(deployment.field("RollingUpdateDeployment", "maxSurge"), Some(&Shape::IntOrString));
        // A type that holds itself ends.
        assert!(learn::<CustomResourceDefinition>().is_ok());
    }
}
