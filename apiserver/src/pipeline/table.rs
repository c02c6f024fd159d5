//! Objects in other forms: as a Table for people, as metadata only.

use super::answer::{self, Include};
use super::call::decode;
use bytes::Bytes;
use jiff::Timestamp;
use kubus_proto::{ApiError, ApiResponse, KindRow, table};
use serde_json::{Value, json};

/// A Table of encoded objects. `list` is the list's metadata.
pub fn table(
    row: &KindRow,
    items: &[Bytes],
    list: &Value,
    include: Include,
    now: Timestamp,
) -> Result<ApiResponse, ApiError> {
    let rows = items
        .iter()
        .map(|item| {
            let object: Value = decode(item)?;
            let cells = row.cells_of(&object, now);
            let shown = match include {
                Include::None => Value::Null,
                Include::Metadata => partial(object),
                Include::Object => object,
            };
            Ok((cells, shown))
        })
        .collect::<Result<_, ApiError>>()?;
    let version = list["resourceVersion"].as_str().unwrap_or_default();
    answer::value(200, &table::table(row.columns, rows, version, list.clone()))
}

/// Only the metadata of one object.
pub fn partial_one(item: &Bytes) -> Result<ApiResponse, ApiError> {
    answer::value(200, &partial(decode(item)?))
}

/// Only the metadata of each object.
pub fn partial_list(items: &[Bytes], list: &Value) -> Result<ApiResponse, ApiError> {
    let items = items.iter().map(|item| Ok(partial(decode(item)?))).collect::<Result<Vec<Value>, ApiError>>()?;
    let kind = "PartialObjectMetadataList";
    answer::value(200, &json!({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": list, "items": items}))
}

fn partial(mut object: Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"].take()})
}
