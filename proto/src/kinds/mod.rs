//! The kinds table: one row a kind, one file a row. Everything generic (API, watch, printing, discovery) reads it.
//! A new kind is a file here, a line in [`KIND_TABLE`], and a behaviour file in the apiserver.

use crate::event::Selectable;
use crate::table::Column;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

pub mod api_service;
pub mod binding;
mod cells;
pub mod certificate_signing_request;
pub mod cluster_role;
pub mod cluster_role_binding;
pub mod component_status;
pub mod config_map;
pub mod controller_revision;
pub mod cron_job;
pub mod csi_driver;
pub mod csi_node;
pub mod csi_storage_capacity;
pub mod custom;
pub mod custom_resource_definition;
pub mod daemon_set;
pub mod deployment;
pub mod device_class;
pub mod endpoint_slice;
pub mod endpoints;
pub mod event;
pub mod flow_schema;
pub mod horizontal_pod_autoscaler;
pub mod ingress;
pub mod ingress_class;
pub mod ip_address;
pub mod job;
pub mod lease;
pub mod limit_range;
pub mod mutating_admission_policy;
pub mod mutating_admission_policy_binding;
pub mod mutating_webhook_configuration;
pub mod namespace;
pub mod network_policy;
pub mod node;
pub mod persistent_volume;
pub mod persistent_volume_claim;
pub mod pod;
pub mod pod_disruption_budget;
pub mod pod_template;
pub mod priority_class;
pub mod priority_level_configuration;
pub mod replica_set;
pub mod replication_controller;
pub mod resource_claim;
pub mod resource_claim_template;
pub mod resource_quota;
pub mod resource_slice;
pub mod review;
pub mod role;
pub mod role_binding;
pub mod runtime_class;
pub mod secret;
pub mod service;
pub mod service_account;
pub mod service_cidr;
pub mod stateful_set;
pub mod storage_class;
pub mod validating_admission_policy;
pub mod validating_admission_policy_binding;
pub mod validating_webhook_configuration;
pub mod versions;
pub mod volume_attachment;
pub mod volume_attributes_class;

/// What can be done with a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Verb {
    Create,
    Delete,
    DeleteCollection,
    Get,
    List,
    Patch,
    Update,
    Watch,
}

impl Verb {
    /// As discovery and authorization write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Patch => "patch",
            Verb::Update => "update",
            Verb::Watch => "watch",
        }
    }
}

/// Every verb.
pub const ALL_VERBS: &[Verb] = &[
    Verb::Create,
    Verb::Delete,
    Verb::DeleteCollection,
    Verb::Get,
    Verb::List,
    Verb::Patch,
    Verb::Update,
    Verb::Watch,
];

/// Verbs of a subresource that is a view of its object (`status`, `scale`).
pub const VIEW_VERBS: &[Verb] = &[Verb::Get, Verb::Patch, Verb::Update];

/// A part of an object with a path of its own.
#[derive(Clone, Copy, Debug)]
pub struct Subresource {
    /// Last segment of the path.
    pub name: &'static str,
    /// Kind of what is sent and answered.
    pub kind: &'static str,
    /// Group and version of that kind, empty for the object's own.
    pub group_version: &'static str,
    /// What can be done with it.
    pub verbs: &'static [Verb],
}

/// The status subresource of `kind`.
pub const fn status(kind: &'static str) -> Subresource {
    Subresource { name: "status", kind, group_version: "", verbs: VIEW_VERBS }
}

/// The scale subresource.
pub const SCALE: Subresource =
    Subresource { name: "scale", kind: "Scale", group_version: "autoscaling/v1", verbs: VIEW_VERBS };

/// Selectable fields of an object beside metadata.name and metadata.namespace.
pub type Fields = Vec<(&'static str, String)>;

/// One kind.
pub struct KindRow {
    /// API group, empty for core.
    pub group: &'static str,
    /// Version that is stored and preferred.
    pub version: &'static str,
    /// Older versions that are accepted and converted.
    pub older_versions: &'static [&'static str],
    /// CamelCase name.
    pub kind: &'static str,
    /// Name in paths.
    pub plural: &'static str,
    /// Name of one.
    pub singular: &'static str,
    /// What kubectl users type.
    pub short_names: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Groups of kinds (`all`).
    pub categories: &'static [&'static str],
    /// What can be done with it.
    pub verbs: &'static [Verb],
    /// Its subresources.
    pub subresources: &'static [Subresource],
    /// Columns of its Table.
    pub columns: &'static [Column],
    /// Cells of one object at a moment, as many as there are columns. Called by [`KindRow::cells_of`], which knows custom
    /// kinds too.
    pub cells: fn(&Value, Timestamp) -> Vec<Value>,
    /// Selectable fields of one object.
    pub fields: fn(&Value) -> Fields,
    /// The node whose agent follows this object, empty for none.
    pub scope: fn(&Value) -> String,
}

/// What most rows say: stored, in namespaces, with every verb and nothing special. Rows give the rest.
const PLAIN: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    namespaced: true,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[],
    cells: |_, _| Vec::new(),
    fields: no_fields,
    scope: no_scope,
};

impl std::fmt::Debug for KindRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KindRow({}/{} {})", self.group, self.version, self.kind)
    }
}

impl KindRow {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Every version a client may speak, the stored one first.
    pub fn versions(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.version).chain(self.older_versions.iter().copied())
    }

    /// `<group>/<plural>`, the key of bookmarks and of the store.
    pub fn resource_key(&self) -> String {
        format!("{}/{}", self.group, self.plural)
    }

    /// `deployments.apps`, as error messages name it.
    pub fn qualified(&self) -> String {
        crate::status::qualified(self.plural, self.group)
    }

    /// The subresource of that name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// The selectable field that names the scope of an object (its node), where the kind has scopes. A watch whose
    /// field selector demands a value of it follows that scope alone.
    pub fn scope_field(&self) -> Option<&'static str> {
        match (self.group, self.plural) {
            ("", "pods") => Some("spec.nodeName"),
            ("", "nodes") => Some("metadata.name"),
            _ => None,
        }
    }

    /// CamelCase name of a list of the kind.
    pub fn list_kind(&self) -> String {
        custom::of(self).map_or_else(|| format!("{}List", self.kind), |custom| custom.definition.list_kind.clone())
    }

    /// Cells of one object at a moment, as many as there are columns.
    pub fn cells_of(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        match custom::of(self) {
            Some(custom) => custom.cells(object, now),
            None => (self.cells)(object, now),
        }
    }

    /// What selectors look at in `object`.
    pub fn selectable(&self, object: &Value) -> Selectable {
        let metadata = &object["metadata"];
        let labels = cells::string_map(&metadata["labels"]);
        let mut fields: BTreeMap<String, String> =
            (self.fields)(object).into_iter().map(|(path, value)| (path.to_owned(), value)).collect();
        if let Some(custom) = custom::of(self) {
            fields.extend(custom.selectable_fields(object));
        }
        for key in ["name", "namespace"] {
            fields.insert(format!("metadata.{key}"), cells::string(&metadata[key]));
        }
        Selectable { labels, fields }
    }
}

/// Every kind there is.
pub static KIND_TABLE: &[&KindRow] = &[
    &config_map::ROW,
    &event::ROW,
    &namespace::ROW,
    &node::ROW,
    &pod::ROW,
    &replication_controller::ROW,
    &secret::ROW,
    &service_account::ROW,
    &deployment::ROW,
    &replica_set::ROW,
    &lease::ROW,
    &cluster_role::ROW,
    &cluster_role_binding::ROW,
    &role::ROW,
    &role_binding::ROW,
    &api_service::ROW,
    &certificate_signing_request::ROW,
    &csi_driver::ROW,
    &csi_node::ROW,
    &csi_storage_capacity::ROW,
    &device_class::ROW,
    &endpoint_slice::ROW,
    &flow_schema::ROW,
    &ingress::ROW,
    &ingress_class::ROW,
    &ip_address::ROW,
    &mutating_admission_policy::ROW,
    &mutating_admission_policy_binding::ROW,
    &mutating_webhook_configuration::ROW,
    &network_policy::ROW,
    &priority_level_configuration::ROW,
    &resource_claim::ROW,
    &resource_claim_template::ROW,
    &resource_slice::ROW,
    &service_cidr::ROW,
    &storage_class::ROW,
    &validating_admission_policy::ROW,
    &validating_admission_policy_binding::ROW,
    &validating_webhook_configuration::ROW,
    &volume_attachment::ROW,
    &volume_attributes_class::ROW,
    &binding::ROW,
    &component_status::ROW,
    &endpoints::ROW,
    &limit_range::ROW,
    &persistent_volume_claim::ROW,
    &persistent_volume::ROW,
    &pod_template::ROW,
    &resource_quota::ROW,
    &service::ROW,
    &controller_revision::ROW,
    &daemon_set::ROW,
    &stateful_set::ROW,
    &horizontal_pod_autoscaler::ROW,
    &cron_job::ROW,
    &job::ROW,
    &pod_disruption_budget::ROW,
    &priority_class::ROW,
    &runtime_class::ROW,
    &review::TOKEN,
    &review::SELF,
    &review::ACCESS,
    &review::LOCAL_ACCESS,
    &review::SELF_ACCESS,
    &review::SELF_RULES,
    &custom_resource_definition::ROW,
];

/// The row of `<group>` and plural.
pub fn by_plural(group: &str, plural: &str) -> Option<&'static KindRow> {
    KIND_TABLE.iter().copied().find(|r| r.group == group && r.plural == plural)
}

/// The row of an object's apiVersion and kind; older versions are found too.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static KindRow> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let stored = |r: &&KindRow| r.group == group && r.kind == kind && r.versions().any(|v| v == version);
    KIND_TABLE.iter().copied().find(stored).or_else(|| versions::by_kind(api_version, kind).map(|served| served.row))
}

/// The row a user means by `pods`, `po`, `pod`, `Pod`, `deployments.apps` or `deploy.v1.apps`.
pub fn by_name(name: &str) -> Option<&'static KindRow> {
    let lower = name.to_lowercase();
    let (head, tail) = lower.split_once('.').map_or((lower.as_str(), None), |(h, t)| (h, Some(t)));
    KIND_TABLE.iter().copied().find(|r| {
        let named =
            r.plural == head || r.singular == head || r.short_names.contains(&head) || r.kind.to_lowercase() == head;
        let grouped = |group: &str, version: &str, t: &str| {
            t == group || t == version || t.strip_suffix(group).is_some_and(|v| v.strip_suffix('.') == Some(version))
        };
        let mut older = versions::SERVED_VERSIONS.iter().filter(|v| std::ptr::eq(v.row, *r));
        named
            && tail.is_none_or(|t| {
                r.versions().any(|v| grouped(r.group, v, t)) || older.any(|v| grouped(v.group, v.version, t))
            })
    })
}

/// No selectable fields beside name and namespace.
fn no_fields(_: &Value) -> Fields {
    Vec::new()
}

/// Followed by no node agent.
fn no_scope(_: &Value) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_row_is_whole() {
        let now = Timestamp::UNIX_EPOCH;
        for row in KIND_TABLE {
            let object =
                json!({"metadata": {"name": "x", "namespace": "y", "creationTimestamp": "1970-01-01T00:00:00Z"}});
            assert_eq!((row.cells)(&object, now).len(), row.columns.len(), "{row:?}: cells and columns");
            assert_eq!(by_kind(&row.api_version(), row.kind).map(|r| r.plural), Some(row.plural));
            assert_eq!(
                row.scope_field().is_some(),
                !(row.scope)(&json!({"metadata": {"name": "x"}, "spec": {"nodeName": "x"}})).is_empty()
            );
            for name in row.short_names.iter().copied().chain([row.plural, row.singular, row.kind]) {
                assert_eq!(by_name(name).map(|r| r.plural), Some(row.plural), "{name}");
            }
            assert!(row.subresources.iter().all(|s| !s.verbs.is_empty()), "{row:?}: verbs of subresources");
        }
    }
}
