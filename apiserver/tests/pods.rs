//! Pods' own subresources: binding, alone and in batches, eviction, and streams.

mod common;

use common::{Cluster, PODS, pod};
use kubus_proto::binding::{BINDINGS_PATH, BindingBatch, BindingResults, PodBinding};
use kubus_proto::codec;
use kubus_proto::request::Method;
use kubus_proto::stream::{Operation, STREAM_ACCEPT, StreamTicket};
use serde_json::{Value, json};

fn batch(bindings: &[(&str, &Value, &str)]) -> Vec<u8> {
    let bindings = bindings.iter().map(|(name, uid, node)| PodBinding {
        namespace: "default".into(),
        name: (*name).into(),
        uid: uid.as_str().unwrap_or_default().into(),
        node: (*node).into(),
    });
    codec::encode(&BindingBatch { bindings: bindings.collect() }).expect("encode")
}

#[tokio::test]
async fn a_binding_gives_a_pod_its_node_once() {
    let cluster = Cluster::new().await;
    let bound = cluster.pod("web", "n1").await;
    assert_eq!(bound["spec"]["nodeName"], "n1");
    let condition = &bound["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("PodScheduled"), &json!("True")));
    assert!(condition["lastTransitionTime"].is_string());
    let path = format!("{PODS}/web/binding");
    for (body, code, message) in [
        (
            json!({"target": {"name": "n2"}}),
            409,
            "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"n1\"",
        ),
        (json!({"target": {}}), 422, "Binding \"web\" is invalid: target.name: Required value"),
        (
            json!({"metadata": {"name": "x"}, "target": {"name": "n2"}}),
            400,
            "name in URL does not match name in Binding object",
        ),
    ] {
        assert_eq!(cluster.post(&path, body).await.fails(code), message);
    }
    cluster.post(&format!("{PODS}/x/binding"), json!({"target": {"name": "n1"}})).await.fails(404);
}

#[tokio::test]
async fn each_binding_of_a_batch_is_decided_alone() {
    let cluster = Cluster::new().await;
    let uid = async |name: &str| cluster.pod(name, "").await["metadata"]["uid"].clone();
    let (a, b, taken) = (uid("a").await, uid("b").await, cluster.pod("taken", "n9").await["metadata"]["uid"].clone());
    let body = batch(&[
        ("a", &a, "n1"),
        ("b", &json!("stranger"), "n1"),
        ("gone", &a, "n1"),
        ("taken", &taken, "n1"),
        ("b", &b, "n2"),
    ]);
    let id = uuid::Uuid::new_v4();
    for round in 0..2 {
        let ask = cluster.ask(Method::Post, BINDINGS_PATH).identity("scheduler-1").id(id).raw(body.clone());
        let answer = ask.send().await;
        assert_eq!(answer.code, 200, "{}", answer.body);
        let results: BindingResults = codec::decode(&answer.bytes).expect("results");
        let messages: Vec<Option<&str>> =
            results.errors.iter().map(|e| e.as_ref().map(|e| e.message.as_str())).collect();
        assert_eq!(
            messages,
            [
                None,
                Some("pods \"b\" not found"),
                Some("pods \"gone\" not found"),
                Some(
                    "Operation cannot be fulfilled on pods/binding \"taken\": pod taken is already assigned to node \"n9\""
                ),
                None
            ],
            "round {round}"
        );
    }
    let bound = cluster.get(&format!("{PODS}?fieldSelector=spec.nodeName%3Dn1")).await.ok(200);
    assert_eq!(bound["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_eviction_is_a_delete_that_asks() {
    let cluster = Cluster::new().await;
    cluster.pod("web", "n1").await;
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"},
        "deleteOptions": {"gracePeriodSeconds": 7}});
    let done = cluster.post(&format!("{PODS}/web/eviction"), body).await.ok(201);
    assert_eq!(done["status"], "Success");
    let ending = cluster.get(&format!("{PODS}/web")).await.ok(200);
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 7);
    assert_eq!(cluster.post(&format!("{PODS}/x/eviction"), json!({})).await.fails(404), "pods \"x\" not found");
}

#[tokio::test]
async fn streams_are_opened_on_the_pods_node() {
    let cluster = Cluster::new().await;
    let made = cluster.pod("web", "n1").await;
    let mut two = pod("two");
    two["spec"]["containers"] = json!([{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]);
    cluster.post(PODS, two).await.ok(201);
    let open =
        async |path: &str| cluster.ask(Method::Get, &format!("{PODS}/{path}")).accept(STREAM_ACCEPT).send().await;
    for (path, code, message) in [
        ("x/log", 404, "pods \"x\" not found"),
        ("two/log", 400, "a container name must be specified for pod two, choose one of: [a b]"),
        ("two/log?container=c", 400, "container c is not valid for pod two"),
        ("two/log?container=a", 400, "pod two does not have a host assigned"),
        ("two/exec?container=a&command=ls&stdout=true", 400, "pod two does not have a host assigned"),
        ("web/log", 400, "container \"c\" in pod \"web\" is waiting to start: ContainerCreating"),
        ("web/exec?stdout=true", 400, "you must specify at least one command for the container"),
        ("web/exec?command=ls", 400, "you must specify at least one of stdin, stdout, stderr"),
        ("x/portforward", 404, "pods \"x\" not found"),
        ("two/portforward", 400, "pod two does not have a host assigned"),
        ("web/portforward?ports=0", 400, "\"0\" is not a valid port number: must be between 1 and 65535, inclusive"),
        ("x:80/proxy", 404, "pods \"x\" not found"),
        ("ftp:web:21/proxy", 400, "invalid pod request \"ftp:web:21\""),
        ("web:http/proxy", 400, "\"http\" is not a valid port number: must be between 1 and 65535, inclusive"),
        ("web/log?tailLines=-1", 400, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
    ] {
        assert_eq!(open(path).await.fails(code), message, "{path}");
    }
    cluster.get(&format!("{PODS}/web/log")).await.fails(406);
    assert_eq!(cluster.get(&format!("{PODS}/web/exec")).await.fails(400), "Upgrade request required");
    // Whether ports may be forwarded is asked before any port is known.
    let answer = open("web/portforward").await;
    let ticket: StreamTicket = codec::decode(&answer.bytes).expect("ticket");
    assert_eq!((ticket.node.as_str(), ticket.session.as_str()), ("n1", ""));
    assert!(cluster.opened.0.lock().expect("streams").is_empty());

    let running = json!({"status": {"phase": "Running",
        "containerStatuses": [{"name": "c", "image": "nginx:1", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {}}}]}});
    cluster.merge(&format!("{PODS}/web/status"), running).await.ok(200);
    let answer = open("web/log?follow=true&tailLines=5").await;
    let ticket: StreamTicket = codec::decode(&answer.bytes).expect("ticket");
    assert_eq!((ticket.node.as_str(), ticket.identity.as_str()), ("n1", "admin"));
    open("web/exec?command=sh&command=-c&command=ls&stdin=true&stdout=true&stderr=true&tty=true").await.ok(200);
    open("web/portforward?ports=8080").await.ok(200);
    open("http:web:/proxy").await.ok(200);
    let opened = cluster.opened.0.lock().expect("streams");
    assert!(matches!(&opened[2].operation, Operation::PortForward { port: 8080 }));
    // The port of the pod's first container that has one, or HTTP's.
    assert!(matches!(&opened[3].operation, Operation::PortForward { port: 80 }));
    assert_eq!(
        (opened.len(), opened[0].pod.as_str(), Some(opened[0].uid.as_str())),
        (4, "web", made["metadata"]["uid"].as_str())
    );
    assert_eq!(opened[0].ticket.session, ticket.session);
    assert!(
        matches!(&opened[0].operation, Operation::Logs { container, follow: true, tail_lines: Some(5), .. } if container == "c")
    );
    assert!(
        matches!(&opened[1].operation, Operation::Exec { command, stdin: true, stderr: false, tty: true, .. } if command.len() == 3)
    );
}
