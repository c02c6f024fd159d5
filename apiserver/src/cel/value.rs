//! JSON as CEL sees it: with the types its schema gives it, or with those JSON itself has.

use crate::custom::schema::{Additional, Structural, Type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use cel::{Context, Env, Program};
use serde_json::{Number, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A value of CEL that borrows from JSON.
pub type JsonValue<'v> = Box<dyn Val + 'v>;

/// A value without a schema.
pub fn dynamic(value: &Value) -> JsonValue<'_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(flag) => Box::new(CelBool::from(*flag)),
        Value::Number(found) => number(found),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => list(items.iter().map(dynamic)),
        Value::Object(fields) => map(fields.iter().map(|(key, value)| (CelMapKey::from(key.as_str()), dynamic(value)))),
    }
}

fn number<'v>(found: &Number) -> JsonValue<'v> {
    match (found.as_i64(), found.as_u64()) {
        (Some(whole), _) => Box::new(CelInt::from(whole)),
        (None, Some(whole)) => Box::new(CelUInt::from(whole)),
        (None, None) => Box::new(CelDouble::from(found.as_f64().unwrap_or_default())),
    }
}

fn list<'v>(items: impl Iterator<Item = JsonValue<'v>>) -> JsonValue<'v> {
    Box::new(CelList::from(items.collect::<Vec<_>>()))
}

fn map<'v>(entries: impl Iterator<Item = (CelMapKey<'v>, JsonValue<'v>)>) -> JsonValue<'v> {
    Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
}

/// A value of a custom kind. What its schema does not name cannot be seen; names that are no identifiers are escaped.
pub fn shaped<'v>(shape: &Structural, value: &'v Value, whole: bool) -> JsonValue<'v> {
    match value {
        Value::Number(found) if shape.kind == Some(Type::Number) => {
            Box::new(CelDouble::from(found.as_f64().unwrap_or_default()))
        }
        Value::Number(found) if shape.kind == Some(Type::Integer) && found.is_f64() => {
            Box::new(CelInt::from(found.as_f64().unwrap_or_default() as i64))
        }
        Value::String(text) if !shape.int_or_string => formatted(&shape.constraints.format, text),
        Value::Array(items) => match &shape.items {
            Some(inner) => list(items.iter().map(|item| shaped(inner, item, false))),
            None => dynamic(value),
        },
        Value::Object(fields) => match &shape.additional {
            Some(Additional::Any) => dynamic(value),
            Some(Additional::Schema(inner)) => {
                map(fields.iter().map(|(key, value)| (CelMapKey::from(key.as_str()), shaped(inner, value, false))))
            }
            None => {
                let whole = whole || shape.embedded;
                let known = fields.iter().filter_map(|(key, value)| {
                    let inner = match (whole, key.as_str(), shape.properties.get(key)) {
                        (true, "apiVersion" | "kind", _) => dynamic(value),
                        (true, "metadata", _) => names(value),
                        (_, _, Some(inner)) => shaped(inner, value, false),
                        (_, _, None) => return None,
                    };
                    Some((CelMapKey::from(escape(key)), inner))
                });
                map(known)
            }
        },
        _ => dynamic(value),
    }
}

/// What rules see of `metadata`.
fn names(metadata: &Value) -> JsonValue<'_> {
    let fields = metadata.as_object().into_iter().flatten();
    let seen = fields.filter(|(key, _)| matches!(key.as_str(), "name" | "generateName"));
    map(seen.map(|(key, value)| (CelMapKey::from(key.as_str()), dynamic(value))))
}

/// Text of a format that CEL has a type for; text that is not of its format stays text.
fn formatted<'v>(format: &str, text: &'v str) -> JsonValue<'v> {
    let special = match format {
        "date-time" | "datetime" => TIMESTAMP.of(text),
        "date" => TIMESTAMP.of(&format!("{text}T00:00:00Z")),
        "duration" => DURATION.of(text),
        "byte" => STANDARD.decode(text).ok().map(|bytes| Box::new(CelBytes::from(bytes)) as JsonValue<'v>),
        _ => None,
    };
    special.unwrap_or_else(|| Box::new(CelString::from(text)))
}

/// A conversion that CEL has a function for.
struct Conversion {
    program: LazyLock<Program>,
}

static TIMESTAMP: Conversion =
    Conversion { program: LazyLock::new(|| Program::compile("timestamp(x)").expect("a test converts")) };
static DURATION: Conversion =
    Conversion { program: LazyLock::new(|| Program::compile("duration(x)").expect("a test converts")) };
static STANDARD_LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Conversion {
    fn of<'v>(&self, text: &str) -> Option<JsonValue<'v>> {
        let mut context = Context::with_env(STANDARD_LIBRARY.clone());
        context.add_variable_as_val("x", Box::new(CelString::from(text)));
        self.program.execute(&context).ok()?.try_into().ok()
    }
}

/// Words of CEL, which cannot be names of fields.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// What stands for characters that identifiers do not have.
const ESCAPES: [(&str, &str); 5] =
    [("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"), ("$", "__dollar__")];

/// A field's name as expressions write it.
pub fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    if name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return name.to_owned();
    }
    let (mut out, mut rest) = (String::with_capacity(name.len()), name);
    while let Some(next) = rest.chars().next() {
        match ESCAPES.iter().find(|(from, _)| rest.starts_with(from)) {
            Some((from, to)) => {
                out.push_str(to);
                rest = &rest[from.len()..];
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}
