//! Bad input, each with a clear error and nothing changed; and pods that cannot start say why.

use kubus_tests::transcript::assert_reads_like;
use kubus_tests::{Cluster, docker_available, images, nats_available};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// Name of the file, what is in it, what must be in the error.
const REFUSED: &[(&str, &str, &[&str])] = &[
    ("broken.yml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n bad: [\n", &["broken.yml", "line"]),
    (
        "kind.yml",
        "apiVersion: apps/v1\nkind: ReplicationSet\nmetadata:\n  name: a\nspec: {}\n",
        &["no matches for kind \"ReplicationSet\" in version \"apps/v1\"", "ReplicaSet"],
    ),
    (
        "field.yml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  contaners: []\n  containers:\n  - name: c\n    image: x\n",
        &["unknown field \"spec.contaners\"", "containers"],
    ),
    (
        "type.yml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers: x\n",
        &["cannot unmarshal string", "spec.containers"],
    ),
    (
        "name.yml",
        "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec:\n  containers:\n  - name: c\n    image: x\n",
        &["name"],
    ),
    (
        "label.yml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels:\n    k: bad value!\n",
        &["metadata.labels: Invalid value: \"bad value!\""],
    ),
    (
        "selector.yml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  selector:\n    matchLabels:\n      a: b\n  template:\n    \
         metadata:\n      labels:\n        a: c\n    spec:\n      containers:\n      - name: c\n        image: x\n",
        &["spec.template.metadata.labels: Invalid value: {\"a\":\"c\"}: `selector` does not match template `labels`"],
    ),
    (
        "namespace.yml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: nowhere\n",
        &["Error from server (NotFound)", "namespaces \"nowhere\" not found"],
    ),
];

/// What is there, but for the authority's certificate, which comes to each namespace by itself.
fn objects(cluster: &Cluster) -> Vec<String> {
    let names = cluster.run("kubectl get pod,deployment,configmap -A -o name");
    names.lines().filter(|name| !name.contains("kube-root-ca.crt")).map(str::to_owned).collect()
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    if !nats_available() {
        return;
    }
    let cluster = Cluster::up(&["--control-planes", "1", "--nodes", "1", "--runtime", "sim"]);
    let before = objects(&cluster);
    for (name, content, expected) in REFUSED {
        let file = cluster.manifest(name, content);
        let error = cluster.fails(&format!("kubectl create -f {file}"));
        for part in *expected {
            assert!(error.contains(part), "{name}: {part:?} is not in:\n{error}");
        }
    }
    let large = "x".repeat(2 * 1024 * 1024);
    let file = cluster.manifest(
        "large.yml",
        &format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: {large}\n"),
    );
    let error = cluster.fails(&format!("kubectl create -f {file}"));
    assert!(
        error.contains("Too long") || error.contains("too large") || error.contains("RequestEntityTooLarge"),
        "{error}"
    );
    assert_eq!(objects(&cluster), before);

    assert_reads_like(
        "Error from server (NotFound): pods \"nope\" not found",
        &cluster.fails("kubectl delete pod nope"),
    );
    let error = cluster.fails("kubectl get nonsense");
    assert!(error.contains("the server doesn't have a resource type \"nonsense\""), "{error}");

    // A resourceVersion that is not the newest.
    let manifest = |version: &str, value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: versioned\n{version}data:\n  k: {value}\n")
    };
    let file = cluster.manifest("versioned.yml", &manifest("", "a"));
    cluster.run(&format!("kubectl create -f {file}"));
    let version = cluster.run("kubectl get configmap versioned -o 'jsonpath={.metadata.resourceVersion}'");
    cluster.run("kubectl label configmap versioned a=b");
    let file = cluster.manifest("versioned.yml", &manifest(&format!("  resourceVersion: \"{version}\"\n"), "b"));
    let error = cluster.fails(&format!("kubectl apply -f {file}"));
    assert!(error.contains("the object has been modified"), "{error}");
    assert_eq!(cluster.run("kubectl get configmap versioned -o 'jsonpath={.data.k}'"), "a");
}

#[test]
fn what_cannot_be_reached_says_what_to_do() {
    if !nats_available() {
        return;
    }
    let cluster = Cluster::up(&["--control-planes", "1", "--nodes", "0", "--runtime", "sim"]);
    let timed = |run: &dyn Fn() -> String| {
        let started = std::time::Instant::now();
        let text = run();
        assert!(started.elapsed() < Duration::from_secs(7), "{:?}: {text}", started.elapsed());
        text
    };
    let error = timed(&|| cluster.fails("kubectl get pods --server tls://127.0.0.1:1"));
    assert!(error.contains("kubus up"), "{error}");
    // Another cluster's key.
    let other = Cluster::up(&["--control-planes", "1", "--nodes", "0", "--runtime", "sim"]);
    let path = cluster.home().join("credentials/admin.json");
    let own = std::fs::read_to_string(&path).expect("credentials");
    let foreign = std::fs::read_to_string(other.home().join("credentials/admin.json")).expect("credentials");
    let (mut mixed, foreign): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&own).expect("JSON"), serde_json::from_str(&foreign).expect("JSON"));
    mixed["seed"] = foreign["seed"].clone();
    std::fs::write(&path, mixed.to_string()).expect("credentials");
    let error = timed(&|| cluster.fails("kubectl get pods"));
    assert!(error.contains("credentials"), "{error}");
    std::fs::write(&path, own).expect("credentials");
    // No leader.
    cluster.signal("apiserver-1", nix::sys::signal::Signal::SIGKILL);
    let error = timed(&|| cluster.fails("kubectl get pods"));
    assert!(error.contains("apiserver"), "{error}");
}

#[test]
fn pods_that_cannot_start_say_why() {
    if !docker_available() || !nats_available() {
        return;
    }
    images::ensure();
    let cluster = Cluster::up(&["--control-planes", "1", "--nodes", "1"]);
    let pod = |name: &str, image: &str, command: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: c\n    \
             image: {image}\n{command}"
        )
    };
    let status = |name: &str, statuses: &[&str]| {
        cluster.wait_for(&format!("kubectl get pod {name} --no-headers"), SOON, |out| {
            out.split_whitespace().nth(2).is_some_and(|s| statuses.contains(&s))
        })
    };
    let file = cluster.manifest("image.yml", &pod("image", "no-such-image:1", ""));
    cluster.run(&format!("kubectl apply -f {file}"));
    status("image", &["ErrImagePull", "ImagePullBackOff"]);
    status("image", &["ImagePullBackOff"]);
    let described = cluster.run("kubectl describe pod image");
    assert!(described.contains("Back-off pulling image \"no-such-image:1\""), "{described}");

    let file = cluster.manifest(
        "command.yml",
        &pod("command", "busybox", "    imagePullPolicy: IfNotPresent\n    command: [\"no-such-command\"]\n"),
    );
    cluster.run(&format!("kubectl apply -f {file}"));
    status("command", &["RunContainerError", "CrashLoopBackOff", "ContainerCannotRun", "StartError"]);
    let described = cluster.run("kubectl describe pod command");
    assert!(described.contains("no-such-command"), "{described}");
    cluster.run("kubectl delete pod image command --grace-period=0 --force");
    cluster.wait_for("kubectl get pod --no-headers", SOON, str::is_empty);
}
