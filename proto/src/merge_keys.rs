//! How the lists and maps of Kubernetes' types merge in a strategic merge patch: the contract between the client that
//! computes a patch and the server that applies it.
//! <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>

/// How one field merges.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// A map that merges field by field.
    Map(&'static MergeType),
    /// A map whose fields must be those of the patch (`$retainKeys`), such as a Deployment's strategy.
    RetainedMap(&'static MergeType),
    /// A list of maps whose items are told apart by a key.
    List {
        /// Field that tells items apart.
        key: &'static str,
        /// What the items are.
        item: &'static MergeType,
        /// Whether the fields of an item must be those of the patch (`$retainKeys`), such as a volume's.
        retain_keys: bool,
    },
    /// A list of plain values that merges as a set.
    Set,
    /// Replaced as a whole.
    Atomic,
}

/// A type with the rules of those of its fields that do not merge as any field does (maps merge, lists are replaced).
#[derive(Debug)]
pub struct MergeType {
    fields: &'static [(&'static str, Rule)],
}

impl MergeType {
    /// Rule of a field; `is_map` says what kind of value it holds.
    pub fn rule(&self, field: &str, is_map: bool) -> Rule {
        match self.fields.iter().find(|(name, _)| *name == field) {
            Some((_, rule)) => *rule,
            None if is_map => Rule::Map(&ANY),
            None => Rule::Atomic,
        }
    }
}

/// The merge type of a kind's objects; kinds without rules of their own merge by those of their metadata.
pub fn of_kind(group: &str, kind: &str) -> &'static MergeType {
    match (group, kind) {
        ("", "Pod") => &POD,
        ("", "Node") => &NODE,
        ("", "Service") => &SERVICE,
        ("", "ServiceAccount") => &SERVICE_ACCOUNT,
        ("", "PodTemplate") => &POD_TEMPLATE_OBJECT,
        ("apps", "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet") | ("", "ReplicationController") => {
            &WORKLOAD
        }
        ("batch", "Job") => &WORKLOAD,
        ("batch", "CronJob") => &CRON_JOB,
        _ => &OBJECT,
    }
}

const fn list(key: &'static str, item: &'static MergeType) -> Rule {
    Rule::List { key, item, retain_keys: false }
}

static ANY: MergeType = MergeType { fields: &[] };
static METADATA: MergeType = MergeType { fields: &[("finalizers", Rule::Set), ("ownerReferences", list("uid", &ANY))] };
static CONDITIONS: MergeType = MergeType { fields: &[("conditions", list("type", &ANY))] };
static OBJECT: MergeType =
    MergeType { fields: &[("metadata", Rule::Map(&METADATA)), ("status", Rule::Map(&CONDITIONS))] };
static CONTAINER: MergeType = MergeType {
    fields: &[
        ("env", list("name", &ANY)),
        ("ports", list("containerPort", &ANY)),
        ("volumeDevices", list("devicePath", &ANY)),
        ("volumeMounts", list("mountPath", &ANY)),
    ],
};
static POD_SPEC: MergeType = MergeType {
    fields: &[
        ("containers", list("name", &CONTAINER)),
        ("ephemeralContainers", list("name", &CONTAINER)),
        ("hostAliases", list("ip", &ANY)),
        ("imagePullSecrets", list("name", &ANY)),
        ("initContainers", list("name", &CONTAINER)),
        ("resourceClaims", Rule::List { key: "name", item: &ANY, retain_keys: true }),
        ("schedulingGates", list("name", &ANY)),
        ("topologySpreadConstraints", list("topologyKey", &ANY)),
        ("volumes", Rule::List { key: "name", item: &ANY, retain_keys: true }),
    ],
};
static POD_STATUS: MergeType = MergeType {
    fields: &[
        ("conditions", list("type", &ANY)),
        ("hostIPs", list("ip", &ANY)),
        ("podIPs", list("ip", &ANY)),
        ("resourceClaimStatuses", Rule::List { key: "name", item: &ANY, retain_keys: true }),
    ],
};
static POD: MergeType = MergeType {
    fields: &[("metadata", Rule::Map(&METADATA)), ("spec", Rule::Map(&POD_SPEC)), ("status", Rule::Map(&POD_STATUS))],
};
static POD_TEMPLATE: MergeType =
    MergeType { fields: &[("metadata", Rule::Map(&METADATA)), ("spec", Rule::Map(&POD_SPEC))] };
static POD_TEMPLATE_OBJECT: MergeType =
    MergeType { fields: &[("metadata", Rule::Map(&METADATA)), ("template", Rule::Map(&POD_TEMPLATE))] };
static WORKLOAD_SPEC: MergeType =
    MergeType { fields: &[("template", Rule::Map(&POD_TEMPLATE)), ("strategy", Rule::RetainedMap(&ANY))] };
static WORKLOAD: MergeType = MergeType {
    fields: &[
        ("metadata", Rule::Map(&METADATA)),
        ("spec", Rule::Map(&WORKLOAD_SPEC)),
        ("status", Rule::Map(&CONDITIONS)),
    ],
};
static JOB_TEMPLATE: MergeType =
    MergeType { fields: &[("metadata", Rule::Map(&METADATA)), ("spec", Rule::Map(&WORKLOAD_SPEC))] };
static CRON_JOB_SPEC: MergeType = MergeType { fields: &[("jobTemplate", Rule::Map(&JOB_TEMPLATE))] };
static CRON_JOB: MergeType =
    MergeType { fields: &[("metadata", Rule::Map(&METADATA)), ("spec", Rule::Map(&CRON_JOB_SPEC))] };
static NODE_SPEC: MergeType = MergeType { fields: &[("podCIDRs", Rule::Set)] };
static NODE_STATUS: MergeType =
    MergeType { fields: &[("addresses", list("type", &ANY)), ("conditions", list("type", &ANY))] };
static NODE: MergeType = MergeType {
    fields: &[("metadata", Rule::Map(&METADATA)), ("spec", Rule::Map(&NODE_SPEC)), ("status", Rule::Map(&NODE_STATUS))],
};
static SERVICE_SPEC: MergeType = MergeType { fields: &[("ports", list("port", &ANY))] };
static SERVICE: MergeType = MergeType {
    fields: &[
        ("metadata", Rule::Map(&METADATA)),
        ("spec", Rule::Map(&SERVICE_SPEC)),
        ("status", Rule::Map(&CONDITIONS)),
    ],
};
static SERVICE_ACCOUNT: MergeType =
    MergeType { fields: &[("metadata", Rule::Map(&METADATA)), ("secrets", list("name", &ANY))] };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_deployment_merge_as_documented() {
        let Rule::Map(spec) = of_kind("apps", "Deployment").rule("spec", true) else { panic!("spec") };
        assert!(matches!(spec.rule("strategy", true), Rule::RetainedMap(_)));
        let Rule::Map(template) = spec.rule("template", true) else { panic!("template") };
        let Rule::Map(pod) = template.rule("spec", true) else { panic!("pod") };
        let Rule::List { key: "name", item, retain_keys: false } = pod.rule("containers", false) else {
            panic!("containers")
        };
        assert!(matches!(item.rule("ports", false), Rule::List { key: "containerPort", .. }));
        assert!(matches!(item.rule("command", false), Rule::Atomic));
        assert!(matches!(pod.rule("nodeSelector", true), Rule::Map(_)));
    }
}
