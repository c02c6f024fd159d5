//! Kinds that are defined while the cluster runs: a row is made once for each definition and kept for ever, so that it
//! can be handed around like the rows of the table. <https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/>

use super::{ALL_VERBS, KindRow, SCALE, Subresource, Verb, cells, no_fields, no_scope, status};
use crate::jsonpath::{Path, text_of};
use crate::table::{Column, NAME};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};

/// Most definitions one process makes rows of, old versions of changed definitions included. A row is kept until the process
/// ends, about 2 KiB each.
pub const CUSTOM_ROWS_LIMIT: usize = 8_192;
/// Where an apiserver tells the definitions of custom kinds: all of them here, one below `<group>/<version>/<plural>`.
pub const DEFINITIONS_PATH: &str = "/kubus/v1/kinds";

/// What can be done with the objects of a kind whose definition is being deleted.
const TERMINATING_VERBS: &[Verb] =
    &[Verb::Delete, Verb::DeleteCollection, Verb::Get, Verb::List, Verb::Patch, Verb::Update, Verb::Watch];

/// One column beside the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CustomColumn {
    /// Header.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: String,
    /// OpenAPI format.
    #[serde(default)]
    pub format: String,
    /// Above 0 it shows only with `-o wide`.
    #[serde(default)]
    pub priority: i32,
    /// JSONPath of the cell.
    pub path: String,
}

/// Where the parts of a Scale stand in the object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScalePaths {
    /// Wanted replicas, such as `.spec.replicas`.
    pub spec: String,
    /// Replicas there are.
    pub status: String,
    /// The selector as text; empty for none.
    #[serde(default)]
    pub selector: String,
}

/// One version of a custom kind, as far as others than the apiserver need to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// API group.
    pub group: String,
    /// This version.
    pub version: String,
    /// CamelCase name.
    pub kind: String,
    /// CamelCase name of a list.
    pub list_kind: String,
    /// Name in paths.
    pub plural: String,
    /// Name of one.
    pub singular: String,
    /// What kubectl users type.
    pub short_names: Vec<String>,
    /// Groups of kinds (`all`).
    pub categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether it has a status subresource.
    pub has_status: bool,
    /// Where a Scale finds its parts, for a kind with a scale subresource.
    pub scale: Option<ScalePaths>,
    /// Columns of its Table beside the name.
    pub columns: Vec<CustomColumn>,
    /// Selectable fields as JSONPaths, such as `.spec.color`.
    pub selectable_fields: Vec<String>,
    /// Whether its definition is being deleted.
    pub terminating: bool,
    /// Whether objects of other versions become those of this one by more than their apiVersion.
    pub converted: bool,
}

/// A row with what a static row has in functions.
#[derive(Debug)]
pub struct CustomRow {
    /// The row; its `cells` and `fields` know nothing, see [`KindRow::cells_of`] and [`KindRow::selectable`].
    pub row: KindRow,
    /// What it was made of.
    pub definition: Definition,
    cells: Vec<(String, Option<Path>)>,
    fields: Vec<(String, Option<Path>)>,
}

/// No more rows can be made in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{CUSTOM_ROWS_LIMIT} definitions of custom kinds were seen since this process started, which is the most there can be"
)]
pub struct TooManyKinds;

#[derive(Default)]
struct Registry {
    by_definition: HashMap<Definition, &'static CustomRow>,
    by_address: HashMap<usize, &'static CustomRow>,
}

static REGISTRY: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);
/// Lets lookups of built-in rows pass without a lock while there is no custom one.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// The row of a definition, made at the first call.
pub fn intern(definition: &Definition) -> Result<&'static KindRow, TooManyKinds> {
    if let Some(known) = REGISTRY.read().unwrap_or_else(PoisonError::into_inner).by_definition.get(definition) {
        return Ok(&known.row);
    }
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = registry.by_definition.get(definition) {
        return Ok(&known.row);
    }
    if registry.by_definition.len() >= CUSTOM_ROWS_LIMIT {
        return Err(TooManyKinds);
    }
    let made: &'static CustomRow = Box::leak(Box::new(make(definition)));
    registry.by_definition.insert(definition.clone(), made);
    registry.by_address.insert(std::ptr::from_ref(&made.row).addr(), made);
    MADE.fetch_add(1, Ordering::Release);
    Ok(&made.row)
}

/// What a row was made of; none for one of the table.
pub fn of(row: &KindRow) -> Option<&'static CustomRow> {
    if MADE.load(Ordering::Acquire) == 0 {
        return None;
    }
    let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    registry.by_address.get(&std::ptr::from_ref(row).addr()).copied()
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn leak_all(texts: &[String]) -> &'static [&'static str] {
    Box::leak(texts.iter().map(|text| leak(text)).collect())
}

fn make(definition: &Definition) -> CustomRow {
    let kind = leak(&definition.kind);
    let mut columns = vec![NAME];
    columns.extend(definition.columns.iter().map(|column| Column {
        name: leak(&column.name),
        kind: leak(&column.kind),
        format: leak(&column.format),
        priority: column.priority,
    }));
    let mut subresources: Vec<Subresource> = Vec::new();
    if definition.has_status {
        subresources.push(status(kind));
    }
    if definition.scale.is_some() {
        subresources.push(SCALE);
    }
    let row = KindRow {
        group: leak(&definition.group),
        version: leak(&definition.version),
        older_versions: &[],
        kind,
        plural: leak(&definition.plural),
        singular: leak(&definition.singular),
        short_names: leak_all(&definition.short_names),
        namespaced: definition.namespaced,
        categories: leak_all(&definition.categories),
        verbs: if definition.terminating { TERMINATING_VERBS } else { ALL_VERBS },
        subresources: Box::leak(subresources.into_boxed_slice()),
        columns: Box::leak(columns.into_boxed_slice()),
        cells: |object, _| vec![cells::name(object)],
        fields: no_fields,
        scope: no_scope,
    };
    // A path that cannot be read was refused with its definition; were it here, its cell would be empty.
    let path = |text: &str| Path::parse_relaxed(text).ok();
    CustomRow {
        row,
        definition: definition.clone(),
        cells: definition.columns.iter().map(|c| (c.kind.clone(), path(&c.path))).collect(),
        fields: definition
            .selectable_fields
            .iter()
            .map(|text| (text.trim_start_matches('.').to_owned(), path(text)))
            .collect(),
    }
}

impl CustomRow {
    /// Cells of one object, as many as there are columns.
    pub(super) fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let own = self.cells.iter().map(|(kind, path)| {
            let found = path.as_ref().and_then(|path| path.find(object).ok()?.first().copied());
            found.map_or(Value::Null, |value| cell(kind, value, now))
        });
        std::iter::once(cells::name(object)).chain(own).collect()
    }

    /// Selectable fields beside name and namespace.
    pub(super) fn selectable_fields(&self, object: &Value) -> impl Iterator<Item = (String, String)> {
        self.fields.iter().map(|(name, path)| {
            let found = path.as_ref().and_then(|path| path.find(object).ok()?.first().copied());
            (name.clone(), found.map(cells::string).unwrap_or_default())
        })
    }
}

/// A value as a cell of a column's type; nothing where it is of another type.
fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        ("string", value) => json!(text_of(value)),
        ("integer", Value::Number(number)) => {
            json!(number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)))
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(_) => json!(crate::duration::age(Some(text), now)),
            Err(_) => json!("<invalid>"),
        },
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let column = |name: &str, kind: &str, path: &str| CustomColumn {
            name: name.into(),
            kind: kind.into(),
            format: String::new(),
            priority: 0,
            path: path.into(),
        };
        Definition {
            group: "stable.example.com".into(),
            version: "v1".into(),
            kind: "CronTab".into(),
            list_kind: "CronTabList".into(),
            plural: "crontabs".into(),
            singular: "crontab".into(),
            short_names: vec!["ct".into()],
            namespaced: true,
            has_status: true,
            columns: vec![
                column("Spec", "string", ".spec.cronSpec"),
                column("Replicas", "integer", ".spec.replicas"),
                column("Parts", "string", ".spec.parts"),
                column("On", "boolean", ".spec.on"),
                column("Age", "date", ".metadata.creationTimestamp"),
                column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
            ],
            selectable_fields: vec![".spec.color".into()],
            ..Definition::default()
        }
    }

    #[test]
    fn one_definition_has_one_row() {
        let row = intern(&definition()).expect("row");
        assert!(std::ptr::eq(row, intern(&definition()).expect("row")));
        let changed = Definition { short_names: Vec::new(), ..definition() };
        assert!(!std::ptr::eq(row, intern(&changed).expect("row")));
        assert_eq!(of(row).map(|custom| &custom.definition), Some(&definition()));
        assert!(of(&super::super::pod::ROW).is_none());
        assert_eq!((row.api_version().as_str(), row.subresources.len()), ("stable.example.com/v1", 1));
        let terminating = Definition { terminating: true, ..definition() };
        assert!(!intern(&terminating).expect("row").verbs.contains(&Verb::Create));
    }

    #[test]
    fn cells_follow_their_columns() {
        let row = intern(&definition()).expect("row");
        let now = Timestamp::UNIX_EPOCH;
        for (object, expected) in [
            (
                json!({"metadata": {"name": "a", "creationTimestamp": "1970-01-01T00:00:00Z"},
                    "spec": {"cronSpec": "* * * * */5", "replicas": 3, "parts": [1, 2], "on": true},
                    "status": {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}]}}),
                json!(["a", "* * * * */5", 3, "[1,2]", true, "0s", "True"]),
            ),
            (
                json!({"metadata": {"name": "a", "creationTimestamp": "x"}, "spec": {"replicas": "3", "on": null}}),
                json!(["a", null, null, null, null, "<invalid>", null]),
            ),
        ] {
            let cells = row.cells_of(&object, now);
            assert_eq!(json!(cells), expected);
            assert_eq!(cells.len(), row.columns.len());
        }
    }

    #[test]
    fn fields_are_selectable_by_their_paths() {
        let row = intern(&definition()).expect("row");
        let fields = row.selectable(&json!({"metadata": {"name": "a"}, "spec": {"color": "blue"}})).fields;
        assert_eq!(fields["spec.color"], "blue");
        assert!(row.selectable(&Value::Null).fields.contains_key("spec.color"));
    }
}
