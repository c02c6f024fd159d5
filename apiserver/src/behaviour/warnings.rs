//! What writers are told about objects that nothing is wrong with: fields that are old, ignored, or mean less than they seem.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#warnings>

use super::names::dns_label;
use super::path::FieldPath;
use kubus_proto::quantity::Quantity;
use serde_json::Value;

/// Labels of nodes that have newer names.
const OLD_LABELS: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
];
/// Kinds of volumes that have had their time.
const OLD_VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

fn list(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn old_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(label, _)| *label == key).map(|(_, advice)| *advice)
}

/// Of the name of an object whose pods are named after it.
pub fn of_pods_name(object: &Value, what: &str) -> Vec<String> {
    let wrong = dns_label(text(&object["metadata"], "name"));
    if wrong.is_empty() {
        return Vec::new();
    }
    let advice = "which can result in surprising behavior; a DNS label is recommended";
    vec![format!("metadata.name: this is used in {what}, {advice}: [{}]", wrong.join(" "))]
}

/// Of an object with a template of pods at `spec.template`, whose name its pods get.
pub fn of_workload(object: &Value) -> Vec<String> {
    let mut all = of_pods_name(object, "Pod names and hostnames");
    of_template(&object["spec"]["template"], &FieldPath::root("spec").field("template"), &mut all);
    all
}

/// Of a template of pods.
pub fn of_template(template: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    of_pod_spec(&template["spec"], &path.field("spec"), all);
}

/// Of the spec of a pod or a template.
pub fn of_pod_spec(spec: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    for key in spec["nodeSelector"].as_object().into_iter().flatten().map(|(key, _)| key) {
        all.extend(old_label(key).map(|advice| format!("{}: {advice}", path.field("nodeSelector").key(key))));
    }
    of_affinity(&spec["affinity"], &path.field("affinity"), all);
    for (i, constraint) in list(&spec["topologySpreadConstraints"]) {
        let path = path.field("topologySpreadConstraints");
        let path = path.index(i);
        let key = text(constraint, "topologyKey");
        all.extend(old_label(key).map(|advice| format!("{}: {key} is {advice}", path.field("topologyKey"))));
        if constraint["labelSelector"].is_null() {
            let field = path.field("labelSelector");
            all.push(format!("{field}: a null labelSelector results in matching no pod"));
        }
    }
    for (i, volume) in list(&spec["volumes"]) {
        let path = path.field("volumes");
        of_volume(volume, &path.index(i), all);
    }
    for (i, secret) in list(&spec["imagePullSecrets"]).filter(|(_, secret)| text(secret, "name").is_empty()) {
        let name = text(secret, "name");
        all.push(format!("{}: invalid empty name {name:?}", path.field("imagePullSecrets").index(i).field("name")));
    }
    for field in ["initContainers", "containers"] {
        for (i, container) in list(&spec[field]) {
            of_container(container, &path.field(field).index(i), all);
        }
    }
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        let advice = "must be >= 0; negative values are invalid and will be treated as 1";
        all.push(format!("{}: {advice}", path.field("terminationGracePeriodSeconds")));
    }
}

/// Of a volume, or of the spec of a PersistentVolume.
pub fn of_volume(volume: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    let old = OLD_VOLUMES.iter().filter(|(source, _)| !volume[*source].is_null());
    all.extend(old.map(|(source, advice)| format!("{}: {advice}", path.field(source))));
}

/// Of a node selector.
pub fn of_node_selector(selector: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    for (i, term) in list(&selector["nodeSelectorTerms"]) {
        let path = path.field("nodeSelectorTerms");
        of_node_term(term, &path.index(i), all);
    }
}

fn of_node_term(term: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    for (i, expression) in list(&term["matchExpressions"]) {
        let key = text(expression, "key");
        let field = path.field("matchExpressions");
        all.extend(old_label(key).map(|advice| format!("{}: {key} is {advice}", field.index(i).field("key"))));
    }
}

fn of_affinity(affinity: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    let (node, node_path) = (&affinity["nodeAffinity"], path.field("nodeAffinity"));
    of_node_selector(&node[REQUIRED], &node_path.field(REQUIRED), all);
    for (i, preferred) in list(&node[PREFERRED]) {
        of_node_term(&preferred["preference"], &node_path.field(PREFERRED).index(i).field("preference"), all);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let path = path.field(kind);
        for (i, term) in list(&affinity[kind][REQUIRED]) {
            of_pod_term(term, &path.field(REQUIRED).index(i), all);
        }
        for (i, weighted) in list(&affinity[kind][PREFERRED]) {
            of_pod_term(&weighted["podAffinityTerm"], &path.field(PREFERRED).index(i).field("podAffinityTerm"), all);
        }
    }
}

fn of_pod_term(term: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    if term["labelSelector"].is_null() {
        all.push(format!("{}: a null labelSelector results in matching no pod", path.field("labelSelector")));
    }
    let key = text(term, "topologyKey");
    all.extend(old_label(key).map(|advice| format!("{}: {key} is {advice}", path.field("topologyKey"))));
}

fn of_container(container: &Value, path: &FieldPath<'_>, all: &mut Vec<String>) {
    let env = &container["env"];
    for (i, variable) in list(env) {
        let name = text(variable, "name");
        let hides = list(env).take(i).any(|(_, earlier)| text(earlier, "name") == name);
        // A value that is made of the one before does not hide it.
        if hides && !text(variable, "value").contains(&format!("$({name})")) {
            let advice = "which may be dropped when using apply";
            all.push(format!("{}: hides previous definition of {name:?}, {advice}", path.field("env").index(i)));
        }
    }
    let ports = &container["ports"];
    for (i, port) in list(ports) {
        let same = |other: &Value| {
            ["containerPort", "protocol", "hostIP"].iter().all(|key| other[*key] == port[*key])
                && other["hostPort"] == port["hostPort"]
        };
        let path = path.field("ports");
        if let Some((j, _)) = list(ports).take(i).find(|(_, other)| same(other)) {
            all.push(format!("{}: duplicate port definition with {}", path.index(i), path.index(j)));
        }
    }
    for kind in ["limits", "requests"] {
        for name in ["memory", "ephemeral-storage"] {
            let amount = text(&container["resources"][kind], name);
            if Quantity::parse(amount).is_ok_and(|amount| !amount.is_whole()) {
                let (path, advice) = (path.field("resources"), "is invalid, must be an integer");
                all.push(format!("{}: fractional byte value {amount:?} {advice}", path.field(kind).key(name)));
            }
        }
    }
}

/// Of a service.
pub fn of_service(service: &Value) -> Vec<String> {
    let spec = &service["spec"];
    let mut all = Vec::new();
    if spec["clusterIP"] == "None" {
        let given = [
            ("loadBalancerIP", !text(spec, "loadBalancerIP").is_empty()),
            ("externalIPs", list(&spec["externalIPs"]).count() > 0),
            ("SessionAffinity", text(spec, "sessionAffinity") != "None"),
        ];
        let ignored = given.into_iter().filter(|(_, given)| *given);
        all.extend(ignored.map(|(field, _)| format!("spec.{field} is ignored when spec.clusterIP is \"None\"")));
    }
    if text(spec, "type") != "ExternalName" && !text(spec, "externalName").is_empty() {
        all.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    all
}

/// Of a PersistentVolume.
pub fn of_persistent_volume(volume: &Value) -> Vec<String> {
    let (spec, path) = (&volume["spec"], FieldPath::root("spec"));
    let mut all = of_storage_class_annotation(volume);
    if spec["persistentVolumeReclaimPolicy"] == "Recycle" {
        let advice = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic \
            provisioning.";
        all.push(format!("spec.persistentVolumeReclaimPolicy: {advice}"));
    }
    of_node_selector(&spec["nodeAffinity"]["required"], &path.field("nodeAffinity").field("required"), &mut all);
    of_volume(spec, &path, &mut all);
    all
}

/// Of a PersistentVolumeClaim.
pub fn of_claim(claim: &Value) -> Vec<String> {
    let mut all = of_storage_class_annotation(claim);
    let amount = text(&claim["spec"]["resources"]["requests"], "storage");
    if Quantity::parse(amount).is_ok_and(|amount| !amount.is_whole()) {
        let field = "spec.resources.requests[storage]";
        all.push(format!("{field}: fractional byte value {amount:?} is invalid, must be an integer"));
    }
    all
}

fn of_storage_class_annotation(object: &Value) -> Vec<String> {
    let key = "volume.beta.kubernetes.io/storage-class";
    let given = !object["metadata"]["annotations"][key].is_null();
    let advice =
        format!("metadata.annotations[{key}]: deprecated since v1.8; use \"storageClassName\" attribute instead");
    given.then_some(advice).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_are_told_of_what_is_old_or_ignored() {
        let container = json!({"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"},
            {"name": "A", "value": "3"}], "ports": [{"containerPort": 80}, {"containerPort": 80}],
            "resources": {"limits": {"memory": "100m", "cpu": "100m"}}});
        for (spec, expected) in [
            (json!({"containers": [{"name": "c"}]}), vec![]),
            (
                json!({"containers": [container]}),
                vec![
                    "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
                    "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
                    "spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an \
                     integer",
                ],
            ),
            (
                json!({"nodeSelector": {"beta.kubernetes.io/os": "linux"}, "volumes": [{"name": "v", "rbd": {}}],
                    "terminationGracePeriodSeconds": -1}),
                vec![
                    "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                    "spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+",
                    "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
                ],
            ),
            (
                json!({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions":
                    [{"key": "beta.kubernetes.io/arch"}]}]}}, "podAffinity": {REQUIRED: [{"topologyKey": "a"}]}}}),
                vec![
                    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]\
                     .matchExpressions[0].key: beta.kubernetes.io/arch is deprecated since v1.14; use \
                     \"kubernetes.io/arch\" instead",
                    "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null \
                     labelSelector results in matching no pod",
                ],
            ),
        ] {
            let mut all = Vec::new();
            of_pod_spec(&spec, &FieldPath::root("spec"), &mut all);
            assert_eq!(all, expected, "{spec}");
        }
    }

    #[test]
    fn names_and_services_are_told_too() {
        let named = of_workload(&json!({"metadata": {"name": "a.b"}}));
        assert_eq!(
            named,
            [
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label \
              is recommended: [must not contain dots]"
            ]
        );
        let spec =
            json!({"clusterIP": "None", "sessionAffinity": "ClientIP", "type": "ClusterIP", "externalName": "a"});
        assert_eq!(
            of_service(&json!({"spec": spec})),
            [
                "spec.SessionAffinity is ignored when spec.clusterIP is \"None\"",
                "spec.externalName is ignored when spec.type is not \"ExternalName\"",
            ]
        );
    }
}
