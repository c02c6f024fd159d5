//! Services and what they are given: no address and no node port twice, whoever asks at the same time.

mod common;

use common::Cluster;
use futures::future::join_all;
use kubus_proto::request::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SERVICES: &str = "/api/v1/namespaces/default/services";
/// Services that are made at the same time.
const AT_ONCE: usize = 300;

fn service(name: &str, spec: Value) -> Value {
    let mut all = json!({"selector": {"a": "b"}, "ports": [{"name": "x", "port": 80}]});
    json_patch::merge(&mut all, &spec);
    json!({"metadata": {"name": name}, "spec": all})
}

fn address(service: &Value) -> String {
    service["spec"]["clusterIP"].as_str().expect("an address").to_owned()
}

fn node_port(service: &Value) -> i64 {
    service["spec"]["ports"][0]["nodePort"].as_i64().expect("a port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_given_out_twice() {
    let cluster = Cluster::new().await;
    let all = join_all((0..AT_ONCE).map(|i| {
        let body = service(&format!("s{i}"), json!({"type": "NodePort"}));
        cluster.post(SERVICES, body)
    }));
    let stored: Vec<Value> = all.await.into_iter().map(|answer| answer.ok(201)).collect();
    let addresses: BTreeSet<String> = stored.iter().map(address).collect();
    let ports: BTreeSet<i64> = stored.iter().map(node_port).collect();
    assert_eq!((addresses.len(), ports.len()), (AT_ONCE, AT_ONCE));
    assert!(ports.iter().all(|port| (30_000..=32_767).contains(port)));
    assert!(!addresses.contains("10.96.0.1"), "the address of the Service kubernetes");
    // Many want the same: one gets it.
    let same = join_all((0..20).map(|i| {
        let body = service(&format!("t{i}"), json!({"clusterIP": "10.96.0.77"}));
        cluster.post(SERVICES, body)
    }));
    let codes: Vec<u16> = same.await.into_iter().map(|answer| answer.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 201).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 422).count(), 19, "{codes:?}");
}

#[tokio::test]
async fn what_a_service_no_longer_has_others_may_have() {
    let cluster = Cluster::new().await;
    let chosen =
        json!({"type": "NodePort", "clusterIP": "10.96.0.9", "ports": [{"name": "x", "port": 80, "nodePort": 30009}]});
    let first = cluster.post(SERVICES, service("a", chosen.clone())).await.ok(201);
    let message = cluster.post(SERVICES, service("b", chosen.clone())).await.fails(422);
    assert!(message.contains("failed to allocate IP 10.96.0.9: provided IP is already allocated"), "{message}");
    assert!(message.contains("spec.ports[0].nodePort: Invalid value: 30009: provided port is already allocated"));
    // Another type: the port goes, the address stays.
    let path = format!("{SERVICES}/a");
    let plain = cluster.merge(&path, json!({"spec": {"type": "ClusterIP"}})).await.ok(200);
    assert_eq!((address(&plain), &plain["spec"]["ports"][0]["nodePort"]), (address(&first), &json!(null)));
    let other = json!({"type": "NodePort", "ports": [{"name": "x", "port": 80, "nodePort": 30009}]});
    assert_eq!(node_port(&cluster.post(SERVICES, service("b", other)).await.ok(201)), 30_009);
    let message = cluster.merge(&path, json!({"spec": {"clusterIP": "10.96.0.10"}})).await.fails(422);
    assert!(
        message.contains("spec.clusterIPs[0]: Invalid value: [\"10.96.0.10\"]: may not change once set"),
        "{message}"
    );
    cluster.delete(&path, Value::Null).await.ok(200);
    assert_eq!(
        address(&cluster.post(SERVICES, service("c", json!({"clusterIP": "10.96.0.9"}))).await.ok(201)),
        "10.96.0.9"
    );
}

#[tokio::test]
async fn a_service_gets_node_ports_when_it_needs_them() {
    let cluster = Cluster::new().await;
    let first = cluster.post(SERVICES, service("a", json!({}))).await.ok(201);
    let path = format!("{SERVICES}/a");
    let balanced = cluster.merge(&path, json!({"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}}));
    let balanced = balanced.await.ok(200);
    assert_eq!(address(&balanced), address(&first));
    let (port, health) = (node_port(&balanced), balanced["spec"]["healthCheckNodePort"].as_i64().expect("a port"));
    assert_ne!(port, health);
    // Nothing changes when it is written again without them.
    let mut spec = balanced["spec"].clone();
    for key in ["clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy"] {
        spec.as_object_mut().expect("a map").remove(key);
    }
    spec["ports"] = json!([{"name": "x", "port": 80}]);
    let again = cluster.put(&path, json!({"metadata": {"name": "a"}, "spec": spec})).await.ok(200);
    assert_eq!(again["spec"], balanced["spec"]);
    // Tried out only, nothing is taken.
    let dry = format!("{SERVICES}?dryRun=All");
    let tried = cluster.ask(Method::Post, &dry).body(&service("d", json!({"clusterIP": "10.96.0.50"}))).send().await;
    assert_eq!(address(&tried.ok(201)), "10.96.0.50");
    cluster.post(SERVICES, service("e", json!({"clusterIP": "10.96.0.50"}))).await.ok(201);
}

#[tokio::test]
async fn every_cluster_has_its_service_and_system_classes() {
    let cluster = Cluster::new().await;
    let kubernetes = cluster.get(&format!("{SERVICES}/kubernetes")).await.ok(200);
    assert_eq!((address(&kubernetes).as_str(), &kubernetes["spec"]["ports"][0]["port"]), ("10.96.0.1", &json!(443)));
    let classes = cluster.get("/apis/scheduling.k8s.io/v1/priorityclasses").await.ok(200);
    let values: Vec<&Value> = classes["items"].as_array().expect("items").iter().map(|class| &class["value"]).collect();
    assert_eq!(values, [&json!(2_000_000_000), &json!(2_000_001_000)]);
}
