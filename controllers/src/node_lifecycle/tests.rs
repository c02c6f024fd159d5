//! Nodes that fall silent, leave, come back; with virtual time.

use super::*;
use crate::simulation::{Simulation, running};
use kubus_proto::heartbeat::Heartbeat;
use serde_json::Value;

const NAMES: [&str; 2] = ["nodelifecycle", "tainteviction"];

struct Nodes {
    cluster: Simulation,
    boot: u128,
    sequence: u64,
}

impl Nodes {
    /// `count` nodes that are ready, with one ready pod each that tolerates bad nodes for `tolerates` seconds.
    fn new(count: usize, tolerates: i64) -> Self {
        let cluster = Simulation::new(&NAMES);
        for i in 0..count {
            let condition = |kind: &str, status: &str| {
                json!({"type": kind, "status": status, "reason": "R",
                "lastHeartbeatTime": "1970-01-01T00:00:01Z", "lastTransitionTime": "1970-01-01T00:00:01Z"})
            };
            cluster.create(
                &node::ROW,
                json!({"metadata": {"name": format!("n{i}")},
                "status": {"conditions": [condition("MemoryPressure", "False"), condition("Ready", "True")]}}),
            );
            let toleration = |key: &str| {
                json!({"key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": tolerates})
            };
            let mut pod = json!({"metadata": {"namespace": "ns", "name": format!("p{i}")},
                "spec": {"containers": [], "nodeName": format!("n{i}"),
                    "tolerations": [toleration(taints::NOT_READY), toleration(taints::UNREACHABLE)]}});
            pod["status"] = running(900)["status"].clone();
            cluster.create(&pod::ROW, pod);
        }
        let mut nodes = Self { cluster, boot: 1, sequence: 0 };
        nodes.beat(0..count, |_| {});
        nodes.cluster.settle();
        nodes
    }

    fn beat(&mut self, which: impl Iterator<Item = usize>, change: impl Fn(&mut Heartbeat)) {
        for i in which {
            self.sequence += 1;
            let mut heartbeat = Heartbeat {
                node: format!("n{i}"),
                boot_id: format!("{:032x}", self.boot).parse().expect("uuid"),
                sequence: self.sequence,
                ready: true,
                message: String::new(),
                leaving: false,
            };
            change(&mut heartbeat);
            let key = Key::new("", &heartbeat.node);
            if self.cluster.heartbeats.hear(heartbeat, self.cluster.monotonic()) {
                self.cluster.want("nodelifecycle", key);
            }
        }
    }

    /// Lets `seconds` pass while only `alive` nodes are heard.
    fn pass(&mut self, seconds: u64, alive: std::ops::Range<usize>) {
        for _ in 0..seconds {
            self.cluster.pass(1);
            self.beat(alive.clone(), |_| {});
            self.cluster.settle();
        }
    }

    fn ready(&self, i: usize) -> (String, String) {
        let node = self.cluster.get(&node::ROW, "", &format!("n{i}")).expect("node");
        let all = node["status"]["conditions"].as_array().expect("conditions").clone();
        let ready = all.into_iter().find(|c| c["type"] == "Ready").expect("ready");
        (ready["status"].as_str().expect("status").to_owned(), ready["reason"].as_str().expect("reason").to_owned())
    }

    fn taints(&self, i: usize) -> Vec<String> {
        let node = self.cluster.get(&node::ROW, "", &format!("n{i}")).expect("node");
        let short = |t: &Value| {
            let key = t["key"].as_str().expect("key").trim_start_matches("node.kubernetes.io/");
            format!("{key}:{}", t["effect"].as_str().expect("effect"))
        };
        node["spec"]["taints"].as_array().into_iter().flatten().map(short).collect()
    }

    fn pod(&self, i: usize) -> Value {
        self.cluster.get(&pod::ROW, "ns", &format!("p{i}")).expect("pod")
    }

    fn is_evicted(&self, i: usize) -> bool {
        !self.pod(i)["metadata"]["deletionTimestamp"].is_null()
    }

    fn pod_is_ready(&self, i: usize) -> bool {
        let pod: Pod = serde_json::from_value(self.pod(i)).expect("pod");
        pods::is_ready(&pod)
    }
}

fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[test]
fn a_silent_node_is_given_up_and_taken_back() {
    let mut nodes = Nodes::new(3, 20);
    nodes.pass(9, 0..2);
    assert_eq!(nodes.ready(2), pair("True", "R"), "within the grace period");
    nodes.pass(1, 0..2);
    assert_eq!(nodes.ready(2), pair("Unknown", "NodeStatusUnknown"));
    assert!(!nodes.pod_is_ready(2));
    nodes.pass(2, 0..2);
    assert_eq!(nodes.taints(2), ["unreachable:NoSchedule", "unreachable:NoExecute"]);
    assert!(nodes.taints(0).is_empty() && nodes.pod_is_ready(0));
    let events = nodes.cluster.take_events();
    assert!(events.contains(&"NodeNotReady Node n2 status is now: NodeNotReady".to_owned()), "{events:?}");
    assert!(events.contains(&"NodeNotReady Node is not ready".to_owned()), "{events:?}");
    nodes.pass(17, 0..2);
    assert!(!nodes.is_evicted(2), "20 seconds are tolerated");
    nodes.pass(4, 0..2);
    assert!(nodes.is_evicted(2));
    assert!(nodes.cluster.take_events().contains(&"TaintManagerEviction Marking for deletion Pod ns/p2".to_owned()));

    nodes.pass(1, 0..3);
    assert_eq!(nodes.ready(2), pair("True", "KubeletReady"));
    assert!(nodes.taints(2).is_empty());
    let node = nodes.cluster.get(&node::ROW, "", "n2").expect("node");
    assert_eq!(node["status"]["conditions"][0]["status"], "False", "memory pressure is not unknown any more");
}

#[test]
fn an_eviction_is_cancelled_when_the_node_is_back_in_time() {
    let mut nodes = Nodes::new(3, 20);
    nodes.pass(25, 0..2);
    assert_eq!(nodes.taints(2).len(), 2);
    nodes.pass(60, 0..3);
    assert!(!nodes.is_evicted(2) && nodes.taints(2).is_empty());
}

#[test]
fn a_node_that_leaves_in_order_is_believed_at_once() {
    let mut nodes = Nodes::new(3, 20);
    nodes.beat(2..3, |h| h.leaving = true);
    nodes.cluster.settle();
    assert_eq!(nodes.ready(2), pair("False", "KubeletNotReady"));
    assert!(!nodes.pod_is_ready(2));
    nodes.pass(5, 0..2);
    assert_eq!(nodes.taints(2), ["not-ready:NoSchedule", "not-ready:NoExecute"]);
    nodes.pass(7, 0..2);
    assert_eq!(nodes.ready(2), pair("Unknown", "NodeStatusUnknown"), "then it is silent");
    assert_eq!(nodes.taints(2), ["unreachable:NoSchedule", "unreachable:NoExecute"]);
    nodes.pass(10, 0..2);
    assert!(nodes.is_evicted(2), "the time runs from when it left");
    nodes.boot = 2;
    nodes.sequence = 0;
    nodes.pass(1, 0..3);
    assert_eq!(nodes.ready(2), pair("True", "KubeletReady"), "a new start counts from 0");
}

#[test]
fn a_node_that_cannot_run_pods_says_why() {
    let mut nodes = Nodes::new(2, 300);
    let broken = |h: &mut Heartbeat| {
        h.ready = false;
        h.message = "container engine is down".to_owned();
    };
    nodes.beat(1..2, broken);
    nodes.cluster.settle();
    assert_eq!(nodes.ready(1), pair("False", "KubeletNotReady"));
    assert_eq!(nodes.taints(1), ["not-ready:NoSchedule"]);
    nodes.pass(1, 0..2);
    assert_eq!(nodes.ready(1), pair("True", "KubeletReady"));
}

#[test]
fn when_everything_is_silent_nobody_is_evicted() {
    let mut nodes = Nodes::new(3, 0);
    nodes.pass(100, 0..0);
    for i in 0..3 {
        assert_eq!(nodes.ready(i).0, "Unknown");
        assert_eq!(nodes.taints(i), ["unreachable:NoSchedule"], "n{i}");
        assert!(!nodes.is_evicted(i));
    }
    nodes.pass(2, 0..3);
    assert!((0..3).all(|i| nodes.taints(i).is_empty()));
}

#[test]
fn most_of_a_small_zone_halts_evictions_and_few_go_one_by_one() {
    let mut nodes = Nodes::new(5, 0);
    nodes.pass(100, 0..2);
    assert!((2..5).all(|i| !nodes.is_evicted(i)), "three of five are too many");
    nodes.pass(2, 0..3);
    assert!((2..5).filter(|i| nodes.is_evicted(*i)).count() <= 1);
    nodes.pass(30, 0..3);
    assert!(!nodes.is_evicted(2) && nodes.is_evicted(3) && nodes.is_evicted(4), "two of five are given up");

    let mut nodes = Nodes::new(5, 0);
    nodes.pass(13, 0..3);
    assert_eq!((3..5).filter(|i| nodes.is_evicted(*i)).count(), 1, "one every ten seconds");
    nodes.pass(11, 0..3);
    assert_eq!((3..5).filter(|i| nodes.is_evicted(*i)).count(), 2);
}

#[test]
fn a_new_leader_waits_a_full_grace_period() {
    let mut nodes = Nodes::new(3, 300);
    nodes.cluster.pass(500);
    nodes.cluster.heartbeats.begin(nodes.cluster.monotonic());
    for i in 0..3 {
        nodes.cluster.want("nodelifecycle", Key::new("", format!("n{i}")));
    }
    nodes.cluster.settle();
    assert_eq!(nodes.ready(2).0, "True");
    nodes.pass(9, 0..2);
    assert_eq!(nodes.ready(2).0, "True");
    nodes.pass(1, 0..2);
    assert_eq!(nodes.ready(2).0, "Unknown");
}

#[test]
fn a_cordoned_node_is_tainted() {
    let mut nodes = Nodes::new(2, 300);
    nodes.cluster.patch(&node::ROW, "", "n0", json!({"spec": {"unschedulable": true}}));
    nodes.cluster.settle();
    assert_eq!(nodes.taints(0), ["unschedulable:NoSchedule"]);
    nodes.cluster.patch(&node::ROW, "", "n0", json!({"spec": {"unschedulable": null}}));
    nodes.cluster.settle();
    assert!(nodes.taints(0).is_empty());
}
