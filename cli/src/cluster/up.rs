//! `kubus up`: from a spec to running processes and Ready nodes.

use super::process::{self, Process, program};
use super::progress::step;
use super::spec::{ClusterSpec, STANDBY_REPLICAS};
use super::{Home, Runtime, UpArgs, home, kubeconfig, nats, pki};
use anyhow::{Context, bail};
use kubus_client::{Bus, Credentials};
use kubus_proto::request::Method;
use kubus_proto::server_status::{STATUS_PATH, ServerStatus};
use kubus_proto::{ApiRequest, codec, subject};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// How long a new cluster may take to elect a leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long gateways may take to listen.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long nodes may take to become Ready.
const NODES_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the process of the simulated nodes may take to end before it is started with more of them.
const RESTART_GRACE: Duration = Duration::from_secs(5);
/// How often the cluster is asked how far it is.
const POLL: Duration = Duration::from_millis(25);
/// Process that holds all simulated nodes.
pub const SIM_PROCESS: &str = "nodeagent-sim";

pub async fn run(args: UpArgs, home: Home) -> anyhow::Result<()> {
    let server = nats::find_server()?;
    home.create().with_context(|| format!("cannot make {}", home.root().display()))?;
    let _lock = lock(&home)?;
    let mut spec = match ClusterSpec::load(&home)? {
        Some(spec) => spec,
        None => ClusterSpec::new(uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()),
    };
    let (nodes_before, gateways_before) = (spec.nodes.len(), spec.gateways.len());
    spec.change(&args, free_port)?;
    if spec.runtime == Runtime::Docker {
        check_docker()?;
    }
    spec.save(&home)?;
    write_configuration(&spec, &home)?;
    if spec.runtime == Runtime::Sim && spec.nodes.len() != nodes_before {
        // One process stands for all simulated nodes; it reads who they are when it starts.
        process::stop(&home, &[SIM_PROCESS.to_owned()], RESTART_GRACE)?;
    }

    let surplus: Vec<String> = (spec.gateways.len()..gateways_before).map(|i| format!("gateway-{}", i + 1)).collect();
    process::stop(&home, &surplus, RESTART_GRACE)?;

    let started = Instant::now();
    let progress = step("Starting processes");
    let mut fresh = 0;
    for process in processes(&spec, &home, server) {
        fresh += usize::from(process::start(&home, &process)?);
    }
    let count = processes(&spec, &home, "".into()).len();
    progress.done(match fresh {
        0 => format!("All {count} processes are running already"),
        _ => format!("Started {fresh} of {count} processes"),
    });
    let bus = wait_for_leader(&spec, &home).await?;
    wait_for_gateways(&spec, &home).await?;
    wait_for_nodes(&spec, &home, &bus).await?;
    mark_control_plane(&spec, &bus).await?;
    eprintln!(
        "Cluster {:?} is up after {:.1} s. Its home is {}",
        spec.name,
        started.elapsed().as_secs_f64(),
        home.root().display()
    );
    eprintln!("Next:  kubus get nodes");
    eprintln!("       kubus create deployment web --image=nginx --replicas=2");
    eprintln!("       export KUBECONFIG={}    # for kubectl, helm and client libraries", home.kubeconfig().display());
    eprintln!("       kubus down");
    Ok(())
}

/// Holds other `up`, `down` and `node` commands of the same home off.
pub fn lock(home: &Home) -> anyhow::Result<Flock<std::fs::File>> {
    let path = home.root().join("lock");
    let file = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, error)| anyhow::anyhow!("cannot lock {}: {error}", path.display()))
}

/// Writes keys and configuration, the kubeconfig among them; a bus server that runs takes a changed one at once.
pub fn write_configuration(spec: &ClusterSpec, home: &Home) -> anyhow::Result<()> {
    let keys = pki::ensure(spec, home)?;
    kubeconfig::write(spec, home)?;
    for id in 1..=spec.control_planes.len() {
        let id = u8::try_from(id)?;
        let (path, text) = (home.nats_config(id), nats::render(spec, home, id, &keys));
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            home::write_private(&path, text.as_bytes())?;
            process::signal(home, &format!("nats-{id}"), Signal::SIGHUP)?;
        }
    }
    Ok(())
}

/// Every process of the cluster, in the order of starting.
fn processes(spec: &ClusterSpec, home: &Home, nats_server: std::path::PathBuf) -> Vec<Process> {
    let text = |path: std::path::PathBuf| path.display().to_string();
    let ours = |name: &str, binary: &str, identity: &str, more: Vec<String>| {
        let mut arguments = vec!["--credentials".to_owned(), text(home.credentials(identity))];
        arguments.extend(more);
        Process { name: name.to_owned(), program: program(binary), arguments }
    };
    let mut all = Vec::new();
    for id in 1..=spec.control_planes.len() {
        let arguments = vec!["-c".to_owned(), text(home.nats_config(u8::try_from(id).unwrap_or(u8::MAX)))];
        all.push(Process { name: format!("nats-{id}"), program: nats_server.clone(), arguments });
    }
    for id in 1..=spec.control_planes.len() {
        let name = format!("apiserver-{id}");
        let more = [
            ("--id", id.to_string()),
            ("--members", spec.members()),
            ("--data-dir", text(home.data(&name))),
            ("--service-account-key", text(home.pki("service-account.key"))),
        ];
        let more = more.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        all.push(ours(&name, "kubus-apiserver", &name, more));
    }
    for (position, port) in spec.gateways.iter().enumerate() {
        let name = format!("gateway-{}", position + 1);
        let arguments = [
            ("--listen", format!("127.0.0.1:{port}")),
            ("--authority", text(home.pki("ca.crt"))),
            ("--authority-key", text(home.pki("ca.key"))),
            ("--certificate", text(home.pki(&format!("{name}.crt")))),
            ("--key", text(home.pki(&format!("{name}.key")))),
        ];
        let more = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        all.push(ours(&name, "kubus-gateway", &name, more));
    }
    for i in 1..=STANDBY_REPLICAS {
        let name = format!("scheduler-{i}");
        all.push(ours(&name, "kubus-scheduler", &name, Vec::new()));
        let name = format!("controllers-{i}");
        let more = [
            ("--node-grace-ms", spec.node_grace_ms.to_string()),
            ("--cluster-signing-cert-file", text(home.pki("ca.crt"))),
            ("--cluster-signing-key-file", text(home.pki("ca.key"))),
        ];
        let more = more.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        all.push(ours(&name, "kubus-controllers", &name, more));
    }
    match spec.runtime {
        Runtime::Docker => {
            all.extend(spec.nodes.iter().filter(|n| !n.stopped).map(|n| node_process(spec, home, &n.name)))
        }
        Runtime::Sim if spec.nodes.is_empty() => {}
        Runtime::Sim => all.push(sim_process(spec, home)),
    }
    all
}

/// The agent of one node.
pub fn node_process(spec: &ClusterSpec, home: &Home, node: &str) -> Process {
    let name = format!("nodeagent-{node}");
    let text = |path: std::path::PathBuf| path.display().to_string();
    let arguments: Vec<String> = [
        ("--credentials", text(home.credentials(&subject::node_identity(node)))),
        ("--node", node.to_owned()),
        ("--runtime", "docker".to_owned()),
        ("--cluster", spec.id.clone()),
        ("--data-dir", text(home.data(&name))),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .collect();
    Process { name, program: program("kubus-nodeagent"), arguments }
}

/// All simulated nodes: the process takes each node's credentials from the folder they are all in.
fn sim_process(spec: &ClusterSpec, home: &Home) -> Process {
    let text = |path: std::path::PathBuf| path.display().to_string();
    let arguments = [
        ("--sim-credentials-dir", text(home.credentials_folder())),
        ("--runtime", "sim".to_owned()),
        ("--cluster", spec.id.clone()),
        ("--data-dir", text(home.data(SIM_PROCESS))),
    ];
    let arguments = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
    Process { name: SIM_PROCESS.to_owned(), program: program("kubus-nodeagent"), arguments }
}

/// A port nobody listens on: `preferred`, or one the system gives.
fn free_port(preferred: u16) -> u16 {
    let bind = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|l| l.local_addr()).map(|a| a.port());
    bind(preferred).or_else(|_| bind(0)).unwrap_or(preferred)
}

fn check_docker() -> anyhow::Result<()> {
    let path = std::env::var("DOCKER_HOST").ok().and_then(|h| Some(h.strip_prefix("unix://")?.to_owned()));
    let path = path.unwrap_or_else(|| "/var/run/docker.sock".to_owned());
    std::os::unix::net::UnixStream::connect(&path).map(drop).with_context(|| {
        format!("cannot reach the Docker engine at {path}; start it (systemctl start docker), or take --runtime sim")
    })
}

/// A connection of the admin user.
pub async fn connect(home: &Home) -> anyhow::Result<Bus> {
    Ok(Bus::connect(&Credentials::load(&home.credentials("admin"))?).await?)
}

async fn wait_for_leader(spec: &ClusterSpec, home: &Home) -> anyhow::Result<Bus> {
    let progress = step("Waiting for the apiservers to elect a leader");
    let deadline = Instant::now() + LEADER_TIMEOUT;
    let mut last = String::new();
    while Instant::now() < deadline {
        for id in 1..=spec.control_planes.len() {
            process::check(home, &format!("nats-{id}"))?;
            process::check(home, &format!("apiserver-{id}"))?;
        }
        match connect(home).await {
            Ok(bus) => match leader(&bus).await {
                Ok(Some(id)) => {
                    progress.done(format!("{} apiserver(s), leader is apiserver-{id}", spec.control_planes.len()));
                    return Ok(bus);
                }
                Ok(None) => last = "no leader yet".to_owned(),
                Err(error) => last = error.to_string(),
            },
            Err(error) => last = error.to_string(),
        }
        progress.update(&last);
        tokio::time::sleep(POLL).await;
    }
    bail!(
        "the apiservers have no leader after {} s ({last}); their logs are {}",
        LEADER_TIMEOUT.as_secs(),
        home.log("apiserver-1").display()
    )
}

async fn wait_for_gateways(spec: &ClusterSpec, home: &Home) -> anyhow::Result<()> {
    let progress = step(format!("Waiting for {} gateway(s)", spec.gateways.len()));
    let deadline = Instant::now() + GATEWAY_TIMEOUT;
    for (position, port) in spec.gateways.iter().enumerate() {
        let name = format!("gateway-{}", position + 1);
        loop {
            process::check(home, &name)?;
            if tokio::net::TcpStream::connect(("127.0.0.1", *port)).await.is_ok() {
                break;
            }
            if Instant::now() >= deadline {
                let (waited, log) = (GATEWAY_TIMEOUT.as_secs(), home.log(&name));
                bail!("{name} does not listen on port {port} after {waited} s; its log is {}", log.display());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    let addresses: Vec<String> = spec.gateways.iter().map(|port| format!("https://127.0.0.1:{port}")).collect();
    progress.done(format!("{} gateway(s): {}", addresses.len(), addresses.join(", ")));
    Ok(())
}

async fn leader(bus: &Bus) -> anyhow::Result<Option<u64>> {
    let response = bus.request(ApiRequest::new(Method::Get, STATUS_PATH)).await?;
    Ok(codec::decode::<ServerStatus>(&response.body)?.leader)
}

async fn wait_for_nodes(spec: &ClusterSpec, home: &Home, bus: &Bus) -> anyhow::Result<()> {
    let wanted: Vec<&str> = spec.nodes.iter().filter(|n| !n.stopped).map(|n| n.name.as_str()).collect();
    let progress = step(format!("Waiting for {} node(s)", wanted.len()));
    let deadline = Instant::now() + NODES_TIMEOUT;
    let mut missing = wanted.clone();
    while Instant::now() < deadline {
        match spec.runtime {
            Runtime::Docker => {
                for node in &wanted {
                    process::check(home, &format!("nodeagent-{node}"))?;
                }
            }
            Runtime::Sim if wanted.is_empty() => {}
            Runtime::Sim => process::check(home, SIM_PROCESS)?,
        }
        if let Ok(ready) = ready_nodes(bus).await {
            missing.retain(|name| !ready.iter().any(|r| r == name));
            if missing.is_empty() {
                progress.done(format!("{} node(s) Ready", wanted.len()));
                return Ok(());
            }
            progress.update(&format!("{} of {} Ready", wanted.len() - missing.len(), wanted.len()));
        }
        tokio::time::sleep(POLL).await;
    }
    let name = missing.first().copied().unwrap_or_default();
    bail!(
        "not Ready after {} s: {}; see {}",
        NODES_TIMEOUT.as_secs(),
        missing.join(", "),
        home.log(&format!("nodeagent-{name}")).display()
    )
}

/// Marks the first node as the control plane's, which no node may do for itself.
async fn mark_control_plane(spec: &ClusterSpec, bus: &Bus) -> anyhow::Result<()> {
    let Some(first) = spec.nodes.first().filter(|node| !node.stopped) else { return Ok(()) };
    let mut request = ApiRequest::new(Method::Patch, format!("/api/v1/nodes/{}", first.name));
    request.content_type = "application/merge-patch+json".to_owned();
    let patch = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}});
    request.body = codec::encode(&patch)?.into();
    bus.request(request).await.with_context(|| format!("cannot label node {}", first.name)).map(drop)
}

/// Names of the nodes that are Ready now.
pub async fn ready_nodes(bus: &Bus) -> anyhow::Result<Vec<String>> {
    let response = bus.request(ApiRequest::new(Method::Get, "/api/v1/nodes")).await?;
    let list: Value = codec::decode(&response.body)?;
    let is_ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let nodes = list["items"].as_array().into_iter().flatten().filter(is_ready);
    Ok(nodes.filter_map(|n| Some(n["metadata"]["name"].as_str()?.to_owned())).collect())
}
