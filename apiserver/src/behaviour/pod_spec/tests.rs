//! Wrong pod specs, each with what Kubernetes says of it.

use super::*;
use serde_json::{Value, json};

/// What is said of a pod with this spec, after defaulting.
fn said(mut spec: Value) -> Vec<String> {
    default_pod_spec(&mut spec);
    default_pod_only(&mut spec);
    let spec: PodSpec = serde_json::from_value(spec).expect("a spec");
    let mut causes = Vec::new();
    validate_pod_spec(&spec, &FieldPath::root("spec"), &mut causes);
    causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

/// A spec whose one container has these fields too.
fn container(fields: Value) -> Value {
    let mut container = json!({"name": "c", "image": "x"});
    container.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    json!({"containers": [container]})
}

/// A spec with these fields beside its container.
fn beside(fields: Value) -> Value {
    let mut spec = container(json!({}));
    spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    spec
}

#[test]
fn a_rich_spec_is_right() {
    let spec = json!({
        "containers": [{"name": "c", "image": "x", "ports": [{"name": "web", "containerPort": 80, "hostPort": 8080}],
            "env": [{"name": "A", "value": "b"}, {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}},
                {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}],
            "envFrom": [{"configMapRef": {"name": "m"}}],
            "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a/b"}],
            "resources": {"requests": {"cpu": "100m", "example.com/gpu": 1}, "limits": {"cpu": 1, "example.com/gpu": 1}},
            "livenessProbe": {"httpGet": {"port": "web"}}, "readinessProbe": {"exec": {"command": ["x"]}, "successThreshold": 2},
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            "securityContext": {"privileged": true, "runAsUser": 0}}],
        "initContainers": [{"name": "i", "image": "y", "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": 1}}}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "w", "hostPath": {"path": "/x", "type": "Directory"}},
            {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
        "tolerations": [{"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
                [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm":
                {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}],
        "dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a.b.", "."]},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.b"]}],
        "nodeSelector": {"kubernetes.io/hostname": "n1"}, "activeDeadlineSeconds": 10, "hostname": "h",
    });
    assert_eq!(said(spec), Vec::<String>::new());
}

#[test]
fn wrong_specs_are_told_in_kubernetes_words() {
    let probe = |probe: Value| container(json!({"livenessProbe": probe}));
    let at = "spec.containers[0]";
    for (spec, expected) in [
        (json!({"containers": []}), vec!["spec.containers: Required value".to_owned()]),
        (json!({"containers": [{"name": "c"}]}), vec![format!("{at}.image: Required value")]),
        (
            json!({"containers": [{"name": "c", "image": "x"}, {"name": "c", "image": "y"}]}),
            vec!["spec.containers[1].name: Duplicate value: \"c\"".to_owned()],
        ),
        (
            beside(json!({"initContainers": [{"name": "c", "image": "x", "livenessProbe": {"exec": {"command": ["a"]}}}]})),
            vec![
                "spec.initContainers[0].name: Duplicate value: \"c\"".to_owned(),
                "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always".to_owned(),
            ],
        ),
        (
            beside(json!({"restartPolicy": "Sometimes"})),
            vec!["spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", \"OnFailure\"".to_owned()],
        ),
        (
            container(json!({"imagePullPolicy": "Maybe"})),
            vec![format!("{at}.imagePullPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"IfNotPresent\", \"Never\"")],
        ),
        (
            container(json!({"ports": [{"containerPort": 70000}, {"containerPort": 1, "protocol": "ICMP"},
                {"name": "a", "containerPort": 2, "hostPort": 3}, {"name": "a", "containerPort": 4, "hostPort": 3}]})),
            vec![
                format!("{at}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
                format!("{at}.ports[1].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""),
                format!("{at}.ports[3].name: Duplicate value: \"a\""),
                format!("{at}.ports[3].hostPort: Duplicate value: \"TCP//3\""),
            ],
        ),
        (
            container(json!({"volumeMounts": [{"name": "nope", "mountPath": "/x"}]})),
            vec![format!("{at}.volumeMounts[0].name: Not found: \"nope\"")],
        ),
        (
            container(json!({"resources": {"requests": {"cpu": "2", "gpu": "1", "memory": "-1"}, "limits": {"cpu": "1"}}})),
            vec![
                format!("{at}.resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"),
                format!("{at}.resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified"),
                format!("{at}.resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource for containers"),
                format!("{at}.resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0"),
            ],
        ),
        (probe(json!({})), vec![format!("{at}.livenessProbe: Required value: must specify a handler type")]),
        (
            probe(json!({"httpGet": {"port": 80}, "exec": {"command": ["a"]}})),
            vec![format!("{at}.livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type")],
        ),
        (
            probe(json!({"tcpSocket": {"port": 0}, "successThreshold": 2, "periodSeconds": -1})),
            vec![
                format!("{at}.livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive"),
                format!("{at}.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"),
                format!("{at}.livenessProbe.successThreshold: Invalid value: 2: must be 1"),
            ],
        ),
        (
            container(json!({"env": [{"name": "1=2"}, {"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]})),
            vec![
                format!("{at}.env[0].name: Invalid value: \"1=2\": a valid environment variable name must consist only of printable ASCII characters other than '='"),
                format!("{at}.env[1].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.nope\": error converting fieldPath: field label not supported: spec.nope"),
                format!("{at}.env[1].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"),
            ],
        ),
        (
            beside(json!({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}, {"name": "v", "hostPath": {"path": "/a/../b"}}]})),
            vec![
                "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type".to_owned(),
                "spec.volumes[1].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'".to_owned(),
            ],
        ),
        (
            beside(json!({"tolerations": [{"operator": "Maybe"}]})),
            vec![
                "spec.tolerations[0].operator: Invalid value: \"Maybe\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"".to_owned(),
                "spec.tolerations[0].operator: Unsupported value: \"Maybe\": supported values: \"Equal\", \"Exists\"".to_owned(),
            ],
        ),
        (
            beside(json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a", "labelSelector":
                {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}}})),
            vec!["spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions[0].values: \
                Required value: must be specified when `operator` is 'In' or 'NotIn'".to_owned()],
        ),
        (
            beside(json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "Never"}]})),
            vec![
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero".to_owned(),
                "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"Never\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"".to_owned(),
            ],
        ),
        (
            beside(json!({"dnsPolicy": "None", "activeDeadlineSeconds": 0, "hostname": "A.b"})),
            vec![
                "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None".to_owned(),
                "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive".to_owned(),
                "spec.hostname: Invalid value: \"A.b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')".to_owned(),
            ],
        ),
        (
            beside(json!({"volumes": [{"name": "i", "iscsi": {"targetPortal": "p", "iqn": "x", "lun": 256}},
                {"name": "r", "rbd": {"image": "i"}}, {"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
                {"name": "c", "csi": {"driver": "-"}}]})),
            vec![
                "spec.volumes[0].iscsi.iqn: Invalid value: \"x\": must be valid format starting with iqn, eui, or naa".to_owned(),
                "spec.volumes[0].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive".to_owned(),
                "spec.volumes[1].rbd.monitors: Required value".to_owned(),
                "spec.volumes[2].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required".to_owned(),
                "spec.volumes[2].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value".to_owned(),
                "spec.volumes[3].csi.driver: Invalid value: \"-\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                 characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                 validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')".to_owned(),
            ],
        ),
        (
            beside(json!({"hostUsers": false, "hostNetwork": true, "resourceClaims": [{"name": "a"}]})),
            vec![
                "spec.hostNetwork: Forbidden: when `hostUsers` is false".to_owned(),
                "spec.resourceClaims[0]: Invalid value: {\"name\":\"a\"}: must specify one of: `resourceClaimName`, \
                 `resourceClaimTemplateName`".to_owned(),
            ],
        ),
        (
            container(json!({"lifecycle": {"stopSignal": "SIGUSR1"}})),
            vec![format!("{at}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`")],
        ),
        (
            container(json!({"securityContext": {"runAsUser": -1, "seccompProfile": {"type": "Localhost"}}})),
            vec![
                format!("{at}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 4294967295, inclusive"),
                format!("{at}.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost"),
            ],
        ),
    ] {
        assert_eq!(said(spec.clone()), expected, "{spec}");
    }
}

#[test]
fn only_some_fields_of_a_pod_may_change() {
    let old = json!({"containers": [{"name": "c", "image": "x"}], "tolerations": [{"key": "a", "operator": "Exists"}],
        "activeDeadlineSeconds": 10, "terminationGracePeriodSeconds": -1, "nodeName": "n"});
    let edit = |pointer: &str, value: Value| {
        let mut new = old.clone();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = if parent.is_empty() { Some(&mut new) } else { new.pointer_mut(parent) };
        parent.expect("a parent")[key] = value;
        new
    };
    let tolerations = |list: Value| edit("/tolerations", list);
    for (new, expected) in [
        (edit("/containers/0/image", json!("y")), None),
        (edit("/activeDeadlineSeconds", json!(5)), None),
        (edit("/terminationGracePeriodSeconds", json!(1)), None),
        (tolerations(json!([{"key": "a", "operator": "Exists"}, {"operator": "Exists"}])), None),
        (
            edit("/activeDeadlineSeconds", json!(11)),
            Some("spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value"),
        ),
        (
            tolerations(json!([])),
            Some("spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
        ),
        (
            edit("/containers", json!([])),
            Some("spec.containers: Forbidden: pod updates may not add or remove containers"),
        ),
        (
            edit("/nodeName", json!("m")),
            Some("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"),
        ),
        (
            edit("/containers/0/command", json!(["z"])),
            Some("spec: Forbidden: pod updates may not change fields other than"),
        ),
    ] {
        let typed = |value: &Value| -> PodSpec { serde_json::from_value(value.clone()).expect("a spec") };
        let mut causes = Vec::new();
        validate_pod_update(&typed(&new), &typed(&old), &mut causes);
        let said = causes.first().map(|cause| format!("{}: {}", cause.field, cause.message));
        match expected {
            None => assert_eq!(said, None, "{new}"),
            Some(start) => assert!(said.as_ref().is_some_and(|s| s.starts_with(start)), "{said:?} for {start}"),
        }
        assert!(causes.len() <= 1);
    }
}
