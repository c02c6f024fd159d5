//! The types of a group's version by name, as the Kubernetes types describe them and with what those leave out: how
//! lists merge, which values a field knows, which kind a type is.

use super::extensions;
use super::types::{self, TypeRow};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ListMeta, ObjectMeta, Patch, Status, WatchEvent};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kubus_proto::{KindRow, Verb};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// Where references between definitions lead, in the form of OpenAPI v3.
pub const COMPONENTS: &str = "#/components/schemas/";
/// Name of the definition of metadata.
pub const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// Name of the definition of a list's metadata.
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// Name of the definition of what a deletion is told.
pub const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
/// Name of the definition of an outcome.
pub const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
/// Name of the definition of a patch.
pub const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
/// Name of the definition of what a watch sends.
const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
/// Which kind a type or an operation is about.
pub const KIND_EXTENSION: &str = "x-kubernetes-group-version-kind";

/// What descriptions say of names that may be empty.
const MAY_BE_EMPTY: &str = "due to backwards compatibility is allowed to be empty";

/// What a kind is called in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindName<'a> {
    /// API group, empty for core.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// CamelCase name.
    pub kind: &'a str,
}

impl KindName<'_> {
    /// As [`KIND_EXTENSION`] writes it.
    pub fn extension(&self) -> Value {
        json!({"group": self.group, "version": self.version, "kind": self.kind})
    }

    /// Name of the definition: the Kubernetes type's, or for any other kind the group's domain backwards.
    pub fn definition(&self) -> String {
        if let Some(row) = types::of(self.group, self.version, self.kind) {
            return (row.name)().into_owned();
        }
        let domain = match self.group.strip_suffix(".k8s.io") {
            Some(group) => format!("io.k8s.api.{}", group.split('.').next().unwrap_or_default()),
            None if !self.group.contains('.') => format!("io.k8s.api.{}", self.group),
            None => self.group.rsplit('.').collect::<Vec<_>>().join("."),
        };
        format!("{domain}.{}.{}", self.version, self.kind)
    }
}

/// Types by name. References between them begin with [`COMPONENTS`] and may have a description beside them.
pub struct Definitions {
    generator: SchemaGenerator,
    own: Map<String, Value>,
    roots: Vec<(String, Value)>,
}

impl Default for Definitions {
    fn default() -> Self {
        let settings = SchemaSettings::draft07().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
            settings.transforms.clear();
        });
        Self { generator: SchemaGenerator::new(settings), own: Map::new(), roots: Vec::new() }
    }
}

impl Definitions {
    /// Adds the kind of a row in one version, its list, and what its subresources are told. `custom` is the schema of a
    /// kind that is not built in.
    pub fn add(&mut self, name: KindName<'_>, row: &KindRow, custom: Option<&Value>) {
        let definition = name.definition();
        match (types::of(name.group, name.version, name.kind), custom) {
            (Some(built_in), _) => self.add_type(built_in),
            (None, Some(schema)) => {
                self.generator.subschema_for::<ObjectMeta>();
                self.own.insert(definition.clone(), super::custom::definition(schema));
            }
            (None, None) => self.add_older(&definition, row),
        }
        self.roots.push((definition.clone(), json!([name.extension()])));
        if row.verbs.contains(&Verb::List) {
            self.add_list(name, row, &definition);
        }
        for part in row.subresources {
            let (group, version) = match part.group_version {
                "" => (name.group, name.version),
                other => other.split_once('/').unwrap_or(("", other)),
            };
            if let Some(row) = types::of(group, version, part.kind) {
                self.add_type(row);
                let kind = KindName { group, version, kind: part.kind };
                self.roots.push((kind.definition(), json!([kind.extension()])));
            }
        }
    }

    /// Adds what requests of every kind are told and answered.
    pub fn add_common(&mut self, every_kind_of: &[(&str, &str)]) {
        self.generator.subschema_for::<DeleteOptions>();
        self.generator.subschema_for::<Patch>();
        self.generator.subschema_for::<Status>();
        self.generator.subschema_for::<WatchEvent<RawExtension>>();
        let of_all = |kind| -> Vec<Value> {
            every_kind_of.iter().map(|(group, version)| KindName { group, version, kind }.extension()).collect()
        };
        self.roots.push((DELETE_OPTIONS.to_owned(), json!(of_all("DeleteOptions"))));
        self.roots.push((WATCH_EVENT.to_owned(), json!(of_all("WatchEvent"))));
        let status = KindName { group: "", version: "v1", kind: "Status" };
        self.roots.push((STATUS.to_owned(), json!([status.extension()])));
    }

    fn add_type(&mut self, row: &TypeRow) {
        (row.generate)(&mut self.generator);
    }

    /// An older version of a kind has the fields of the stored one.
    fn add_older(&mut self, definition: &str, row: &KindRow) {
        let Some(stored) = types::of(row.group, row.version, row.kind) else { return };
        self.add_type(stored);
        let stored = self.generator.definitions().get((stored.name)().as_ref()).cloned();
        if let Some(mut schema) = stored {
            need_no_metadata(&mut schema);
            self.own.insert(definition.to_owned(), schema);
        }
    }

    fn add_list(&mut self, name: KindName<'_>, row: &KindRow, definition: &str) {
        self.generator.subschema_for::<ListMeta>();
        let list_kind = row.list_kind();
        let list = KindName { kind: &list_kind, ..name };
        let schema = json!({
            "description": format!("{} is a list of {}.", list.kind, name.kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string", "description": "Group and version of what the list holds."},
                "kind": {"type": "string", "description": "Kind of the list."},
                "metadata": {"$ref": format!("{COMPONENTS}{LIST_META}"), "description": "Metadata of the list."},
                "items": {
                    "type": "array",
                    "description": format!("The items, each a {}.", name.kind),
                    "items": {"$ref": format!("{COMPONENTS}{definition}")},
                },
            },
        });
        let definition = format!("{definition}List");
        self.own.insert(definition.clone(), schema);
        self.roots.push((definition, json!([list.extension()])));
    }

    /// All of them, whole.
    pub fn finish(mut self) -> Map<String, Value> {
        let mut all = self.generator.take_definitions(true);
        self.roots.iter().filter_map(|(name, _)| all.get_mut(name).map(need_no_metadata)).for_each(drop);
        all.extend(self.own);
        for (name, schema) in &mut all {
            need_no_empty_names(schema);
            extensions::extend(name, schema);
        }
        for (name, kinds) in self.roots {
            if let Some(schema) = all.get_mut(&name) {
                schema[KIND_EXTENSION] = kinds;
            }
        }
        all
    }
}

/// The Kubernetes types always have metadata, and so ask for it; a client need not send any.
fn need_no_metadata(schema: &mut Value) {
    not_required(schema, "metadata");
}

/// Some names may be empty for old times' sake. The types ask for them all the same; their descriptions know better.
fn need_no_empty_names(schema: &mut Value) {
    let description = schema["properties"]["name"]["description"].as_str().unwrap_or_default();
    if description.contains(MAY_BE_EMPTY) {
        not_required(schema, "name");
        schema["properties"]["name"]["default"] = json!("");
    }
}

fn not_required(schema: &mut Value, name: &str) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|field| field != name);
        if required.is_empty() {
            schema.remove("required");
        }
    }
}
