//! Objects of kinds with few rules: which fields are wrong in them, new or changed.

use super::*;
use serde_json::json;

fn find(kind: &str) -> &'static Behaviour {
    BEHAVIOURS.iter().find(|b| b.row.kind == kind).expect("a kind")
}

/// An object of that kind with its defaults.
fn object(behaviour: &Behaviour, name: &str, own: &Value) -> Value {
    let mut object = own.clone();
    object["metadata"] = json!({"name": name});
    if behaviour.row.namespaced {
        object["metadata"]["namespace"] = json!("n");
    }
    behaviour.default(&mut object);
    object
}

fn fields(causes: Vec<Cause>) -> Vec<String> {
    causes.into_iter().map(|cause| cause.field).collect()
}

#[test]
fn new_objects_are_checked() {
    let class = |parameters: Value| json!({"spec": {"controller": "a.io/b", "parameters": parameters}});
    let flow = |spec: Value| {
        let mut whole = json!({"priorityLevelConfiguration": {"name": "p"}});
        whole.as_object_mut().expect("a map").extend(spec.as_object().cloned().unwrap_or_default());
        json!({"spec": whole})
    };
    let rule = |subject: Value, verbs: &[&str]| json!({"rules": [{"subjects": [subject], "nonResourceRules": [{"verbs": verbs, "nonResourceURLs": ["*"]}]}]});
    let user = json!({"kind": "User", "user": {"name": "u"}});
    let slice = |spec: Value| {
        let mut whole = json!({"driver": "d", "pool": {"name": "p", "resourceSliceCount": 1, "generation": 0}});
        whole.as_object_mut().expect("a map").extend(spec.as_object().cloned().unwrap_or_default());
        json!({"spec": whole})
    };
    let api = |group: &str, priority: i64| json!({"spec": {"group": group, "version": "v1", "groupPriorityMinimum": priority, "versionPriority": 1}});
    for (kind, name, own, expected) in [
        ("IngressClass", "a", class(Value::Null), vec![]),
        ("IngressClass", "a", class(json!({"kind": "K", "name": "n"})), vec![]),
        ("IngressClass", "a", json!({"spec": {"controller": "plain"}}), vec!["spec.controller"]),
        (
            "IngressClass",
            "a",
            class(json!({"kind": "K", "name": "n", "scope": "Namespace"})),
            vec!["spec.parameters.namespace"],
        ),
        ("IPAddress", "10.0.0.1", json!({"spec": {"parentRef": {"resource": "services", "name": "s"}}}), vec![]),
        ("IPAddress", "10.0.0.01", json!({"spec": {}}), vec!["spec.parentRef", "metadata.name"]),
        ("ServiceCIDR", "a", json!({"spec": {"cidrs": ["10.0.0.0/16", "2001:db8::/64"]}}), vec![]),
        ("ServiceCIDR", "a", json!({"spec": {}}), vec!["spec.cidrs"]),
        ("ServiceCIDR", "a", json!({"spec": {"cidrs": ["10.0.0.0/16", "11.0.0.0/16"]}}), vec!["spec.cidrs"]),
        ("CSIDriver", "a.io", json!({"spec": {}}), vec![]),
        (
            "CSIDriver",
            "a.io",
            json!({"spec": {"fsGroupPolicy": "x", "volumeLifecycleModes": ["y"], "tokenRequests": [{"audience": "", "expirationSeconds": 5}]}}),
            vec!["spec.fsGroupPolicy", "spec.tokenRequests[0].expirationSeconds", "spec.volumeLifecycleModes[0]"],
        ),
        ("CSINode", "n", json!({"spec": {"drivers": [{"name": "a.io", "nodeID": "i"}]}}), vec![]),
        (
            "CSINode",
            "n",
            json!({"spec": {"drivers": [{"name": "a.io", "nodeID": ""}, {"name": "a.io", "nodeID": "i", "topologyKeys": ["k", "k"]}]}}),
            vec!["spec.drivers[1].name", "spec.drivers[0].nodeID", "spec.drivers[1].topologyKeys[1]"],
        ),
        ("CSIStorageCapacity", "a", json!({"storageClassName": "sc", "capacity": "1Gi"}), vec![]),
        (
            "CSIStorageCapacity",
            "a",
            json!({"storageClassName": "", "capacity": "-1Gi"}),
            vec!["storageClassName", "capacity"],
        ),
        (
            "VolumeAttachment",
            "a",
            json!({"spec": {"attacher": "a.io", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}),
            vec![],
        ),
        (
            "VolumeAttachment",
            "a",
            json!({"spec": {"attacher": "", "nodeName": "", "source": {}}}),
            vec!["spec.attacher", "spec.source", "spec.nodeName"],
        ),
        ("VolumeAttributesClass", "a", json!({"driverName": "d", "parameters": {"k": "v"}}), vec![]),
        ("VolumeAttributesClass", "a", json!({"driverName": "d"}), vec!["parameters"]),
        ("FlowSchema", "a", flow(rule(user.clone(), &["get"])), vec![]),
        ("FlowSchema", "a", flow(json!({"matchingPrecedence": 20_000})), vec!["spec.matchingPrecedence"]),
        ("FlowSchema", "a", flow(rule(user, &["fetch"])), vec!["spec.rules[0].nonResourceRules[0].verbs"]),
        (
            "FlowSchema",
            "a",
            flow(json!({"rules": [{"subjects": [{"kind": "User", "group": {"name": "g"}}]}]})),
            vec!["spec.rules[0].subjects[0].group", "spec.rules[0].subjects[0].user", "spec.rules[0]"],
        ),
        (
            "DeviceClass",
            "gpu",
            json!({"spec": {"selectors": [{"cel": {"expression": "device.driver == 'd'"}}]}}),
            vec![],
        ),
        ("DeviceClass", "gpu", json!({"spec": {"config": [{}]}}), vec!["spec.config[0].opaque"]),
        ("ResourceSlice", "a", slice(json!({"nodeName": "n", "devices": [{"name": "d"}]})), vec![]),
        (
            "ResourceSlice",
            "a",
            slice(json!({"nodeName": "n", "allNodes": true, "devices": [{"name": "d"}, {"name": "d"}]})),
            vec!["spec", "spec.devices[1].name"],
        ),
        ("APIService", "v1.a.io", api("a.io", 100), vec![]),
        ("APIService", "v1.b.io", api("a.io", 30_000), vec!["metadata.name", "spec.groupPriorityMinimum"]),
    ] {
        let behaviour = find(kind);
        let object = object(behaviour, name, &own);
        let mut found = fields(behaviour.validate(&object));
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{kind}: {own}");
    }
}

#[test]
fn changed_objects_are_checked() {
    for (kind, old, new, expected) in [
        (
            "IngressClass",
            json!({"spec": {"controller": "a.io/b"}}),
            json!({"spec": {"controller": "a.io/c"}}),
            vec!["spec.controller"],
        ),
        ("CSIDriver", json!({"spec": {}}), json!({"spec": {"attachRequired": false}}), vec!["spec.attachRequired"]),
        (
            "ServiceCIDR",
            json!({"spec": {"cidrs": ["10.0.0.0/16"]}}),
            json!({"spec": {"cidrs": ["10.0.0.0/16", "2001:db8::/64"]}}),
            vec![],
        ),
        (
            "ServiceCIDR",
            json!({"spec": {"cidrs": ["10.0.0.0/16"]}}),
            json!({"spec": {"cidrs": ["11.0.0.0/16"]}}),
            vec!["spec.cidrs"],
        ),
        (
            "VolumeAttributesClass",
            json!({"driverName": "d", "parameters": {"k": "v"}}),
            json!({"driverName": "d", "parameters": {"k": "w"}}),
            vec!["parameters"],
        ),
        (
            "ResourceClaim",
            json!({"spec": {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "gpu"}}]}}}),
            json!({"spec": {"devices": {"requests": [{"name": "b", "exactly": {"deviceClassName": "gpu"}}]}}}),
            vec!["spec"],
        ),
    ] {
        let behaviour = find(kind);
        let (old, mut new) = (object(behaviour, "a", &old), object(behaviour, "a", &new));
        (behaviour.prepare_update)(&mut new, &old);
        assert_eq!(fields(behaviour.validate_update(&new, &old)), expected, "{kind}");
    }
}

#[test]
fn the_expressions_that_people_write_are_taken() {
    let good = [
        "object.spec.replicas <= 5",
        "object.spec.replicas <= params.maxReplicas",
        "!has(object.spec.replicas) || object.spec.replicas > 0",
        "object.spec.template.spec.containers.all(c, c.image.startsWith('registry.io/'))",
        "request.userInfo.username.matches('^system:serviceaccount:[a-z]+:robot$')",
        "has(object.metadata.labels) && 'app' in object.metadata.labels",
        "\"High replica count: \" + string(object.spec.replicas)",
        "variables.containers.exists(c, c.name == 'x') ? 'a' : \"b\"",
        "request.operation != \"UPDATE\" || object.spec == oldObject.spec",
        "object.metadata.name in ['a', 'b'] && size(object.spec.list) == 0",
        "Object{spec: Object.spec{replicas: 1}}",
        "[JSONPatch{op: \"add\", path: \"/metadata/labels/a\", value: \"b\"}]",
        "authorizer.group('').resource('pods').namespace('default').check('create').allowed()",
        "object.spec.?replicas.orValue(1) > 0",
        "device.attributes[\"d.io\"].model == \"x\"",
        "object.metadata.annotations[?'a'].orValue('') == 'b'",
        "quantity(object.spec.size).isGreaterThan(quantity('1Gi'))",
        "r'\\d+' == 'a' || b'abc' == b'abc' || 1u > 0u || 1.5e3 > 2.0",
    ];
    for text in good {
        let holder = json!({"expression": text});
        let mut causes = Vec::new();
        let variables: Vec<&str> = [admission_rules::POLICY_VARIABLES, admission_rules::DEVICE_VARIABLES].concat();
        admission_rules::validate_expression(&at::At::root(&holder, "expression"), &variables, &[], &mut causes);
        assert_eq!(causes, [], "{text}");
    }
}
