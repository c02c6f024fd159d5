//! The causes of an invalid object, worded as Kubernetes words them.

use kubus_proto::status::Cause;
use serde_json::Value;

fn cause(reason: &str, field: impl Into<String>, message: String) -> Cause {
    Cause { reason: reason.to_owned(), message, field: field.into() }
}

/// Text after its label, if there is any.
fn with(label: &str, detail: &str) -> String {
    if detail.is_empty() { label.to_owned() } else { format!("{label}: {detail}") }
}

/// A value as Kubernetes prints it in a message: text in quotes, the rest as JSON.
fn printed(value: &Value) -> String {
    value.to_string()
}

/// A field that must be given.
pub fn required(field: impl Into<String>, detail: &str) -> Cause {
    cause("FieldValueRequired", field, with("Required value", detail))
}

/// A value that breaks a rule.
pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl AsRef<str>) -> Cause {
    cause("FieldValueInvalid", field, with(&format!("Invalid value: {}", printed(&value.into())), detail.as_ref()))
}

/// A value that is there already.
pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Cause {
    cause("FieldValueDuplicate", field, format!("Duplicate value: {}", printed(&value.into())))
}

/// A value that names something that is not there.
pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Cause {
    cause("FieldValueNotFound", field, format!("Not found: {}", printed(&value.into())))
}

/// A value out of a fixed set; `supported` is listed in the order given.
pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Cause {
    let all: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
    let value = printed(&value.into());
    let message = match all.as_slice() {
        [] => format!("Unsupported value: {value}"),
        all => format!("Unsupported value: {value}: supported values: {}", all.join(", ")),
    };
    cause("FieldValueNotSupported", field, message)
}

/// A field that may not be set or changed here.
pub fn forbidden(field: impl Into<String>, detail: impl AsRef<str>) -> Cause {
    cause("FieldValueForbidden", field, with("Forbidden", detail.as_ref()))
}

/// Text longer than `limit` bytes.
pub fn too_long(field: impl Into<String>, limit: usize) -> Cause {
    cause("FieldValueTooLong", field, format!("Too long: may not be more than {limit} bytes"))
}

/// A list or map of more than `limit` entries.
pub fn too_many(field: impl Into<String>, actual: usize, limit: usize) -> Cause {
    cause("FieldValueTooMany", field, format!("Too many: {actual}: must have at most {limit} items"))
}
