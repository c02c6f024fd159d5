//! Subresources, printer columns and selectable fields of a version: paths into its objects.

use super::text;
use crate::behaviour::causes::{invalid, required};
use crate::custom::schema::{Structural, Type};
use kubus_proto::jsonpath::Path;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Types a column may have.
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
/// Formats a column may have.
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// Most selectable fields of a version.
const SELECTABLE_LIMIT: usize = 8;

/// Whether a path is plain names joined with dots.
fn is_simple(path: &str) -> bool {
    let good =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    path.strip_prefix('.').is_some_and(|rest| rest.split('.').all(good))
}

/// Checks where a Scale finds its parts.
pub(super) fn check(path: &str, version: &Value, causes: &mut Vec<Cause>) {
    let scale = &version["subresources"]["scale"];
    if !scale.is_object() {
        return;
    }
    for (field, wanted, places) in [
        ("specReplicasPath", true, &[".spec."][..]),
        ("statusReplicasPath", true, &[".status."]),
        ("labelSelectorPath", false, &[".spec.", ".status."]),
    ] {
        let at = format!("{path}.subresources.scale.{field}");
        let found = text(scale, field);
        let detail = match places {
            [one] => format!("should be a json path under {}", one.trim_end_matches('.')),
            _ => "should be a json path under either .spec or .status".to_owned(),
        };
        match found {
            "" if wanted => causes.push(required(at, "")),
            "" => {}
            found if !is_simple(found) => {
                causes.push(invalid(at, found, "must be a simple json path in dot notation"));
            }
            found if !places.iter().any(|place| found.starts_with(place)) => causes.push(invalid(at, found, detail)),
            _ => {}
        }
    }
}

/// Checks printer columns.
pub(super) fn check_columns(path: &str, version: &Value, causes: &mut Vec<Cause>) {
    for (i, column) in version["additionalPrinterColumns"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.additionalPrinterColumns[{i}]");
        if text(column, "name").is_empty() {
            causes.push(required(format!("{path}.name"), ""));
        }
        match text(column, "type") {
            "" => {
                causes.push(required(format!("{path}.type"), &format!("must be one of {}", COLUMN_TYPES.join(","))));
            }
            kind if !COLUMN_TYPES.contains(&kind) => {
                let detail = format!("must be one of {}", COLUMN_TYPES.join(","));
                causes.push(invalid(format!("{path}.type"), kind, detail));
            }
            _ => {}
        }
        let format = text(column, "format");
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
            causes.push(invalid(format!("{path}.format"), format, detail));
        }
        match text(column, "jsonPath") {
            "" => causes.push(required(format!("{path}.jsonPath"), "")),
            found if !found.starts_with('.') => {
                let detail = "must be a simple json path starting with .";
                causes.push(invalid(format!("{path}.jsonPath"), found, detail));
            }
            found => {
                if let Err(error) = Path::parse_relaxed(found) {
                    causes.push(invalid(format!("{path}.jsonPath"), found, format!("is an invalid jsonPath: {error}")));
                }
            }
        }
    }
}

/// Checks selectable fields: plain values that the schema knows.
pub(super) fn check_selectable(path: &str, version: &Value, causes: &mut Vec<Cause>) {
    let fields = version["selectableFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let schema = Structural::parse(&version["schema"]["openAPIV3Schema"]);
    if fields.len() > SELECTABLE_LIMIT {
        let at = format!("{path}.selectableFields");
        causes.push(crate::behaviour::causes::too_many(at, fields.len(), SELECTABLE_LIMIT));
    }
    for (i, field) in fields.iter().enumerate() {
        let at = format!("{path}.selectableFields[{i}].jsonPath");
        let found = text(field, "jsonPath");
        if found.is_empty() {
            causes.push(required(at, ""));
            continue;
        }
        if !is_simple(found) || found.starts_with(".metadata.") {
            causes.push(invalid(at, found, "is an invalid path: must be a simple json path that is not in metadata"));
            continue;
        }
        let shape =
            found.trim_start_matches('.').split('.').try_fold(&schema, |shape, name| shape.properties.get(name));
        match shape.and_then(|shape| shape.kind) {
            Some(Type::String | Type::Integer | Type::Boolean) => {}
            Some(Type::Object | Type::Array | Type::Number) => {
                let detail = "is an invalid path: must point to a field of type string, boolean or integer";
                causes.push(invalid(at, found, detail));
            }
            None => causes.push(invalid(at, found, "is an invalid path: does not refer to a valid field")),
        }
        if fields[..i].iter().any(|other| other["jsonPath"] == field["jsonPath"]) {
            causes.push(crate::behaviour::causes::duplicate(format!("{path}.selectableFields[{i}].jsonPath"), found));
        }
    }
}
