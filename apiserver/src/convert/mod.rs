//! Requests in another version than the stored one: what is sent becomes what is stored, and answers what was asked for.
//! The conversions themselves are in `kubus_proto::convert`; here is what only the server does about a version.

mod autoscaler;
mod event;

use crate::behaviour::{FieldValidation, decode, decode_as};
use crate::schema::Schema;
use kubus_proto::kinds::versions::{ServedVersion, old_kind};
use kubus_proto::path::ResourcePath;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, ApiResponse, Verb, codec};
use serde_json::{Value, json};

/// What a version checks by itself, before its objects are converted.
struct Border {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    /// The shape of its objects, where Kubernetes still has its type.
    schema: fn() -> &'static Schema,
    /// What is wrong with a new object, told of the stored form.
    create_rules: fn(&Value, &mut Vec<Cause>),
}

/// Versions that are checked against types of their own; the others are checked after their conversion.
static BORDERS: &[&Border] = &[&autoscaler::BORDER, &event::BORDER];

fn border(served: &ServedVersion) -> Option<&'static Border> {
    let mine = |b: &&&Border| b.group == served.group && b.version == served.version && b.kind == served.row.kind;
    BORDERS.iter().find(mine).copied()
}

/// Checks the fields of an object that was sent to `path`, and makes a stored one of it. Gives the warnings.
pub fn receive(
    path: &ResourcePath,
    verb: Verb,
    object: &mut Value,
    validation: FieldValidation,
) -> Result<Vec<String>, ApiError> {
    let (row, Some(served)) = (path.row, path.served) else { return decode(path.row, object, validation) };
    let schema = (crate::behaviour::of(row).schema)();
    let Some(border) = border(served) else {
        served.accept(object);
        return decode_as(schema, row.kind, served.version, object, validation);
    };
    let warnings = decode_as((border.schema)(), row.kind, served.version, object, validation)?;
    served.accept(object);
    decode_as(schema, row.kind, served.version, object, FieldValidation::Ignore)?;
    let mut causes = Vec::new();
    if verb == Verb::Create {
        (border.create_rules)(object, &mut causes);
    }
    if causes.is_empty() {
        return Ok(warnings);
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(ApiError::invalid(served.group, row.kind, name, causes))
}

/// What is stored as those who asked at `path` know it, and the reminder that they should ask for a newer version.
pub fn answer(path: &ResourcePath, verb: Verb, answer: Result<ApiResponse, ApiError>) -> Result<ApiResponse, ApiError> {
    let Some(served) = path.served else {
        return answer.map(|mut response| {
            response.warnings.extend(old_kind(path.row).map(str::to_owned));
            response
        });
    };
    let mut response = answer.map_err(|error| renamed(served, error))?;
    response.warnings.extend(served.warning());
    // The events of a watch are converted by whoever hears them on the bus.
    if verb == Verb::Watch || !response.content_type.is_empty() || response.body.is_empty() {
        return Ok(response);
    }
    let Ok(mut body) = codec::decode::<Value>(&response.body) else { return Ok(response) };
    if convert(served, &mut body) {
        let encoded = codec::encode(&body).map_err(|error| {
            ApiError::new(kubus_proto::Reason::InternalError, format!("an answer cannot be encoded: {error}"))
        })?;
        response.body = encoded.into();
    }
    Ok(response)
}

/// Converts an object, a list, or the objects of a Table; false for anything else.
fn convert(served: &ServedVersion, body: &mut Value) -> bool {
    let stored = served.row.api_version();
    let is = |value: &Value, kind: &str| value["apiVersion"] == stored.as_str() && value["kind"] == kind;
    if is(body, served.row.kind) {
        served.from_stored(body);
        return true;
    }
    if is(body, &served.row.list_kind()) {
        body["items"].as_array_mut().into_iter().flatten().for_each(|item| served.from_stored(item));
        body["apiVersion"] = json!(served.api_version());
        return true;
    }
    let rows = body.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten();
    let objects = rows.filter_map(|row| row.get_mut("object")).filter(|object| is(object, served.row.kind));
    objects.map(|object| served.from_stored(object)).count() > 0
}

/// An error about an object, in the group that was asked for.
fn renamed(served: &ServedVersion, mut error: ApiError) -> ApiError {
    let row = served.row;
    if error.group == row.group && (error.kind == row.plural || error.kind == row.kind) {
        for name in [row.plural, row.kind] {
            let (stored, asked) =
                [row.group, served.group].map(|group| kubus_proto::status::qualified(name, group)).into();
            if let Some(rest) = error.message.strip_prefix(&format!("{stored} ")) {
                error.message = format!("{asked} {rest}");
            }
        }
        error.group = served.group.to_owned();
    }
    error
}
