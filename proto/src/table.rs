//! Table: the server's printed form of objects, one row an object. Columns and cells of a kind stand in its row of the
//! kinds table. <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>

use serde_json::{Value, json};

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Header, as kubectl writes it in capitals.
    pub name: &'static str,
    /// `string`, `integer`, `date`.
    pub kind: &'static str,
    /// `name` for the name column, else empty.
    pub format: &'static str,
    /// Above 0 it shows only with `-o wide`.
    pub priority: i32,
}

/// A string column that always shows.
pub const fn text(name: &'static str) -> Column {
    Column { name, kind: "string", format: "", priority: 0 }
}

/// A string column that shows with `-o wide`.
pub const fn wide(name: &'static str) -> Column {
    Column { name, kind: "string", format: "", priority: 1 }
}

/// A number column.
pub const fn integer(name: &'static str) -> Column {
    Column { name, kind: "integer", format: "", priority: 0 }
}

/// A true-or-false column.
pub const fn boolean(name: &'static str) -> Column {
    Column { name, kind: "boolean", format: "", priority: 0 }
}

/// The name column.
pub const NAME: Column = Column { name: "Name", kind: "string", format: "name", priority: 0 };
/// The age column.
pub const AGE: Column = text("Age");
/// The time of creation, of kinds that have no columns of their own.
pub const CREATED: Column = Column { name: "Created At", kind: "date", format: "", priority: 0 };

/// A `meta.k8s.io/v1` Table of `objects`, with the metadata of each in its row (`includeObject=Metadata`).
pub fn table(columns: &[Column], rows: Vec<(Vec<Value>, Value)>, resource_version: &str, list: Value) -> Value {
    let definitions: Vec<Value> = columns
        .iter()
        .map(|c| json!({"name": c.name, "type": c.kind, "format": c.format, "description": "", "priority": c.priority}))
        .collect();
    let rows: Vec<Value> = rows.into_iter().map(|(cells, object)| json!({"cells": cells, "object": object})).collect();
    let mut metadata = json!({"resourceVersion": resource_version});
    for key in ["continue", "remainingItemCount"] {
        if let Some(value) = list.get(key) {
            metadata[key] = value.clone();
        }
    }
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}
