//! The first document, command by command, on real containers with three control planes and three nodes: Deployments by
//! command and by file, scaling, image updates, failover of a node, and placement by label.

use kubus_tests::transcript::assert_reads_like;
use kubus_tests::{Cluster, docker_available, images, nats_available};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

fn nginx_yml(replicas: u32, image: &str, node_selector: &str) -> String {
    format!(
        "apiVersion: apps/v1 \nkind: Deployment\nmetadata:\n  name: nginx-deployment\n  labels:\n    app: nginx\nspec:\n  \
         replicas: {replicas}\n  selector:\n    matchLabels:\n      app: nginx\n  template:\n    metadata:\n      labels:\n        \
         app: nginx\n    spec:\n{node_selector}      containers:\n      - name: nginx\n        image: {image}\n"
    )
}

/// Waits until the deployment shows `ready` of `ready` and no other pod is left.
fn settled(cluster: &Cluster, ready: u32) -> String {
    let deployment = cluster.wait_for("kubectl get deployment nginx-deployment --no-headers", SOON, |out| {
        out.split_whitespace().nth(1) == Some(&format!("{ready}/{ready}"))
    });
    cluster.wait_for("kubectl get pod --no-headers", SOON, |out| {
        out.lines().count() == ready as usize && out.lines().all(|line| line.contains("Running"))
    });
    deployment
}

fn pods_by_node(cluster: &Cluster) -> Vec<(String, String, String)> {
    let out = cluster.run("kubectl get pod -o wide --no-headers");
    out.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let node = words[words.len() - 3];
            (words[0].to_owned(), words[2].to_owned(), node.to_owned())
        })
        .collect()
}

#[test]
fn the_first_document_runs_word_for_word() {
    if !docker_available() || !nats_available() {
        return;
    }
    images::ensure();
    let cluster = Cluster::up(&["--control-planes", "3", "--nodes", "3", "--node-grace-ms", "4000"]);
    deployment_by_command(&cluster);
    deployment_by_file(&cluster);
    scaling_and_images(&cluster);
    rollout_history(&cluster);
    failover(&cluster);
    placement_by_label(&cluster);
    nothing_is_left(&cluster);
}

fn deployment_by_command(cluster: &Cluster) {
    assert_reads_like(
        "deployment.apps/nginx-deployment created",
        &cluster.run("kubectl create deployment nginx-deployment --image=nginx --replicas=2"),
    );
    settled(cluster, 2);
    assert_reads_like(
        "NAME               READY   UP-TO-DATE   AVAILABLE   AGE\n\
         nginx-deployment   2/2     2            2           {age}",
        &cluster.run("kubectl get deployment nginx-deployment"),
    );
    assert_reads_like(
        "Name:                   nginx-deployment\n\
         Namespace:              default\n\
         CreationTimestamp:      {any}\n\
         Labels:                 app=nginx-deployment\n\
         Annotations:            deployment.kubernetes.io/revision: 1\n\
         Selector:               app=nginx-deployment\n\
         Replicas:               2 desired | 2 updated | 2 total | 2 available | 0 unavailable\n\
         StrategyType:           RollingUpdate\n\
         MinReadySeconds:        0\n\
         RollingUpdateStrategy:  25% max unavailable, 25% max surge\n\
         Pod Template:\n  Labels:  app=nginx-deployment\n  Containers:\n   nginx:\n    Image:         nginx\n    \
         Port:          <none>\n    Host Port:     <none>\n    Environment:   <none>\n    Mounts:        <none>\n  \
         Volumes:         <none>\n\
         Conditions:\n  Type           Status  Reason\n  ----           ------  ------\n  \
         Available      True    MinimumReplicasAvailable\n  Progressing    True    NewReplicaSetAvailable\n\
         OldReplicaSets:  <none>\n\
         NewReplicaSet:   nginx-deployment-{hash} (2/2 replicas created)\n\
         Events:\n  Type    Reason             Age   From                   Message\n  \
         ----    ------             ----  ----                   -------\n  \
         Normal  ScalingReplicaSet  {age}    deployment-controller  Scaled up replica set nginx-deployment-{hash} from 0 to 2",
        &cluster.run("kubectl describe deployment nginx-deployment"),
    );
    assert_reads_like(
        "NAME                          DESIRED   CURRENT   READY   AGE\nnginx-deployment-{hash}   2   2   2   {age}",
        &cluster.run("kubectl get rs"),
    );
    // The names of children are their parents' names with a suffix.
    let set = cluster.run("kubectl get replicaset -o name").trim().trim_start_matches("replicaset.apps/").to_owned();
    let pods = cluster.run("kubectl get pod");
    assert_reads_like(
        &format!(
            "NAME READY STATUS RESTARTS AGE\n{set}-{{suffix}} 1/1 Running 0 {{age}}\n{set}-{{suffix}} 1/1 Running 0 {{age}}"
        ),
        &pods,
    );
    let described = cluster.run(&format!("kubectl describe replicaset {set}"));
    for part in [
        "Selector:       app=nginx-deployment,pod-template-hash=",
        "Annotations:    deployment.kubernetes.io/desired-replicas: 2\n                deployment.kubernetes.io/max-replicas: 3\n                deployment.kubernetes.io/revision: 1",
        "Controlled By:  Deployment/nginx-deployment",
        "Replicas:       2 current / 2 desired",
        "Pods Status:    2 Running / 0 Waiting / 0 Succeeded / 0 Failed",
    ] {
        assert!(described.contains(part), "{part}\nin\n{described}");
    }
    let pod = pods.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a pod").to_owned();
    let described = cluster.run(&format!("kubectl describe pod {pod}"));
    for part in [
        &format!("Controlled By:  ReplicaSet/{set}"),
        "Container ID:   docker://",
        "Image:          nginx",
        "State:          Running",
        "Restart Count:  0",
        "QoS Class:                   BestEffort",
        "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s",
        "Successfully assigned default/",
    ] {
        assert!(described.contains(part), "{part}\nin\n{described}");
    }
    assert_reads_like(
        "deployment.apps \"nginx-deployment\" deleted",
        &cluster.run("kubectl delete deployment nginx-deployment"),
    );
    cluster.wait_for("kubectl get pod --no-headers", SOON, str::is_empty);
}

fn deployment_by_file(cluster: &Cluster) {
    let file = cluster.manifest("nginx.yml", &nginx_yml(3, "nginx:1.14.2", ""));
    let apply = format!("kubectl apply -f {file}");
    assert_reads_like("deployment.apps/nginx-deployment created", &cluster.run(&apply));
    assert_reads_like("deployment.apps/nginx-deployment unchanged", &cluster.run(&apply));
    settled(cluster, 3);
    assert_reads_like(
        "NAME READY UP-TO-DATE AVAILABLE AGE\nnginx-deployment 3/3 3 3 {age}",
        &cluster.run("kubectl get deployment"),
    );
    assert_reads_like(
        "deployment.apps \"nginx-deployment\" deleted",
        &cluster.run(&format!("kubectl delete -f {file}")),
    );
    assert_reads_like("deployment.apps/nginx-deployment created", &cluster.run(&apply));
    cluster.manifest("nginx.yml", &nginx_yml(5, "nginx:1.14.2", ""));
    assert_reads_like("deployment.apps/nginx-deployment configured", &cluster.run(&apply));
    settled(cluster, 5);
}

fn scaling_and_images(cluster: &Cluster) {
    for replicas in [10, 2, 5] {
        assert_reads_like(
            "deployment.apps/nginx-deployment scaled",
            &cluster.run(&format!("kubectl scale deployment/nginx-deployment --replicas={replicas}")),
        );
        settled(cluster, replicas);
    }
    let edit = cluster
        .command(&["edit", "deployment/nginx-deployment"])
        .env("KUBE_EDITOR", "sed -i 's/replicas: 5/replicas: 4/'")
        .output();
    assert_reads_like(
        "deployment.apps/nginx-deployment edited",
        &kubus_tests::cluster::text(&edit.expect("kubus runs").stdout),
    );
    settled(cluster, 4);
    cluster.run("kubectl scale deployment/nginx-deployment --replicas=5");
    settled(cluster, 5);
    assert_reads_like(
        "deployment.apps/nginx-deployment image updated",
        &cluster.run("kubectl set image deployment/nginx-deployment nginx=nginx:1.16.1"),
    );
    cluster.run("kubectl rollout status deployment/nginx-deployment --timeout=60s");
    settled(cluster, 5);
    let images = cluster.run("kubectl get pod -o 'jsonpath={.items[*].spec.containers[*].image}'");
    assert_eq!(images.split_whitespace().collect::<Vec<_>>(), ["nginx:1.16.1"; 5]);
    let sets = cluster.run("kubectl get rs --no-headers");
    assert_eq!(sets.lines().count(), 2, "the old replica set is kept for undo:\n{sets}");
}

fn rollout_history(cluster: &Cluster) {
    assert_reads_like(
        "deployment.apps/nginx-deployment\nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>",
        &cluster.run("kubectl rollout history deployment/nginx-deployment"),
    );
    assert_reads_like(
        "deployment.apps/nginx-deployment rolled back",
        &cluster.run("kubectl rollout undo deployment/nginx-deployment"),
    );
    cluster.run("kubectl rollout status deployment/nginx-deployment --timeout=60s");
    settled(cluster, 5);
    let image =
        cluster.run("kubectl get deployment nginx-deployment -o 'jsonpath={.spec.template.spec.containers[0].image}'");
    assert_eq!(image, "nginx:1.14.2");
}

fn failover(cluster: &Cluster) {
    // A Kubernetes pod tolerates a lost node for 300 s; the story waits "some time", the test takes 2 s.
    let tolerations: String = ["unreachable", "not-ready"]
        .map(|taint| {
            format!(
                "      - key: node.kubernetes.io/{taint}\n        operator: Exists\n        effect: NoExecute\n        tolerationSeconds: 2\n"
            )
        })
        .concat();
    let file =
        cluster.manifest("nginx.yml", &nginx_yml(5, "nginx:1.14.2", &format!("      tolerations:\n{tolerations}")));
    cluster.run(&format!("kubectl apply -f {file}"));
    cluster.run("kubectl rollout status deployment/nginx-deployment --timeout=90s");
    settled(cluster, 5);
    let before = pods_by_node(cluster);
    let lost = "kubus-m03";
    let on_lost: Vec<_> = before.iter().filter(|(.., node)| node == lost).map(|(pod, ..)| pod.clone()).collect();
    assert!(!on_lost.is_empty(), "spread over the nodes: {before:?}");

    // The agent and its containers are killed: no goodbye.
    cluster.signal(&format!("nodeagent-{lost}"), nix::sys::signal::Signal::SIGKILL);
    let node = format!("kubus.node={lost}");
    let ids = cluster.containers(false, &[&node]);
    assert!(!ids.is_empty(), "the lost node has containers");
    std::process::Command::new("docker").arg("kill").args(ids).output().expect("docker runs");

    cluster.wait_for("kubectl get node --no-headers", SOON, |out| {
        out.lines().any(|line| line.starts_with(lost) && line.contains("NotReady"))
    });
    cluster.wait("pods of the lost node terminate and are replaced", SOON, || {
        let pods = pods_by_node(cluster);
        let running = pods.iter().filter(|(_, status, node)| status == "Running" && node != lost).count();
        let terminating =
            pods.iter().filter(|(pod, status, _)| status == "Terminating" && on_lost.contains(pod)).count();
        (running == 5 && terminating == on_lost.len()).then_some(())
    });
    let survivors: Vec<_> = pods_by_node(cluster).into_iter().filter(|(.., node)| node != lost).collect();

    cluster.run(&format!("kubus node start {lost}"));
    cluster.wait("the stale pods are gone", SOON, || {
        pods_by_node(cluster).iter().all(|(pod, ..)| !on_lost.contains(pod)).then_some(())
    });
    assert_eq!(pods_by_node(cluster), survivors, "pods that run elsewhere are not moved back");
    cluster.wait("no container of the stale pods is left", SOON, || {
        cluster.containers(true, &[&node]).is_empty().then_some(())
    });
}

fn placement_by_label(cluster: &Cluster) {
    assert_reads_like("node/kubus-m02 labeled", &cluster.run("kubectl label node kubus-m02 disktype=ssd"));
    let labels = cluster.run("kubectl get node kubus-m02 --show-labels");
    assert!(labels.contains("disktype=ssd") && labels.contains("kubernetes.io/hostname=kubus-m02"), "{labels}");
    let selector = "      nodeSelector:\n        disktype: ssd\n";
    let file = cluster.manifest("nginx.yml", &nginx_yml(5, "nginx:1.14.2", selector));
    cluster.run(&format!("kubectl apply -f {file}"));
    cluster.run("kubectl rollout status deployment/nginx-deployment --timeout=90s");
    settled(cluster, 5);
    let placed = pods_by_node(cluster);
    assert!(placed.iter().all(|(.., node)| node == "kubus-m02"), "{placed:?}");
    assert_reads_like("node/kubus-m02 labeled", &cluster.run("kubectl label node kubus-m02 disktype-"));
    assert_eq!(pods_by_node(cluster), placed, "pods that run are not moved when a label goes");
    cluster.manifest("nginx.yml", &nginx_yml(5, "nginx:1.14.2", ""));
    cluster.run(&format!("kubectl apply -f {file}"));
    cluster.run("kubectl rollout status deployment/nginx-deployment --timeout=90s");
    settled(cluster, 5);
    assert!(pods_by_node(cluster).iter().any(|(.., node)| node != "kubus-m02"));
}

fn nothing_is_left(cluster: &Cluster) {
    cluster.run("kubectl delete deployment --all");
    cluster.wait_for("kubectl get pod,rs --no-headers", SOON, str::is_empty);
    cluster.wait("no container is left", SOON, || cluster.containers(true, &[]).is_empty().then_some(()));
}
