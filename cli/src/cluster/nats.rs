//! The bus server: its configuration as text, and which program it is.

use super::identity::{self, Permissions};
use super::spec::ClusterSpec;
use super::{Home, Runtime};
use anyhow::{Context, bail};
use std::fmt::Write;
use std::path::PathBuf;

/// The oldest version that may run a cluster: older ones put their pings off while they send into a dead route, so a
/// route to a lost host is never noticed.
const OLDEST: (u32, u32) = (2, 10);

/// Pings without an answer after which a connection is given up: with a ping each 250 ms a dead host is noticed in under
/// a second.
const PING_MAX: u8 = 2;
/// The same where nodes are simulated: hundreds of them share one process, and when that is late for a moment, cutting
/// all its connections makes it later still.
const SIM_PING_MAX: u8 = 20;

/// The configuration of bus server `id` (from 1). `public_keys` gives each identity's public nkey.
pub fn render(spec: &ClusterSpec, home: &Home, id: u8, public_keys: &[(String, String)]) -> String {
    let ports = spec.control_planes[usize::from(id) - 1];
    let quoted = |path: PathBuf| format!("{:?}", path.display().to_string());
    let tls = format!(
        "cert_file: {}\n  key_file: {}\n  ca_file: {}\n  timeout: 5",
        quoted(home.pki("server.crt")),
        quoted(home.pki("server.key")),
        quoted(home.pki("ca.crt"))
    );
    let mut text = format!(
        "# Written by `kubus up`; changes are lost.\n\
         server_name: \"{name}-{id}\"\n\
         listen: \"127.0.0.1:{client}\"\n\
         tls {{\n  {tls}\n}}\n\
         # A dead peer is noticed within a second; the defaults are minutes.\n\
         ping_interval: \"250ms\"\n\
         ping_max: {ping_max}\n\
         write_deadline: \"2s\"\n\
         max_payload: 4MB\n\
         max_pending: 256MB\n\
         logtime: true\n\n",
        name = spec.name,
        client = ports.client,
        ping_max = match spec.runtime {
            Runtime::Docker => PING_MAX,
            Runtime::Sim => SIM_PING_MAX,
        },
    );
    if spec.control_planes.len() > 1 {
        let routes: Vec<String> =
            spec.control_planes.iter().map(|p| format!("\"nats-route://127.0.0.1:{}\"", p.route)).collect();
        let _ = write!(
            text,
            "cluster {{\n  name: \"{}\"\n  listen: \"127.0.0.1:{}\"\n  routes: [{}]\n  \
             # Only a server with a certificate of this cluster may join.\n  \
             tls {{\n  {tls}\n  verify: true\n  }}\n}}\n\n",
            spec.id,
            ports.route,
            routes.join(", ")
        );
    }
    text.push_str("authorization {\n  users: [\n");
    for (name, role) in identity::identities(spec) {
        let Some((_, key)) = public_keys.iter().find(|(n, _)| *n == name) else { continue };
        let Permissions { publish, subscribe, deny_subscribe } = identity::permissions(&name, &role);
        let list = |subjects: &[String]| subjects.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
        let deny =
            if deny_subscribe.is_empty() { String::new() } else { format!(", deny: [{}]", list(&deny_subscribe)) };
        let _ = writeln!(
            text,
            "    # {name}\n    {{ nkey: {key}, permissions: {{ publish: {{ allow: [{}] }}, subscribe: {{ allow: [{}]{deny} }} }} }}",
            list(&publish),
            list(&subscribe)
        );
    }
    text.push_str("  ]\n}\n");
    text
}

/// Finds a bus server that is new enough: `$KUBUS_NATS_SERVER`, beside this program, in `PATH`.
pub fn find_server() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf()));
    let mut places: Vec<PathBuf> = std::env::var_os("KUBUS_NATS_SERVER").map(PathBuf::from).into_iter().collect();
    places.extend(beside.iter().map(|folder| folder.join("nats-server")));
    places.extend(beside.iter().map(|folder| folder.join("../tools/nats-server")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path).map(|folder| folder.join("nats-server")));
    let Some(program) = places.into_iter().find(|p| p.is_file()) else {
        bail!(
            "nats-server is not installed; `cargo xtask up` installs it, or take version {}.{} or newer from your system and put it into PATH",
            OLDEST.0,
            OLDEST.1
        );
    };
    let output = std::process::Command::new(&program)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match version(&text) {
        Some(found) if found >= OLDEST => Ok(program),
        Some((major, minor)) => bail!(
            "{} is version {major}.{minor}, which never notices a dead route to another host; version {}.{} or newer is needed (`cargo xtask up` installs it)",
            program.display(),
            OLDEST.0,
            OLDEST.1
        ),
        None => bail!("{} does not say its version: {text:?}", program.display()),
    }
}

/// Major and minor version in `nats-server: v2.15.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (_, version) = text.trim().rsplit_once('v')?;
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::UpArgs;
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(version("nats-server: v2.9.10"), Some((2, 9)));
        assert_eq!(version("nonsense"), None);
    }

    #[test]
    fn every_identity_has_its_key_and_nobody_else_gets_in() {
        let mut spec = ClusterSpec::new("c1".into());
        let args = UpArgs { control_planes: Some(3), nodes: Some(2), ..UpArgs::default() };
        spec.change(&args, |p| p).expect("spec");
        let keys: Vec<_> =
            identity::identities(&spec).into_iter().enumerate().map(|(i, (n, _))| (n, format!("UKEY{i}"))).collect();
        let text = render(&spec, &Home::at("/h".into()), 2, &keys);
        for (name, key) in &keys {
            assert!(text.contains(&format!("# {name}\n    {{ nkey: {key},")), "{name}");
        }
        assert_eq!(text.matches("nkey:").count(), keys.len());
        assert!(text.contains("listen: \"127.0.0.1:4223\"") && text.contains("verify: true"));
        assert!(!text.contains("no_auth_user"));
    }
}
