//! A cluster of real processes for one test: made by `kubus up`, driven by `kubus`, gone when the test ends.

use crate::https::Https;
use kubus_client::{Bus, Credentials};
use kubus_proto::request::Method;
use kubus_proto::server_status::{STATUS_PATH, ServerStatus};
use kubus_proto::{ApiRequest, codec};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);
/// Homes of tests are named so, with the process id of the test.
const HOME_PREFIX: &str = "kubus-test-";

/// A running cluster.
pub struct Cluster {
    home: PathBuf,
}

/// A folder that a test's clusters and files live in, removed with whatever is left of dead tests.
fn new_home() -> PathBuf {
    remove_leftovers();
    let id = uuid::Uuid::new_v4().simple().to_string();
    std::env::temp_dir().join(format!("{HOME_PREFIX}{}-{}", std::process::id(), &id[..6]))
}

/// Takes down what tests left that were killed before they could.
fn remove_leftovers() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(id) = name.strip_prefix(HOME_PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok())
        else {
            continue;
        };
        if !Path::new(&format!("/proc/{id}")).exists() {
            eprintln!("removing {name}, left by a test that was killed");
            let _ = command(&entry.path(), &["down", "--purge"]).output();
        }
    }
}

/// A program of ours, built before the tests run: beside the caller, or (for a test) one folder above.
pub fn program(name: &str) -> PathBuf {
    let caller = std::env::current_exe().expect("a program has a path");
    let found = caller.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built beside {}; run: cargo xtask test", caller.display()))
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("kubus"));
    command.args(arguments).env("KUBUS_HOME", home).env_remove("KUBUS_SERVER").stdin(Stdio::null());
    command
}

/// Held while a cluster of this process begins.
static BEGINNING: std::sync::Mutex<()> = std::sync::Mutex::new(());

impl Cluster {
    /// Starts a cluster with `kubus up` and these arguments.
    pub fn up(arguments: &[&str]) -> Self {
        Self::up_prepared(|_| (), arguments)
    }

    /// The same, in a home that `prepare` does something to before.
    pub fn up_prepared(prepare: impl FnOnce(&Path), arguments: &[&str]) -> Self {
        let cluster = Self { home: new_home() };
        prepare(&cluster.home);
        // Tests run beside each other: none may take the port that everyone expects.
        let mut all = vec!["up", "--gateway-port", "0"];
        all.extend(arguments);
        // Free ports are looked for before they are taken; two clusters that begin at once would find the same ones.
        let turn = BEGINNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let output = cluster.kubus(&all);
        drop(turn);
        assert!(output.status.success(), "kubus {all:?}:\n{}\n{}", text(&output.stderr), cluster.logs());
        cluster
    }

    /// Its home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs `kubus` with arguments.
    pub fn kubus(&self, arguments: &[&str]) -> Output {
        command(&self.home, arguments).output().expect("kubus runs")
    }

    /// `kubus` as a command to add to.
    pub fn command(&self, arguments: &[&str]) -> Command {
        command(&self.home, arguments)
    }

    /// Runs a line such as `kubus get pods -o wide` and gives its standard output; fails the test where it fails.
    pub fn run(&self, line: &str) -> String {
        let output = self.kubus(&words(line));
        assert!(output.status.success(), "{line}\n{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a line that must fail and gives its standard error.
    pub fn fails(&self, line: &str) -> String {
        let output = self.kubus(&words(line));
        assert!(!output.status.success(), "{line} must fail but said:\n{}", text(&output.stdout));
        text(&output.stderr)
    }

    /// Writes a manifest into the home and gives its path.
    pub fn manifest(&self, name: &str, content: &str) -> String {
        let path = self.home.join(name);
        std::fs::write(&path, content).expect("a manifest can be written");
        path.display().to_string()
    }

    /// Waits until `probe` gives something.
    pub fn wait<T>(&self, what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = probe() {
                return found;
            }
            if Instant::now() >= deadline {
                let state = ["get pods -A -o wide", "get nodes", "get events"]
                    .map(|line| text(&self.kubus(&words(line)).stdout));
                panic!("not within {limit:?}: {what}\n{}\n{}", state.join("\n"), self.logs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the output of a line satisfies `done`, and gives it.
    pub fn wait_for(&self, line: &str, limit: Duration, done: impl Fn(&str) -> bool) -> String {
        self.wait(line, limit, || {
            let output = self.kubus(&words(line));
            let out = text(&output.stdout);
            (output.status.success() && done(&out)).then_some(out)
        })
    }

    /// An object or list as JSON.
    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.run(&format!("{line} -o json"))).expect("kubus prints JSON")
    }

    /// A connection of the admin user.
    pub async fn bus(&self) -> Bus {
        let credentials = Credentials::load(&self.home.join("credentials/admin.json")).expect("credentials");
        Bus::connect(&credentials).await.expect("the bus is there")
    }

    /// Ids of this cluster's containers that run (with `all`, of those that ended too), as Docker knows them; `labels`
    /// (`io.kubernetes.pod.name=web`) narrow them.
    pub fn containers(&self, all: bool, labels: &[&str]) -> Vec<String> {
        let spec = std::fs::read(self.home.join("cluster.json")).expect("the cluster's spec");
        let spec: Value = serde_json::from_slice(&spec).expect("JSON");
        let mut docker = Command::new("docker");
        docker.args(["ps", "--quiet", "--no-trunc"]);
        if all {
            docker.arg("--all");
        }
        let own = format!("kubus.cluster={}", spec["id"].as_str().expect("an id"));
        for label in labels.iter().copied().chain([own.as_str()]) {
            docker.args(["--filter", &format!("label={label}")]);
        }
        let mut ids: Vec<String> =
            text(&docker.output().expect("docker runs").stdout).lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }

    /// What kubectl and client libraries read.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.join("kubeconfig")
    }

    /// A client of gateway `number` (from 1) that shows the admin user's certificate.
    pub fn https(&self, number: usize) -> Https {
        Https::new(self, number)
    }

    /// Port of gateway `number` (from 1).
    pub fn gateway_port(&self, number: usize) -> u16 {
        let spec = std::fs::read(self.home.join("cluster.json")).expect("the cluster's spec");
        let spec: Value = serde_json::from_slice(&spec).expect("JSON");
        spec["gateways"][number - 1].as_u64().and_then(|port| port.try_into().ok()).expect("a gateway")
    }

    /// Process id of one process.
    pub fn pid(&self, process: &str) -> i32 {
        let text = std::fs::read_to_string(self.home.join("run").join(format!("{process}.pid"))).expect("a pid file");
        text.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a process id")
    }

    /// Sends a signal to a process.
    pub fn signal(&self, process: &str, signal: Signal) {
        kill(Pid::from_raw(self.pid(process)), signal).expect("the process can be signalled");
    }

    /// Names of the running apiservers' processes are `apiserver-<id>`: this is the leader's id.
    pub async fn leader(&self, bus: &Bus) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Ok(response) = bus.request(ApiRequest::new(Method::Get, STATUS_PATH)).await
                && let Ok(status) = codec::decode::<ServerStatus>(&response.body)
                && let Some(leader) = status.leader
            {
                return leader;
            }
            tokio::time::sleep(POLL).await;
        }
        panic!("no leader\n{}", self.logs());
    }

    /// The end of every process' log.
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(self.home.join("logs")).into_iter().flatten().flatten() {
            let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(8)..].join("\n");
            all.push_str(&format!("--- {}\n{tail}\n", entry.file_name().to_string_lossy()));
        }
        all
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let output = self.kubus(&["down", "--purge"]);
        if !output.status.success() && !std::thread::panicking() {
            panic!("kubus down --purge: {}", text(&output.stderr));
        }
    }
}

/// Bytes of a program's output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The words of a line, without a leading `kubus` or `kubectl`; single quotes hold a word together.
fn words(line: &str) -> Vec<&str> {
    let mut all = Vec::new();
    for (i, part) in line.split('\'').enumerate() {
        if i % 2 == 1 { all.push(part) } else { all.extend(part.split_whitespace()) }
    }
    if matches!(all.first(), Some(&"kubus" | &"kubectl")) {
        all.remove(0);
    }
    all
}
