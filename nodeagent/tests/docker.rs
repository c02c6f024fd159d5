//! Pods as real containers of the Docker engine of this host, against an API in memory. Without an engine, or without
//! a static busybox to make an image of, every test here says that it is skipped.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bollard::Docker;
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions};
use futures::{StreamExt, TryStreamExt};
use kubus_nodeagent::agent::{Agent, AgentConfig};
use kubus_nodeagent::runtime::docker::{self, DockerRuntime};
use kubus_nodeagent::runtime::{ExecSpec, LogQuery, Output, Runtime, SandboxInfo};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use support::{FakeCluster, condition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BUSYBOX: &str = "/bin/busybox";
const NODE: &str = "n1";

/// A node with a real engine; its containers and image go when it is dropped, whatever happened.
struct Host {
    docker: Docker,
    runtime: DockerRuntime,
    cluster: FakeCluster,
    dir: tempfile::TempDir,
    label: String,
    image: String,
}

impl Host {
    async fn new(test: &str) -> Option<Self> {
        let docker = match docker::connect(None).await {
            Ok(docker) => docker,
            Err(error) => {
                eprintln!("skipped: no Docker engine ({error})");
                return None;
            }
        };
        if !Path::new(BUSYBOX).exists() {
            eprintln!("skipped: no {BUSYBOX} to make an image of (Debian's busybox-static)");
            return None;
        }
        let label = format!("test-{test}-{}", std::process::id());
        let image = format!("kubus-nodeagent-{label}:1");
        import_busybox(&docker, &image).await;
        let dir = tempfile::tempdir().unwrap();
        let runtime =
            DockerRuntime::new(docker.clone(), &label, NODE, dir.path()).with_oom_floor(docker::oom::floor(None).await);
        runtime.prepare().await.unwrap();
        Some(Self { docker, runtime, cluster: FakeCluster::new(), dir, label, image })
    }

    async fn agent(&self) -> Agent {
        let config = AgentConfig {
            node: NODE.to_owned(),
            node_ip: "192.0.2.7".to_owned(),
            max_pods: 110,
            data_dir: self.dir.path().to_owned(),
            ..AgentConfig::default()
        };
        Agent::start(config, Arc::new(self.runtime.clone()), self.cluster.node(NODE)).await.unwrap()
    }

    /// A container that runs a shell script.
    fn shell(&self, name: &str, script: &str) -> Value {
        json!({"name": name, "image": self.image, "imagePullPolicy": "IfNotPresent", "command": ["/bin/sh", "-c", script],
            "terminationMessagePath": "/dev/termination-log"})
    }

    async fn logs(&self, pod: &Value, index: usize) -> String {
        let id = container_id(&pod["status"]["containerStatuses"][index]);
        let lines: Vec<_> = self.runtime.logs(&id, &LogQuery::default()).collect().await;
        let text = lines.into_iter().map(|line| match line.unwrap() {
            Output::Stdout(data) | Output::Stderr(data) => String::from_utf8_lossy(&data).into_owned(),
        });
        text.collect()
    }

    async fn kill(&self, id: &str) {
        self.runtime.signal(id, "SIGKILL").await.unwrap();
    }

    /// Waits until no container of this test is left.
    async fn empty(&self) {
        let none = async {
            while !self.runtime.list().await.unwrap().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(support::PATIENCE, none).await.expect("containers are left");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let (label, image) = (self.label.clone(), self.image.clone());
        // The test's own runtime may be unwinding: another one on another thread cleans up.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let docker = docker::connect(None).await.unwrap();
                // What the agent asked for before it was dropped may still come: until a pass finds nothing, twice.
                let mut quiet = 0;
                while quiet < 2 {
                    let found = docker::purge(&docker, &label, None).await.unwrap();
                    quiet = if found == 0 { quiet + 1 } else { 0 };
                    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                }
                let options = RemoveImageOptions { force: true, ..RemoveImageOptions::default() };
                docker.remove_image(&image, Some(options), None).await.unwrap();
            });
        });
        let cleaned = cleaning.join();
        assert!(cleaned.is_ok() || std::thread::panicking(), "the test's containers could not be removed");
    }
}

async fn import_busybox(docker: &Docker, image: &str) {
    let mut archive = tar::Builder::new(Vec::new());
    let program = std::fs::read(BUSYBOX).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    archive.append_data(&mut header, "bin/busybox", program.as_slice()).unwrap();
    for name in ["sh", "sleep", "cat", "hostname", "nc", "ip", "echo", "ls", "tail", "head", "dd", "yes", "stty"] {
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive.append_link(&mut link, format!("bin/{name}"), "busybox").unwrap();
    }
    for name in ["tmp/", "dev/"] {
        let mut directory = tar::Header::new_gnu();
        directory.set_entry_type(tar::EntryType::Directory);
        directory.set_size(0);
        directory.set_mode(0o777);
        directory.set_cksum();
        archive.append_data(&mut directory, name, std::io::empty()).unwrap();
    }
    let (repo, tag) = image.split_once(':').unwrap();
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(repo.to_owned()),
        tag: Some(tag.to_owned()),
        changes: vec!["ENV PATH=/bin".to_owned()],
        ..CreateImageOptions::default()
    };
    let body = bollard::body_full(archive.into_inner().unwrap().into());
    docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.unwrap();
}

fn container_id(status: &Value) -> String {
    status["containerID"].as_str().unwrap_or_default().trim_start_matches("docker://").to_owned()
}

fn first(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_a_pod_share_network_and_name_and_leave_nothing() {
    let Some(host) = Host::new("share").await else { return };
    let _agent = host.agent().await;
    let script = "echo hello from $ME; hostname; echo lost >&2; while :; do nc -l -p 8080 -e cat; done";
    let mut server = host.shell("server", script);
    server["env"] = json!([{"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
    server["volumeMounts"] =
        json!([{"name": "shared", "mountPath": "/shared"}, {"name": "conf", "mountPath": "/conf"}]);
    let mut client =
        host.shell("client", "until echo ping | nc 127.0.0.1 8080; do :; done > /shared/answer; exec sleep 1000");
    client["volumeMounts"] = json!([{"name": "shared", "mountPath": "/shared"}]);
    host.cluster.objects().config_maps.insert("m".into(), json!({"data": {"k": "value"}}));
    host.cluster.create_pod(
        NODE,
        "web",
        json!({
            "containers": [server, client], "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "shared", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "m"}}],
        }),
    );
    let pod = host.cluster.running("web").await;
    let status = &pod["status"];
    assert_eq!(
        (&status["phase"], &status["hostIP"], &status["qosClass"]),
        (&json!("Running"), &json!("192.0.2.7"), &json!("BestEffort"))
    );
    assert!(status["podIP"].as_str().unwrap().parse::<std::net::Ipv4Addr>().is_ok());
    for kind in ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] {
        assert_eq!(condition(&pod, kind), "True", "{kind}");
    }
    let server = first(&pod);
    assert_eq!(server["image"].as_str(), Some(host.image.as_str()));
    assert!(server["imageID"].as_str().unwrap().starts_with("docker://sha256:"), "{server}");
    let logs = async {
        loop {
            let logs = host.logs(&pod, 0).await;
            // The two streams are not in order with each other.
            if ["hello from web", "web", "lost"].iter().all(|line| logs.lines().any(|told| told == *line)) {
                return;
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, logs).await.expect("logs");
    // What the client read over the pod's loopback is in the volume both have.
    let id = container_id(server);
    let answer = async {
        loop {
            let (text, code) = exec(&host.runtime, &id, &["cat", "/shared/answer", "/conf/k"], None, false).await;
            if text.contains("ping") {
                return (text, code);
            }
        }
    };
    let answer = tokio::time::timeout(support::PATIENCE, answer).await.unwrap();
    assert_eq!(answer, ("ping\nvalue".to_owned(), Some(0)));
    let events = [("Pulled", 2), ("Created", 2), ("Started", 2)];
    for (reason, count) in events {
        host.cluster
            .wait(reason, |o| {
                let found = o.events.iter().filter(|e| e["reason"] == reason).count();
                (found == count).then_some(())
            })
            .await;
    }
    assert!(host.cluster.events("web", "Started").contains(&"Started container server".to_owned()));
    host.cluster.delete("web", 1);
    host.cluster.gone("web").await;
    host.empty().await;
    assert!(host.cluster.events("web", "Killing").len() == 2);
}

/// Runs a process and gives its output and exit code.
async fn exec(
    runtime: &DockerRuntime,
    id: &str,
    command: &[&str],
    input: Option<&str>,
    tty: bool,
) -> (String, Option<i32>) {
    let spec = ExecSpec {
        command: command.iter().map(|c| (*c).to_owned()).collect(),
        stdin: input.is_some(),
        stdout: true,
        stderr: true,
        tty,
    };
    let mut session = runtime.exec(id, &spec).await.unwrap();
    if let Some(input) = input {
        session.input.write_all(input.as_bytes()).await.unwrap();
        session.input.shutdown().await.unwrap();
    }
    let mut text = String::new();
    while let Some(item) = session.output.next().await {
        let (Output::Stdout(data) | Output::Stderr(data)) = item.unwrap();
        text.push_str(&String::from_utf8_lossy(&data));
    }
    (text, runtime.exit_code(&session.id).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_run_in_containers_with_input_terminal_and_exit_code() {
    let Some(host) = Host::new("exec").await else { return };
    let _agent = host.agent().await;
    host.cluster.create_pod(NODE, "p", json!({"containers": [host.shell("c", "exec sleep 1000")]}));
    let pod = host.cluster.running("p").await;
    let id = container_id(first(&pod));
    assert_eq!(exec(&host.runtime, &id, &["sh", "-c", "echo out; echo err >&2; exit 7"], None, false).await.1, Some(7));
    assert_eq!(exec(&host.runtime, &id, &["cat"], Some("typed"), false).await, ("typed".to_owned(), Some(0)));
    let spec = ExecSpec {
        command: vec!["sh".into(), "-c".into(), "read x; stty size; exit 3".into()],
        stdin: true,
        stdout: true,
        stderr: true,
        tty: true,
    };
    let mut session = host.runtime.exec(&id, &spec).await.unwrap();
    host.runtime.resize(&session.id, 123, 45).await.unwrap();
    session.input.write_all(b"go\n").await.unwrap();
    let mut text = String::new();
    while let Some(item) = session.output.next().await {
        let (Output::Stdout(data) | Output::Stderr(data)) = item.unwrap();
        text.push_str(&String::from_utf8_lossy(&data));
    }
    assert!(text.contains("45 123"), "{text:?}");
    assert_eq!(host.runtime.exit_code(&session.id).await.unwrap(), Some(3));
    let unknown = exec(&host.runtime, &id, &["nothing-of-that-name"], None, false).await;
    assert!(unknown.0.contains("nothing-of-that-name") && unknown.1.is_some_and(|c| c != 0), "{unknown:?}");
}

/// Whether a process with this command line runs in a container.
async fn runs(host: &Host, id: &str, command: &str) -> bool {
    let script = "for f in /proc/[0-9]*/cmdline; do cat $f; echo; done";
    let (all, _) = exec(&host.runtime, id, &["sh", "-c", script], None, false).await;
    all.lines().any(|line| line.trim_end_matches('\0').replace('\0', " ") == command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_client_has_left_is_ended() {
    let Some(host) = Host::new("abandon").await else { return };
    let _agent = host.agent().await;
    host.cluster.create_pod(NODE, "p", json!({"containers": [host.shell("c", "exec sleep 1000")]}));
    let pod = host.cluster.running("p").await;
    let id = container_id(first(&pod));
    for tty in [false, true] {
        // The shell waits for its child.
        let command = ["sh", "-c", "sleep 321; true"].map(str::to_owned).to_vec();
        let spec = ExecSpec { command, stdin: true, stdout: true, stderr: true, tty };
        let session = host.runtime.exec(&id, &spec).await.unwrap();
        let begun = async { while !runs(&host, &id, "sleep 321").await {} };
        tokio::time::timeout(support::PATIENCE, begun).await.expect("it runs");
        host.runtime.abandon(&session.id).await.unwrap();
        drop(session);
        let over = async { while runs(&host, &id, "sleep 321").await {} };
        tokio::time::timeout(support::PATIENCE, over).await.expect("it is ended");
    }
    assert!(runs(&host, &id, "sleep 1000").await, "the container's own process goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_a_terminal_may_begin_with_any_byte() {
    let Some(host) = Host::new("bytes").await else { return };
    let _agent = host.agent().await;
    let mut container = host.shell("c", r"printf '\001\000\000\000\377tail\n'; exec sleep 1000");
    container["tty"] = json!(true);
    host.cluster.create_pod(NODE, "p", json!({"containers": [container]}));
    let pod = host.cluster.running("p").await;
    let id = container_id(first(&pod));
    let (text, code) = exec(&host.runtime, &id, &["sh", "-c", r"printf '\001\000\000\000\377tail'"], None, true).await;
    assert_eq!((text.as_str(), code), ("\u{1}\0\0\0\u{fffd}tail", Some(0)));
    let query = LogQuery { tty: true, ..LogQuery::default() };
    let logged = async {
        loop {
            let items: Vec<_> = host.runtime.logs(&id, &query).collect().await;
            if !items.is_empty() {
                return items;
            }
        }
    };
    let items = tokio::time::timeout(support::PATIENCE, logged).await.expect("logs");
    let text: Vec<u8> = items
        .into_iter()
        .flat_map(|item| match item.unwrap() {
            Output::Stdout(data) | Output::Stderr(data) => data.to_vec(),
        })
        .collect();
    // A terminal ends lines with both, and Docker keeps its log as UTF-8.
    assert_eq!(String::from_utf8_lossy(&text), "\u{1}\0\0\0\u{fffd}tail\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_reached_from_inside_the_pod() {
    let Some(host) = Host::new("dial").await else { return };
    let _agent = host.agent().await;
    // It listens on the pod's loopback alone.
    let server = host.shell("c", "exec /bin/busybox httpd -f -p 127.0.0.1:8080 -h /bin");
    host.cluster.create_pod(NODE, "p", json!({"containers": [server]}));
    let pod = host.cluster.running("p").await;
    let sandbox = host.runtime.list().await.unwrap().into_iter().find(|l| l.name == "POD").unwrap();
    let sandbox = SandboxInfo { id: sandbox.id, ip: pod["status"]["podIP"].as_str().unwrap().to_owned() };
    let dialled = async {
        loop {
            if let Ok(connection) = host.runtime.dial(&sandbox, 8080).await {
                return connection;
            }
        }
    };
    let mut connection = tokio::time::timeout(support::PATIENCE, dialled).await.expect("a connection");
    connection.write_all(b"GET /nothing HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 404 "), "{answer}");
    let error = host.runtime.dial(&sandbox, 8081).await.err().unwrap().to_string();
    assert_eq!(error, "failed to connect to localhost:8081 inside the pod: Connection refused (os error 111)");
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_are_told_with_code_reason_and_message() {
    let Some(host) = Host::new("ends").await else { return };
    let _agent = host.agent().await;
    let mut greedy = host.shell("c", "x=x; while :; do x=$x$x; done");
    greedy["resources"] = json!({"limits": {"memory": "16Mi"}, "requests": {"memory": "16Mi"}});
    let mut wrong = host.shell("c", "");
    wrong["command"] = json!(["xxxx"]);
    let said = "echo the end > /dev/termination-log; exit 5";
    let mut missing = host.shell("c", "exit 0");
    missing["env"] = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}}]);
    let rows = [
        ("done", host.shell("c", "exit 0"), "Completed", 0, "Succeeded"),
        ("said", host.shell("c", said), "Error", 5, "Failed"),
        ("greedy", greedy, "OOMKilled", 137, "Failed"),
        ("wrong", wrong, "ContainerCannotRun", 127, "Failed"),
    ];
    for (name, container, ..) in &rows {
        host.cluster.create_pod(NODE, name, json!({"restartPolicy": "Never", "containers": [container]}));
    }
    host.cluster.create_pod(NODE, "missing", json!({"restartPolicy": "Never", "containers": [missing]}));
    for (name, _, reason, code, phase) in &rows {
        let pod = host.cluster.wait_pod(name, phase, |p| (p["status"]["phase"] == *phase).then(|| p.clone())).await;
        let end = &first(&pod)["state"]["terminated"];
        assert_eq!((&end["reason"], &end["exitCode"]), (&json!(reason), &json!(code)), "{name}: {end}");
        if *name == "said" {
            assert_eq!(end["message"], "the end\n");
        }
        if *name == "wrong" {
            assert!(end["message"].as_str().unwrap().contains("executable file not found in $PATH"), "{end}");
        }
    }
    let failed = host.cluster.wait("Failed event", |o| {
        let found = o.events.iter().find(|e| e["reason"] == "Failed" && e["involvedObject"]["name"] == "wrong");
        found.map(|e| e["message"].as_str().unwrap().to_owned())
    });
    let failed = failed.await;
    assert!(failed.starts_with("Error: failed to start container \"c\": Error response from daemon: "), "{failed}");
    host.cluster
        .wait_pod("missing", "CreateContainerConfigError", |p| {
            let waiting = &first(p)["state"]["waiting"];
            (waiting["reason"] == "CreateContainerConfigError" && waiting["message"] == "configmap \"none\" not found")
                .then_some(())
        })
        .await;
    host.cluster.objects().config_maps.insert("none".into(), json!({"data": {"k": "v"}}));
    host.cluster.wait_pod("missing", "Succeeded", |p| (p["status"]["phase"] == "Succeeded").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_container_restarts_at_once_and_then_backs_off() {
    let Some(host) = Host::new("crash").await else { return };
    let _agent = host.agent().await;
    host.cluster.create_pod(NODE, "p", json!({"containers": [host.shell("c", "echo again; exit 1")]}));
    let pod = host
        .cluster
        .wait_pod("p", "CrashLoopBackOff", |p| {
            (first(p)["state"]["waiting"]["reason"] == "CrashLoopBackOff").then(|| p.clone())
        })
        .await;
    assert_eq!(
        (&first(&pod)["restartCount"], &first(&pod)["lastState"]["terminated"]["exitCode"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(host.logs(&pod, 0).await, "again\n");
    let pod =
        host.cluster.wait_pod("p", "second restart", |p| (first(p)["restartCount"] == 2).then(|| p.clone())).await;
    assert_eq!(pod["status"]["phase"], "Running");
    // The last dead container stays for its logs, older ones do not.
    let listed = host.runtime.list().await.unwrap();
    assert!(listed.iter().filter(|l| l.name == "c").count() <= 2, "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_containers_run_in_order_before_the_others() {
    let Some(host) = Host::new("init").await else { return };
    let _agent = host.agent().await;
    let mount = json!([{"name": "v", "mountPath": "/v"}]);
    let with = |mut container: Value| {
        container["volumeMounts"] = mount.clone();
        container
    };
    let mut sidecar = with(host.shell("sidecar", "echo s >> /v/order; exec sleep 1000"));
    sidecar["restartPolicy"] = json!("Always");
    host.cluster.create_pod(NODE, "p", json!({
        "terminationGracePeriodSeconds": 1, "restartPolicy": "Never",
        "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": [with(host.shell("i1", "echo 1 >> /v/order")), sidecar, with(host.shell("i2", "echo 2 >> /v/order"))],
        "containers": [with(host.shell("c", "cat /v/order"))],
    }));
    let pod =
        host.cluster.wait_pod("p", "Succeeded", |p| (p["status"]["phase"] == "Succeeded").then(|| p.clone())).await;
    assert_eq!(host.logs(&pod, 0).await, "1\ns\n2\n");
    let inits = pod["status"]["initContainerStatuses"].as_array().unwrap();
    assert_eq!(inits[0]["state"]["terminated"]["reason"], "Completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_takes_over_running_pods_and_removes_stale_ones() {
    let Some(host) = Host::new("adopt").await else { return };
    let agent = host.agent().await;
    for name in ["kept", "stale", "done"] {
        let script = if name == "done" { "exit 0" } else { "exec sleep 1000" };
        let policy = if name == "done" { "Never" } else { "Always" };
        host.cluster.create_pod(
            NODE,
            name,
            json!({"terminationGracePeriodSeconds": 1, "restartPolicy": policy,
            "containers": [host.shell("c", script)]}),
        );
    }
    let before = host.cluster.running("kept").await;
    host.cluster.running("stale").await;
    host.cluster.wait_pod("done", "Succeeded", |p| (p["status"]["phase"] == "Succeeded").then_some(())).await;
    // As if killed: nothing is said, nothing is stopped.
    drop(agent);
    host.cluster.force_delete("stale");
    let agent = host.agent().await;
    let gone = async {
        while host.runtime.list().await.unwrap().iter().any(|l| l.owner.pod == "stale") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, gone).await.expect("the stale pod is removed");
    let after = host.cluster.pod("kept").unwrap();
    assert_eq!(first(&after), first(&before), "nothing of it changed");
    assert_eq!(host.cluster.pod("done").unwrap()["status"]["phase"], "Succeeded");
    // Its container is followed: killed from outside, it is started again.
    host.kill(&container_id(first(&after))).await;
    let restarted = host.cluster.wait_pod("kept", "restart", |p| {
        (first(p)["restartCount"] == 1 && condition(p, "Ready") == "True").then(|| p.clone())
    });
    let restarted = restarted.await;
    assert_eq!(first(&restarted)["lastState"]["terminated"]["exitCode"], 137);
    assert_eq!(restarted["status"]["podIP"], before["status"]["podIP"]);
    agent.leave().await;
    assert!(host.runtime.list().await.unwrap().iter().any(|l| l.running), "containers run on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_sandbox_is_made_anew_with_its_containers() {
    let Some(host) = Host::new("sandbox").await else { return };
    let _agent = host.agent().await;
    host.cluster.create_pod(
        NODE,
        "p",
        json!({"terminationGracePeriodSeconds": 1, "containers": [host.shell("c", "exec sleep 1000")]}),
    );
    let before = host.cluster.running("p").await;
    let sandbox = host.runtime.list().await.unwrap().into_iter().find(|l| l.name == "POD").unwrap();
    host.kill(&sandbox.id).await;
    let after = host
        .cluster
        .wait_pod("p", "new sandbox", |p| {
            (first(p)["restartCount"] == 1 && condition(p, "Ready") == "True").then(|| p.clone())
        })
        .await;
    assert_ne!(container_id(first(&after)), container_id(first(&before)));
    let messages = host.cluster.events("p", "SandboxChanged");
    assert_eq!(messages, ["Pod sandbox changed, it will be killed and re-created."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_makes_the_writer_wait() {
    let Some(host) = Host::new("slow").await else { return };
    let _agent = host.agent().await;
    host.cluster.create_pod(NODE, "p", json!({"containers": [host.shell("c", "exec sleep 1000")]}));
    let pod = host.cluster.running("p").await;
    let id = container_id(first(&pod));
    // A process that writes without end and counts what it wrote; nobody reads for a while.
    let script = "x=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; x=$x$x$x$x; x=$x$x$x$x; x=$x$x$x$x; x=$x$x$x$x; n=0; \
                  while echo $x; do n=$((n+1)); echo $n > /tmp/count; done";
    let spec = ExecSpec { command: vec!["sh".into(), "-c".into(), script.into()], stdout: true, ..ExecSpec::default() };
    let mut session = host.runtime.exec(&id, &spec).await.unwrap();
    session.output.next().await.unwrap().unwrap();
    let count = || async { exec(&host.runtime, &id, &["cat", "/tmp/count"], None, false).await.0 };
    let stuck = async {
        let mut last = count().await;
        let mut same = 0;
        while same < 5 {
            let now = count().await;
            same = if now == last && !now.is_empty() { same + 1 } else { 0 };
            last = now;
        }
        last
    };
    let stuck = tokio::time::timeout(support::PATIENCE, stuck).await.expect("the writer waits");
    // Reading again lets it go on.
    let goes_on = async {
        while count().await == stuck {
            session.output.next().await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(support::PATIENCE, goes_on).await.expect("the writer goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_starts_about_as_fast_as_its_containers_alone() {
    const TRIES: usize = 5;
    let Some(host) = Host::new("speed").await else { return };
    let _agent = host.agent().await;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for n in 0..TRIES {
        let name = format!("p{n}");
        let began = std::time::Instant::now();
        host.cluster.create_pod(
            NODE,
            &name,
            json!({"terminationGracePeriodSeconds": 0, "containers": [host.shell("c", "exec sleep 1000")]}),
        );
        host.cluster.running(&name).await;
        ours.push(began.elapsed());
        let began = std::time::Instant::now();
        bare_pair(&host, &name).await;
        bare.push(began.elapsed());
    }
    ours.sort();
    bare.sort();
    eprintln!("median pod start {:?}, of the same containers alone {:?}", ours[TRIES / 2], bare[TRIES / 2]);
    assert!(ours[TRIES / 2] < bare[TRIES / 2] * 3, "a pod's start is far from its containers'");
}

/// A sandbox and a container that joins it, made with nothing but the requests it takes.
async fn bare_pair(host: &Host, name: &str) {
    use bollard::models::{ContainerCreateBody, HostConfig};
    let labels = Some([("kubus.cluster".to_owned(), host.label.clone())].into());
    let start = async |body: ContainerCreateBody| {
        let id = host.docker.create_container(None, body).await.unwrap().id;
        host.docker.start_container(&id, None).await.unwrap();
        id
    };
    let sandbox = ContainerCreateBody {
        hostname: Some(name.to_owned()),
        image: Some("kubus/pause:1".to_owned()),
        entrypoint: Some(vec!["/pause".to_owned()]),
        labels: labels.clone(),
        ..ContainerCreateBody::default()
    };
    let sandbox = start(sandbox).await;
    let app = ContainerCreateBody {
        image: Some(host.image.clone()),
        entrypoint: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), "exec sleep 1000".to_owned()]),
        host_config: Some(HostConfig { network_mode: Some(format!("container:{sandbox}")), ..HostConfig::default() }),
        labels,
        ..ContainerCreateBody::default()
    };
    start(app).await;
}
