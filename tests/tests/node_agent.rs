//! Node agents on real containers: they die and come back without restarting a container; logs and exec; restarts.

use kubus_tests::cluster::text;
use kubus_tests::transcript::assert_reads_like;
use kubus_tests::{Cluster, docker_available, images, nats_available};
use nix::sys::signal::Signal;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: two
  labels: {app: two}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: talker
    image: busybox
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", "echo hello from $GREETING; echo second line; while true; do sleep 1; done"]
    env:
    - {name: GREETING, value: talker}
  - name: quiet
    image: busybox
    imagePullPolicy: IfNotPresent
    command: ["sleep", "3600"]
    resources: {limits: {cpu: 500m, memory: 64Mi}}
---
apiVersion: v1
kind: Pod
metadata:
  name: crasher
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: busybox
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", "echo try; exit 3"]
---
apiVersion: v1
kind: Pod
metadata:
  name: once
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: busybox
    imagePullPolicy: IfNotPresent
    command: ["echo", "done"]
"#;

#[test]
fn pods_run_restart_and_outlive_their_agent() {
    if !docker_available() || !nats_available() {
        return;
    }
    images::ensure();
    let cluster = Cluster::up(&["--control-planes", "1", "--nodes", "1"]);
    let file = cluster.manifest("pods.yml", PODS);
    assert_reads_like(
        "pod/two created\npod/crasher created\npod/once created",
        &cluster.run(&format!("kubectl apply -f {file}")),
    );
    cluster.run("kubectl wait --for=condition=Ready pod/two --timeout=60s");
    cluster.wait_for("kubectl get pod once --no-headers", SOON, |out| out.contains("Completed"));
    cluster.wait_for("kubectl get pod crasher --no-headers", SOON, |out| out.contains("CrashLoopBackOff"));

    // Logs and exec.
    assert_eq!(cluster.run("kubectl logs two -c talker"), "hello from talker\nsecond line\n");
    assert_eq!(cluster.run("kubectl logs two -c talker --tail=1"), "second line\n");
    assert_eq!(cluster.run("kubectl logs once"), "done\n");
    let error = cluster.fails("kubectl logs two -c nobody");
    assert!(error.contains("nobody"), "{error}");
    cluster.wait_for("kubectl get pod crasher -o 'jsonpath={.status.containerStatuses[0].restartCount}'", SOON, |n| {
        n.trim() != "0"
    });
    assert_eq!(cluster.run("kubectl logs crasher -p"), "try\n");
    assert_eq!(
        cluster.run("kubectl exec two -c talker -- hostname").trim(),
        "two",
        "containers have the pod's host name"
    );
    let output = cluster.kubus(&["exec", "two", "-c", "quiet", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("out\n", Some(7)), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("err"));

    // The dump has what the second document's has.
    let pod = cluster.json("kubectl get pod two");
    let status = &pod["status"];
    for pointer in [
        "/hostIP",
        "/podIP",
        "/startTime",
        "/qosClass",
        "/containerStatuses/0/containerID",
        "/containerStatuses/0/imageID",
    ] {
        assert!(
            status.pointer(pointer).is_some_and(|v| v.as_str().is_some_and(|t| !t.is_empty())),
            "{pointer} in {status:#}"
        );
    }
    assert!(status["containerStatuses"][0]["containerID"].as_str().is_some_and(|id| id.starts_with("docker://")));
    assert_eq!(status["qosClass"], "Burstable");

    // The agent is killed and comes back: same containers, no restart.
    let ids = || cluster.containers(false, &["io.kubernetes.pod.name=two"]);
    let before = ids();
    assert_eq!(before.len(), 3, "a sandbox and two containers");
    cluster.signal("nodeagent-kubus", Signal::SIGKILL);
    assert!(cluster.kubus(&["up"]).status.success());
    cluster.run("kubectl wait --for=condition=Ready pod/two --timeout=60s");
    assert_eq!(ids(), before);
    let restarts = cluster.run("kubectl get pod two -o 'jsonpath={.status.containerStatuses[*].restartCount}'");
    assert_eq!(restarts.trim(), "0 0");

    // A container killed from outside is restarted.
    let talker = cluster.containers(false, &["io.kubernetes.pod.name=two", "io.kubernetes.container.name=talker"]);
    std::process::Command::new("docker").arg("kill").args(talker).output().expect("docker runs");
    cluster.wait_for("kubectl get pod two --no-headers", SOON, |out| {
        out.contains("2/2") && out.split_whitespace().nth(3) == Some("1")
    });

    cluster.run("kubectl delete pod --all");
    cluster.wait("no container is left", SOON, || cluster.containers(true, &[]).is_empty().then_some(()));
}
