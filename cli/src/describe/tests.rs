//! Descriptions of the objects behind the first user document's dumps.

use crate::fake::FakeServer;
use serde_json::{Value, json};

/// Blanks at the ends of lines are lost in the document.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn template(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}, "spec": {"containers": [
        {"name": "nginx", "image": "nginx", "imagePullPolicy": "Always", "resources": {}}]}})
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "nginx-deployment", "namespace": "default", "uid": "d1",
            "creationTimestamp": "2022-09-27T09:17:09Z", "labels": {"app": "nginx-deployment"},
            "annotations": {"deployment.kubernetes.io/revision": "1",
                "kubectl.kubernetes.io/last-applied-configuration": "{}\n"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "nginx-deployment"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "template": template(json!({"app": "nginx-deployment"}))},
        "status": {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2, "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]},
    })
}

fn replica_set() -> Value {
    let labels = json!({"app": "nginx-deployment", "pod-template-hash": "84cd76b964"});
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "nginx-deployment-84cd76b964", "namespace": "default", "uid": "r1", "labels": labels,
            "annotations": {"deployment.kubernetes.io/desired-replicas": "2",
                "deployment.kubernetes.io/max-replicas": "3", "deployment.kubernetes.io/revision": "1"},
            "ownerReferences": [{"kind": "Deployment", "name": "nginx-deployment", "uid": "d1", "controller": true}]},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template(labels.clone())},
        "status": {"replicas": 2, "readyReplicas": 2},
    })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": "2022-09-27T09:17:10Z",
            "labels": {"app": "nginx-deployment", "pod-template-hash": "84cd76b964"},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": "nginx-deployment-84cd76b964", "uid": "r1", "controller": true}]},
        "spec": {"priority": 0, "nodeName": "minikube", "serviceAccountName": "default",
            "containers": [{"name": "nginx", "image": "nginx", "resources": {}, "volumeMounts": [
                {"name": "kube-api-access-5pnkt", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                    "readOnly": true}]}],
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300}],
            "volumes": [{"name": "kube-api-access-5pnkt", "projected": {"sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt"}},
                {"downwardAPI": {"items": []}}]}}]},
        "status": {"phase": "Running", "startTime": "2022-09-27T09:17:10Z", "hostIP": "192.168.49.2",
            "podIP": "172.17.0.12", "podIPs": [{"ip": "172.17.0.12"}], "qosClass": "BestEffort",
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"},
                {"type": "ContainersReady", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "nginx", "image": "nginx", "ready": true, "restartCount": 0,
                "containerID": "docker://8d8a1e810890ac25163e30ae9aa853576f7b2c9a54c2b2506d9f066b8559e469",
                "imageID": "docker-pullable://nginx@sha256:0b970013351304af46f322da1263516b188318682b2ab1091862497591189ff1",
                "state": {"running": {"startedAt": "2022-09-27T09:18:34Z"}}}]},
    })
}

async fn described(objects: &[Value], line: &str) -> String {
    let outcome = FakeServer::with(objects).run(line).await;
    assert_eq!((outcome.err.as_str(), outcome.code), ("", 0), "{line}");
    trimmed(&outcome.out)
}

#[tokio::test]
async fn a_deployment_is_described_as_in_the_document() {
    let expected = "\
Name:                   nginx-deployment
Namespace:              default
CreationTimestamp:      Tue, 27 Sep 2022 17:17:09 +0800
Labels:                 app=nginx-deployment
Annotations:            deployment.kubernetes.io/revision: 1
Selector:               app=nginx-deployment
Replicas:               2 desired | 2 updated | 2 total | 2 available | 0 unavailable
StrategyType:           RollingUpdate
MinReadySeconds:        0
RollingUpdateStrategy:  25% max unavailable, 25% max surge
Pod Template:
  Labels:  app=nginx-deployment
  Containers:
   nginx:
    Image:        nginx
    Port:         <none>
    Host Port:    <none>
    Environment:  <none>
    Mounts:       <none>
  Volumes:        <none>
Conditions:
  Type           Status  Reason
  ----           ------  ------
  Available      True    MinimumReplicasAvailable
  Progressing    True    NewReplicaSetAvailable
OldReplicaSets:  <none>
NewReplicaSet:   nginx-deployment-84cd76b964 (2/2 replicas created)
Events:          <none>
";
    // A deployment alone, since the document says `describe deployment` without a name.
    assert_eq!(described(&[deployment(), replica_set()], "describe deployment").await, expected);
}

#[tokio::test]
async fn a_replica_set_is_described_as_in_the_document() {
    let expected = "\
Name:           nginx-deployment-84cd76b964
Namespace:      default
Selector:       app=nginx-deployment,pod-template-hash=84cd76b964
Labels:         app=nginx-deployment
                pod-template-hash=84cd76b964
Annotations:    deployment.kubernetes.io/desired-replicas: 2
                deployment.kubernetes.io/max-replicas: 3
                deployment.kubernetes.io/revision: 1
Controlled By:  Deployment/nginx-deployment
Replicas:       2 current / 2 desired
Pods Status:    2 Running / 0 Waiting / 0 Succeeded / 0 Failed
Pod Template:
  Labels:  app=nginx-deployment
           pod-template-hash=84cd76b964
  Containers:
   nginx:
    Image:        nginx
    Port:         <none>
    Host Port:    <none>
    Environment:  <none>
    Mounts:       <none>
  Volumes:        <none>
Events:           <none>
";
    let objects = [deployment(), replica_set(), pod("a"), pod("b")];
    let line = "describe replicaset nginx-deployment-84cd76b964";
    assert_eq!(described(&objects, line).await, expected);
}

#[tokio::test]
async fn a_pod_is_described_as_in_the_document() {
    let expected = "\
Name:         nginx-deployment-84cd76b964-rp4vh
Namespace:    default
Priority:     0
Node:         minikube/192.168.49.2
Start Time:   Tue, 27 Sep 2022 17:17:10 +0800
Labels:       app=nginx-deployment
              pod-template-hash=84cd76b964
Annotations:  <none>
Status:       Running
IP:           172.17.0.12
IPs:
  IP:           172.17.0.12
Controlled By:  ReplicaSet/nginx-deployment-84cd76b964
Containers:
  nginx:
    Container ID:   docker://8d8a1e810890ac25163e30ae9aa853576f7b2c9a54c2b2506d9f066b8559e469
    Image:          nginx
    Image ID:       docker-pullable://nginx@sha256:0b970013351304af46f322da1263516b188318682b2ab1091862497591189ff1
    Port:           <none>
    Host Port:      <none>
    State:          Running
      Started:      Tue, 27 Sep 2022 17:18:34 +0800
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:
      /var/run/secrets/kubernetes.io/serviceaccount from kube-api-access-5pnkt (ro)
Conditions:
  Type              Status
  Initialized       True
  Ready             True
  ContainersReady   True
  PodScheduled      True
Volumes:
  kube-api-access-5pnkt:
    Type:                    Projected (a volume that contains injected data from multiple sources)
    TokenExpirationSeconds:  3607
    ConfigMapName:           kube-root-ca.crt
    ConfigMapOptional:       <nil>
    DownwardAPI:             true
QoS Class:                   BestEffort
Node-Selectors:              <none>
Tolerations:                 node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
                             node.kubernetes.io/unreachable:NoExecute op=Exists for 300s
Events:                      <none>
";
    let name = "nginx-deployment-84cd76b964-rp4vh";
    assert_eq!(described(&[pod(name)], &format!("describe pod {name}")).await, expected);
    // A name may be cut short.
    assert_eq!(described(&[pod(name)], "describe pod nginx-deployment-84cd").await, expected);
}

fn event(name: &str, reason: &str, message: &str, seconds_ago: i64, count: i64) -> Value {
    let now: jiff::Timestamp = crate::fake::NOW.parse().expect("time");
    let time = |ago: i64| (now - jiff::SignedDuration::from_secs(ago)).to_string();
    json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "myjob", "namespace": "default", "uid": "myjob"},
        "type": if reason == "Failed" { "Warning" } else { "Normal" }, "reason": reason, "message": message,
        "source": {"component": if reason == "Scheduled" { "default-scheduler" } else { "kubelet" }},
        "firstTimestamp": time(seconds_ago), "lastTimestamp": time(seconds_ago / count), "count": count,
    })
}

#[tokio::test]
async fn events_are_in_order_with_their_counts() {
    let expected = "\
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  3m47s              default-scheduler  Successfully assigned default/myjob to minikube-m02
  Normal   Pulled     3m43s              kubelet            Successfully pulled image \"busybox\" in 3.61558054s
  Warning  Failed     100s (x3 over 5m)  kubelet            Error: failed to start container \"hellow\"
";
    let mut pod = pod("myjob");
    pod["metadata"]["name"] = json!("myjob");
    let objects = [
        pod,
        event("c", "Failed", "Error: failed to start container \"hellow\"\n", 300, 3),
        event("b", "Pulled", "Successfully pulled image \"busybox\" in 3.61558054s", 223, 1),
        event("a", "Scheduled", "Successfully assigned default/myjob to minikube-m02", 227, 1),
    ];
    let text = described(&objects, "describe pod myjob").await;
    assert_eq!(&text[text.find("Events:").expect("events")..], expected);
}

#[tokio::test]
async fn a_node_is_described_with_its_pods() {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "minikube", "creationTimestamp": "2022-09-27T09:17:09Z",
            "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"],
            "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}]},
        "status": {"capacity": {"cpu": "2", "memory": "4Gi", "pods": "110"},
            "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"},
            "addresses": [{"type": "InternalIP", "address": "192.168.49.2"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready",
                "lastHeartbeatTime": "2022-09-28T09:17:00Z", "lastTransitionTime": "2022-09-27T09:17:19Z"}],
            "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian GNU/Linux 13"}},
    });
    let mut busy = pod("busy");
    busy["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}});
    busy["spec"]["initContainers"] = json!([{"name": "i", "resources": {"requests": {"cpu": "1"}}}]);
    let mut finished = pod("finished");
    finished["status"]["phase"] = json!("Succeeded");
    let text = described(&[node, busy, finished, pod("idle")], "describe node minikube").await;
    for part in [
        "Name:               minikube\nRoles:              control-plane\n",
        "Taints:             a:NoExecute\n                    k=v:NoSchedule\nUnschedulable:      false\n",
        "  Type    Status  LastHeartbeatTime                 LastTransitionTime                Reason         Message\n",
        "  Ready   True    Wed, 28 Sep 2022 17:17:00 +0800   Tue, 27 Sep 2022 17:17:19 +0800   KubeletReady   ready\n",
        "Capacity:\n  cpu:     2\n  memory:  4Gi\n  pods:    110\n",
        "PodCIDR:                      10.244.0.0/24\n",
        "Non-terminated Pods:          (2 in total)\n",
        "  Namespace                   Name    CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age\n",
        "  default                     busy    1 (50%)       1 (50%)     1Gi (25%)        1Gi (25%)      23h\n",
        "  default                     idle    0 (0%)        0 (0%)      0 (0%)           0 (0%)         23h\n",
        "  Resource           Requests   Limits\n",
        "  cpu                1 (50%)    1 (50%)\n",
        "Events:              <none>\n",
    ] {
        assert!(text.contains(part), "{part}in\n{text}");
    }
}

#[tokio::test]
async fn other_kinds_are_described_too() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x",
        "labels": {"kubernetes.io/metadata.name": "x"}}, "status": {"phase": "Active"}});
    let expected = "\
Name:         x
Labels:       kubernetes.io/metadata.name=x
Annotations:  <none>
Status:       Active

No resource quota.

No LimitRange resource.
";
    assert_eq!(described(&[namespace], "describe ns x").await, expected);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"},
        "data": {"key": "one\ntwo"}});
    let text = described(&[map], "describe cm c").await;
    assert!(text.contains("\nData\n====\nkey:\n----\none\ntwo\n\n"), "{text}");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"},
        "type": "Opaque", "data": {"password": "c2VjcmV0"}});
    let text = described(&[secret], "describe secret s").await;
    assert!(text.contains("Type:  Opaque\n\nData\n====\npassword:  6 bytes\n"), "{text}");
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "l", "namespace": "default", "uid": "u"}, "spec": {"leaseDurationSeconds": 15}});
    let text = described(&[lease], "describe lease l").await;
    assert!(text.contains("API Version:  coordination.k8s.io/v1\n"), "{text}");
    assert!(text.contains("Spec:\n  Lease Duration Seconds:  15\n"), "{text}");
}
