//! Nodes and pods for this crate's tests, made from the same JSON the API gives.

use crate::node::{NodeInfo, NodeSpec, Usage};
use crate::pod::{ObservedPod, PodInfo};
use serde_json::{Value, json};
use std::sync::Arc;

/// A node named `name` with room for 110 pods, 8 CPUs and 32 GiB.
pub(crate) fn node(name: &str) -> NodeFixture {
    NodeFixture(json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"taints": []},
        "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}},
    }))
}

/// A pending pod named `name` in `default`, with one container that asks for nothing; its uid is `uid-<name>`.
pub(crate) fn pod(name: &str) -> PodFixture {
    PodFixture {
        json: json!({
            "metadata": {"namespace": "default", "name": name, "uid": format!("uid-{name}")},
            "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c", "resources": {"requests": {}}}]},
            "status": {"phase": "Pending"},
        }),
        group: None,
    }
}

#[derive(Clone)]
pub(crate) struct NodeFixture(pub(crate) Value);

impl NodeFixture {
    pub(crate) fn cpu(self, amount: &str) -> Self {
        self.allocatable("cpu", amount)
    }
    pub(crate) fn allocatable(mut self, resource: &str, amount: &str) -> Self {
        self.0["status"]["allocatable"][resource] = json!(amount);
        self
    }
    pub(crate) fn label(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["labels"][key] = json!(value);
        self
    }
    pub(crate) fn taint(mut self, key: &str, value: &str, effect: &str) -> Self {
        let taints = self.0["spec"]["taints"].as_array_mut().expect("array");
        taints.push(json!({"key": key, "value": value, "effect": effect}));
        self
    }
    pub(crate) fn cordoned(mut self) -> Self {
        self.0["spec"]["unschedulable"] = json!(true);
        self
    }
    pub(crate) fn build(self) -> NodeSpec {
        NodeSpec::read(&serde_json::from_value(self.0).expect("node")).expect("named")
    }
    /// With `pods` on it.
    pub(crate) fn with(self, pods: &[PodFixture]) -> NodeInfo {
        let mut usage = Usage::default();
        for pod in pods {
            usage.add(&pod.clone().info());
        }
        NodeInfo { spec: self.build(), usage }
    }
}

#[derive(Clone)]
pub(crate) struct PodFixture {
    pub(crate) json: Value,
    group: Option<u64>,
}

impl PodFixture {
    pub(crate) fn cpu(self, amount: &str) -> Self {
        self.request("cpu", amount)
    }
    pub(crate) fn request(mut self, resource: &str, amount: &str) -> Self {
        self.json["spec"]["containers"][0]["resources"]["requests"][resource] = json!(amount);
        self
    }
    pub(crate) fn port(mut self, port: i32) -> Self {
        self.json["spec"]["containers"][0]["ports"] = json!([{"containerPort": port, "hostPort": port}]);
        self
    }
    pub(crate) fn spec(mut self, key: &str, value: Value) -> Self {
        self.json["spec"][key] = value;
        self
    }
    pub(crate) fn priority(self, priority: i32) -> Self {
        self.spec("priority", json!(priority))
    }
    pub(crate) fn selector(self, key: &str, value: &str) -> Self {
        self.spec("nodeSelector", json!({key: value}))
    }
    pub(crate) fn tolerating(self, key: &str) -> Self {
        self.spec("tolerations", json!([{"key": key, "operator": "Exists"}]))
    }
    pub(crate) fn on(self, node: &str) -> Self {
        self.spec("nodeName", json!(node))
    }
    pub(crate) fn terminating(mut self) -> Self {
        self.json["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        self
    }
    pub(crate) fn group(mut self, group: u64) -> Self {
        self.group = Some(group);
        self
    }
    pub(crate) fn observed(self) -> ObservedPod {
        let mut observed = ObservedPod::read(&serde_json::from_value(self.json).expect("pod")).expect("named");
        if self.group.is_some() {
            Arc::make_mut(&mut observed.info).spread_group = self.group;
        }
        observed
    }
    pub(crate) fn info(self) -> PodInfo {
        PodInfo::clone(&self.observed().info)
    }
    pub(crate) fn arc(self) -> Arc<PodInfo> {
        self.observed().info
    }
}
