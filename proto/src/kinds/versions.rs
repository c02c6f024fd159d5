//! Versions and groups under which objects of a kind are served beside the one they are stored in: older ones, for old
//! manifests, and other groups that show the same objects. One row a version of a kind.

use super::{
    KindRow, certificate_signing_request, cluster_role, cluster_role_binding, component_status, controller_revision,
    cron_job, csi_driver, csi_node, daemon_set, deployment, endpoint_slice, endpoints, event,
    horizontal_pod_autoscaler, ingress, ingress_class, lease, network_policy, pod_disruption_budget, priority_class,
    replica_set, role, role_binding, runtime_class, stateful_set, storage_class, volume_attachment,
};
use crate::convert::{self, Conversion};
use serde_json::{Value, json};

/// One more version of a kind.
#[derive(Debug)]
pub struct ServedVersion {
    /// Its group, which may be another than the kind's.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The kind; it has the same names, verbs, subresources and columns in every version.
    pub row: &'static KindRow,
    /// How its objects become stored ones and back.
    pub conversion: &'static Conversion,
    /// Since when it should not be used any more, and since when Kubernetes has it no more: `("1.9", "1.16")`.
    pub deprecated: Option<(&'static str, &'static str)>,
}

impl ServedVersion {
    /// `extensions/v1beta1`.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// What its users are told.
    pub fn warning(&self) -> Option<String> {
        let (since, gone) = self.deprecated?;
        let (old, new, kind) = (self.api_version(), self.row.api_version(), self.row.kind);
        Some(format!("{old} {kind} is deprecated in v{since}+, unavailable in v{gone}+; use {new} {kind}"))
    }

    /// Makes a stored object of a whole one of this version: with the version's own defaults.
    pub fn accept(&self, object: &mut Value) {
        (self.conversion.defaults)(object);
        self.to_stored(object);
    }

    /// Converts an object, or the part of one that server-side apply sends, to the stored version.
    pub fn to_stored(&self, object: &mut Value) {
        (self.conversion.to_stored)(object);
        object["apiVersion"] = json!(self.row.api_version());
    }

    /// Converts a stored object to this version.
    pub fn from_stored(&self, object: &mut Value) {
        (self.conversion.from_stored)(object);
        object["apiVersion"] = json!(self.api_version());
    }
}

const fn old(
    group: &'static str,
    version: &'static str,
    row: &'static KindRow,
    conversion: &'static Conversion,
    deprecated: (&'static str, &'static str),
) -> ServedVersion {
    ServedVersion { group, version, row, conversion, deprecated: Some(deprecated) }
}

/// When `extensions/v1beta1` and `apps/v1beta1` workloads ended.
const EARLY: (&str, &str) = ("1.8", "1.16");
/// When `apps/v1beta2` ended.
const LATER: (&str, &str) = ("1.9", "1.16");
/// When many betas of their time ended.
const MANY: (&str, &str) = ("1.19", "1.22");
/// When the beta of access control ended.
const RBAC: (&str, &str) = ("1.17", "1.22");
/// Groups that are named often.
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const SCHEDULING: &str = "scheduling.k8s.io";

/// Every version of every kind beside the stored ones.
pub static SERVED_VERSIONS: &[ServedVersion] = &[
    ServedVersion {
        group: "events.k8s.io",
        version: "v1",
        row: &event::ROW,
        conversion: &convert::EVENT,
        deprecated: None,
    },
    ServedVersion {
        group: "autoscaling",
        version: "v1",
        row: &horizontal_pod_autoscaler::ROW,
        conversion: &convert::AUTOSCALER_V1,
        deprecated: None,
    },
    old("autoscaling", "v2beta2", &horizontal_pod_autoscaler::ROW, &convert::SAME, ("1.23", "1.26")),
    old("autoscaling", "v2beta1", &horizontal_pod_autoscaler::ROW, &convert::AUTOSCALER_V2BETA1, ("1.22", "1.25")),
    old("apps", "v1beta2", &deployment::ROW, &convert::SAME, LATER),
    old("apps", "v1beta1", &deployment::ROW, &convert::DEPLOYMENT_APPS_V1BETA1, EARLY),
    old("extensions", "v1beta1", &deployment::ROW, &convert::DEPLOYMENT_EXTENSIONS, EARLY),
    old("apps", "v1beta2", &replica_set::ROW, &convert::SAME, LATER),
    old("extensions", "v1beta1", &replica_set::ROW, &convert::REPLICA_SET_EXTENSIONS, EARLY),
    old("apps", "v1beta2", &daemon_set::ROW, &convert::SAME, LATER),
    old("extensions", "v1beta1", &daemon_set::ROW, &convert::DAEMON_SET_EXTENSIONS, EARLY),
    old("apps", "v1beta2", &stateful_set::ROW, &convert::SAME, LATER),
    old("apps", "v1beta1", &stateful_set::ROW, &convert::STATEFUL_SET_APPS_V1BETA1, EARLY),
    old("apps", "v1beta2", &controller_revision::ROW, &convert::SAME, LATER),
    old("apps", "v1beta1", &controller_revision::ROW, &convert::SAME, EARLY),
    old("batch", "v1beta1", &cron_job::ROW, &convert::SAME, ("1.21", "1.25")),
    old("batch", "v2alpha1", &cron_job::ROW, &convert::SAME, ("1.8", "1.21")),
    old("extensions", "v1beta1", &ingress::ROW, &convert::INGRESS_V1BETA1, ("1.14", "1.22")),
    old(NETWORKING, "v1beta1", &ingress::ROW, &convert::INGRESS_V1BETA1, MANY),
    old(NETWORKING, "v1beta1", &ingress_class::ROW, &convert::SAME, MANY),
    old("extensions", "v1beta1", &network_policy::ROW, &convert::SAME, LATER),
    old("policy", "v1beta1", &pod_disruption_budget::ROW, &convert::DISRUPTION_BUDGET_V1BETA1, ("1.21", "1.25")),
    old(RBAC_GROUP, "v1beta1", &role::ROW, &convert::SAME, RBAC),
    old(RBAC_GROUP, "v1beta1", &cluster_role::ROW, &convert::SAME, RBAC),
    old(RBAC_GROUP, "v1beta1", &role_binding::ROW, &convert::SAME, RBAC),
    old(RBAC_GROUP, "v1beta1", &cluster_role_binding::ROW, &convert::SAME, RBAC),
    old(RBAC_GROUP, "v1alpha1", &role::ROW, &convert::SAME, RBAC),
    old(RBAC_GROUP, "v1alpha1", &cluster_role::ROW, &convert::SAME, RBAC),
    old(RBAC_GROUP, "v1alpha1", &role_binding::ROW, &convert::BINDING_V1ALPHA1, RBAC),
    old(RBAC_GROUP, "v1alpha1", &cluster_role_binding::ROW, &convert::BINDING_V1ALPHA1, RBAC),
    old(STORAGE, "v1beta1", &storage_class::ROW, &convert::SAME, MANY),
    old(STORAGE, "v1beta1", &volume_attachment::ROW, &convert::SAME, MANY),
    old(STORAGE, "v1beta1", &csi_driver::ROW, &convert::SAME, MANY),
    old(STORAGE, "v1beta1", &csi_node::ROW, &convert::SAME, ("1.17", "1.22")),
    old(SCHEDULING, "v1beta1", &priority_class::ROW, &convert::SAME, ("1.14", "1.22")),
    old(SCHEDULING, "v1alpha1", &priority_class::ROW, &convert::SAME, ("1.14", "1.22")),
    old("coordination.k8s.io", "v1beta1", &lease::ROW, &convert::SAME, MANY),
    old("node.k8s.io", "v1beta1", &runtime_class::ROW, &convert::SAME, ("1.22", "1.25")),
    old("certificates.k8s.io", "v1beta1", &certificate_signing_request::ROW, &convert::REQUEST_V1BETA1, MANY),
    old("discovery.k8s.io", "v1beta1", &endpoint_slice::ROW, &convert::SLICE_V1BETA1, ("1.21", "1.25")),
];

/// Kinds that are old in every version, and what their users are told.
static OLD_KINDS: &[(&KindRow, &str)] = &[
    (&component_status::ROW, "v1 ComponentStatus is deprecated in v1.19+"),
    (&endpoints::ROW, "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
];

/// What users of a kind are told whose stored version is old too.
pub fn old_kind(row: &KindRow) -> Option<&'static str> {
    OLD_KINDS.iter().find(|(old, _)| std::ptr::eq(*old, row)).map(|(_, warning)| *warning)
}

/// The version of a resource in a group, where it is not the stored one.
pub fn by_plural(group: &str, version: &str, plural: &str) -> Option<&'static ServedVersion> {
    SERVED_VERSIONS.iter().find(|v| v.group == group && v.version == version && v.row.plural == plural)
}

/// The version that an object's apiVersion and kind name, where it is not the stored one.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static ServedVersion> {
    let (group, version) = api_version.split_once('/')?;
    SERVED_VERSIONS.iter().find(|v| v.group == group && v.version == version && v.row.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn every_version_is_found_and_none_twice() {
        for (i, served) in SERVED_VERSIONS.iter().enumerate() {
            let found = by_plural(served.group, served.version, served.row.plural).expect("a version");
            assert!(std::ptr::eq(found, served), "{served:?} is there twice");
            assert!(by_kind(&served.api_version(), served.row.kind).is_some());
            let row = kinds::by_kind(&served.api_version(), served.row.kind).expect("a kind");
            assert!(std::ptr::eq(row, served.row), "{i}: {served:?}");
            assert!(!served.row.versions().any(|v| served.group == served.row.group && served.version == v));
            let mut object =
                json!({"apiVersion": served.api_version(), "kind": served.row.kind, "metadata": {"name": "a"}});
            let sent = object.clone();
            served.to_stored(&mut object);
            assert_eq!(object["apiVersion"], served.row.api_version());
            served.from_stored(&mut object);
            assert_eq!(object, sent);
        }
    }

    #[test]
    fn warnings_are_worded_like_kubernetes() {
        let served = by_kind("apps/v1beta2", "Deployment").expect("a version");
        let expected = "apps/v1beta2 Deployment is deprecated in v1.9+, unavailable in v1.16+; use apps/v1 Deployment";
        assert_eq!(served.warning().as_deref(), Some(expected));
        assert_eq!(by_kind("events.k8s.io/v1", "Event").and_then(ServedVersion::warning), None);
    }
}
