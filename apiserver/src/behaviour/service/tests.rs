//! Services as they are stored, changed and refused.

use super::*;
use kubus_proto::status::Cause;

fn stored(spec: Value) -> Value {
    let mut service = json!({"metadata": {"name": "s", "namespace": "n"}, "spec": spec});
    BEHAVIOUR.default(&mut service);
    (BEHAVIOUR.prepare_create)(&mut service);
    service
}

fn fields(causes: Vec<Cause>) -> Vec<String> {
    causes.into_iter().map(|cause| format!("{} {}", cause.reason.replace("FieldValue", ""), cause.field)).collect()
}

#[test]
fn services_are_checked() {
    let port = json!([{"port": 80}]);
    for (spec, expected) in [
        (json!({"ports": port}), vec![]),
        (json!({"clusterIP": "None"}), vec![]),
        (json!({"clusterIP": "10.96.0.10", "ports": port}), vec![]),
        (json!({"type": "ExternalName", "externalName": "a.b."}), vec![]),
        (json!({}), vec!["Required spec.ports"]),
        (json!({"type": "ExternalName"}), vec!["Required spec.externalName"]),
        (json!({"type": "Odd", "ports": port}), vec!["NotSupported spec.type"]),
        (
            json!({"type": "ExternalName", "externalName": "a", "clusterIP": "10.96.0.1"}),
            vec!["Forbidden spec.clusterIPs"],
        ),
        (json!({"type": "NodePort", "clusterIP": "None", "ports": port}), vec!["Invalid spec.clusterIPs[0]"]),
        (json!({"clusterIP": "x", "ports": port}), vec!["Invalid spec.clusterIPs[0]"]),
        (
            json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.2"], "ports": port}),
            vec!["Invalid spec.clusterIPs"],
        ),
        (json!({"clusterIP": "fd00::1", "ports": port}), vec!["Invalid spec.clusterIPs[0]"]),
        (json!({"ports": [{"port": 80, "nodePort": 30080}]}), vec!["Forbidden spec.ports[0].nodePort"]),
        (
            json!({"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 80, "targetPort": "a--b"}]}),
            vec!["Duplicate spec.ports[1].name", "Invalid spec.ports[1].targetPort", "Duplicate spec.ports[1]"],
        ),
        (
            json!({"ports": port, "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}}),
            vec!["Invalid spec.sessionAffinityConfig.clientIP.timeoutSeconds"],
        ),
        (
            json!({"ports": port, "externalTrafficPolicy": "Local", "loadBalancerClass": "a/b"}),
            vec!["Forbidden spec.loadBalancerClass", "Invalid spec.externalTrafficPolicy"],
        ),
        (json!({"ports": port, "externalIPs": ["127.0.0.1"]}), vec!["Invalid spec.externalIPs[0]"]),
    ] {
        assert_eq!(fields(BEHAVIOUR.validate(&stored(spec.clone()))), expected, "{spec}");
    }
}

#[test]
fn families_follow_what_a_service_is() {
    for (spec, families, policy) in [
        (json!({"selector": {"a": "b"}}), json!(["IPv4"]), json!("SingleStack")),
        (json!({"clusterIP": "None", "selector": {"a": "b"}}), json!(["IPv4"]), json!("SingleStack")),
        (json!({"clusterIP": "None"}), json!(["IPv4", "IPv6"]), json!("RequireDualStack")),
        (json!({"clusterIP": "None", "ipFamilyPolicy": "SingleStack"}), json!(["IPv4"]), json!("SingleStack")),
        (json!({"type": "ExternalName"}), Value::Null, Value::Null),
    ] {
        let service = stored(spec.clone());
        assert_eq!(
            (&service["spec"]["ipFamilies"], &service["spec"]["ipFamilyPolicy"]),
            (&families, &policy),
            "{spec}"
        );
    }
}

/// A stored service with its address and node ports.
fn running(kind: &str) -> Value {
    let mut service = stored(json!({"type": kind, "selector": {"a": "b"}, "ports": [{"name": "x", "port": 80}]}));
    service["spec"]["clusterIP"] = json!("10.96.0.5");
    service["spec"]["clusterIPs"] = json!(["10.96.0.5"]);
    if needs_node_ports(&service) {
        service["spec"]["ports"][0]["nodePort"] = json!(30080);
    }
    service
}

fn updated(old: &Value, spec: Value) -> Value {
    let mut new = json!({"metadata": {"name": "s", "namespace": "n"}, "spec": spec});
    BEHAVIOUR.default(&mut new);
    (BEHAVIOUR.prepare_update)(&mut new, old);
    new
}

#[test]
fn what_was_given_out_stays_while_it_is_needed() {
    let ports = json!([{"name": "x", "port": 8080}]);
    let old = running("NodePort");
    let new = updated(&old, json!({"type": "NodePort", "ports": ports}));
    assert_eq!((&new["spec"]["clusterIP"], &new["spec"]["clusterIPs"]), (&json!("10.96.0.5"), &json!(["10.96.0.5"])));
    assert_eq!((&new["spec"]["ports"][0]["nodePort"], &new["spec"]["ipFamilies"]), (&json!(30080), &json!(["IPv4"])));
    assert_eq!(fields(BEHAVIOUR.validate_update(&new, &old)), Vec::<String>::new());
    // The whole object sent back with another type.
    let mut spec = old["spec"].clone();
    spec["type"] = json!("ClusterIP");
    let new = updated(&old, spec.clone());
    assert_eq!(
        (&new["spec"]["ports"][0]["nodePort"], &new["spec"]["externalTrafficPolicy"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(fields(BEHAVIOUR.validate_update(&new, &old)), Vec::<String>::new());
    spec["type"] = json!("ExternalName");
    spec["externalName"] = json!("a.b");
    let new = updated(&old, spec);
    assert_eq!((&new["spec"]["clusterIP"], &new["spec"]["ipFamilies"]), (&json!(null), &json!(null)));
    assert_eq!(fields(BEHAVIOUR.validate_update(&new, &old)), Vec::<String>::new());
}

#[test]
fn an_address_may_not_change() {
    let old = running("ClusterIP");
    for (ip, expected) in
        [("10.96.0.6", vec!["Invalid spec.clusterIPs[0]"]), ("None", vec!["Invalid spec.clusterIPs[0]"])]
    {
        let mut spec = old["spec"].clone();
        spec["clusterIP"] = json!(ip);
        assert_eq!(fields(BEHAVIOUR.validate_update(&updated(&old, spec), &old)), expected, "{ip}");
    }
}
