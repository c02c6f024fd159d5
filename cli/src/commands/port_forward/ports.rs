//! Which local port leads to which port of a pod. Pure.

use crate::error::Result;
use crate::fail;
use serde_json::Value;

/// A local port and the pod's port behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// 0 for any free one.
    pub local: u16,
    /// Of the pod.
    pub remote: u16,
}

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The same as the pod's where it is not given; 0 for any free one.
    local: Option<u16>,
    /// Number or name.
    remote: String,
}

impl Wanted {
    /// Reads `REMOTE`, `LOCAL:REMOTE` or `:REMOTE`.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (local, remote) = match parts.as_slice() {
            [remote] => (None, *remote),
            ["", remote] => (Some(0), *remote),
            [local, remote] => match local.parse() {
                Ok(local) => (Some(local), *remote),
                Err(_) => fail!("error parsing local port {local:?}: it must be between 0 and 65535"),
            },
            _ => fail!("invalid port format {text:?}"),
        };
        if remote.is_empty() || remote.parse() == Ok(0) || remote.parse::<u64>().is_ok_and(|port| port > 65_535) {
            fail!("error parsing remote port {remote:?}: it must be between 1 and 65535, or a name");
        }
        Ok(Self { local, remote: remote.to_owned() })
    }

    /// The port of a pod.
    pub fn of_pod(&self, pod: &Value) -> Result<Forward> {
        let remote = match self.remote.parse() {
            Ok(number) => number,
            Err(_) => named(pod, &self.remote)?,
        };
        // Who names a port without a local one wants the number it stands for.
        Ok(Forward { local: self.local.unwrap_or(remote), remote })
    }

    /// The port of a pod behind a service's port.
    pub fn of_service(&self, service: &Value, pod: &Value) -> Result<Forward> {
        let name = service["metadata"]["name"].as_str().unwrap_or_default();
        let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let number = self.remote.parse::<u16>();
        let found = ports.find(|port| match &number {
            Ok(number) => port["port"] == *number,
            Err(_) => port["name"] == self.remote.as_str(),
        });
        let Some(found) = found else { fail!("Service {name} does not have a service port {}", self.remote) };
        let own = found["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
        let target = &found["targetPort"];
        let remote = match target.as_str().filter(|_| service["spec"]["clusterIP"] != "None") {
            Some(target) => named(pod, target)?,
            None if service["spec"]["clusterIP"] == "None" => own,
            None => target.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(own),
        };
        Ok(Forward { local: self.local.unwrap_or(own), remote })
    }
}

/// The number of a pod's port of that name.
fn named(pod: &Value, name: &str) -> Result<u16> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let found = ports.find(|port| port["name"] == name).and_then(|port| port["containerPort"].as_u64());
    match found.and_then(|port| u16::try_from(port).ok()) {
        Some(port) => Ok(port),
        None => {
            fail!("Pod '{}' does not have a named port '{name}'", pod["metadata"]["name"].as_str().unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_read_and_found() {
        let pod = json!({"metadata": {"name": "web"},
            "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}});
        let service = json!({"metadata": {"name": "s"}, "spec": {"clusterIP": "10.0.0.1", "ports": [
            {"name": "a", "port": 80, "targetPort": "http"}, {"name": "b", "port": 443, "targetPort": 8443}, {"port": 9}]}});
        let mut headless = service.clone();
        headless["spec"]["clusterIP"] = json!("None");
        let forward = |local, remote| Ok(Forward { local, remote });
        for (text, service, expected) in [
            ("80", None, forward(80, 80)),
            ("5000:80", None, forward(5000, 80)),
            (":80", None, forward(0, 80)),
            ("0:80", None, forward(0, 80)),
            ("http", None, forward(8080, 8080)),
            ("1:http", None, forward(1, 8080)),
            ("1:https", None, Err("error: Pod 'web' does not have a named port 'https'")),
            ("a:80", None, Err("error: error parsing local port \"a\": it must be between 0 and 65535")),
            ("1:2:3", None, Err("error: invalid port format \"1:2:3\"")),
            ("1:0", None, Err("error: error parsing remote port \"0\": it must be between 1 and 65535, or a name")),
            (
                "1:70000",
                None,
                Err("error: error parsing remote port \"70000\": it must be between 1 and 65535, or a name"),
            ),
            ("1:", None, Err("error: error parsing remote port \"\": it must be between 1 and 65535, or a name")),
            ("80", Some(&service), forward(80, 8080)),
            ("5000:b", Some(&service), forward(5000, 8443)),
            ("9", Some(&service), forward(9, 9)),
            ("81", Some(&service), Err("error: Service s does not have a service port 81")),
            ("80", Some(&headless), forward(80, 80)),
        ] {
            let got = Wanted::parse(text).and_then(|wanted| match service {
                Some(service) => wanted.of_service(service, &pod),
                None => wanted.of_pod(&pod),
            });
            assert_eq!(got.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{text}");
        }
    }
}
