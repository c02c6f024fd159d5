//! Whom a proxy speaks to: a pod's port, or a port of one of a service's pods that are ready.

use super::{Request, bad, port};
use crate::pipeline::call::decode;
use crate::state::{Key, State};
use kubus_proto::kinds::pod;
use kubus_proto::path::ResourcePath;
use kubus_proto::proxy::ProxyTarget;
use kubus_proto::stream::Operation;
use kubus_proto::{ApiError, Reason};
use serde_json::Value;

/// Store key of the slices that list a service's endpoints.
const SLICES: &str = "discovery.k8s.io/endpointslices";
/// Label that names the service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Port where nothing names one.
const HTTP_PORT: u16 = 80;
/// Port where nothing names one, through TLS.
const HTTPS_PORT: u16 = 443;

fn target<'a>(path: &'a ResourcePath) -> Result<ProxyTarget<'a>, ApiError> {
    let what = path.row.singular;
    ProxyTarget::parse(&path.name).ok_or_else(|| bad(format!("invalid {what} request {:?}", path.name)))
}

/// A port of a pod: the one that is named, else the first that its containers have.
pub(super) fn pod(state: &State, path: &ResourcePath) -> Result<Request, ApiError> {
    let target = target(path)?;
    let key = Key::new(path.row.resource_key(), path.namespace.as_str(), target.name);
    let object = state.get(&key).ok_or_else(|| ApiError::not_found("", path.row.plural, target.name))?;
    let number = if target.port.is_empty() {
        let pod: Value = decode(&object.bytes)?;
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let first = containers.filter_map(|container| container["ports"][0]["containerPort"].as_u64()).next();
        let default = if target.https { HTTPS_PORT } else { HTTP_PORT };
        first.and_then(|port| u16::try_from(port).ok()).unwrap_or(default)
    } else {
        port(target.port)?
    };
    let operation = Some(Operation::PortForward { port: number });
    Ok(Request::of(object, path.namespace.clone(), target.name.to_owned(), operation))
}

/// A port of one of the pods behind a service; `seed` chooses among them.
pub(super) fn service(state: &State, path: &ResourcePath, seed: u64) -> Result<Request, ApiError> {
    let target = target(path)?;
    let unavailable = |message: String| ApiError::new(Reason::ServiceUnavailable, message);
    let key = Key::new(path.row.resource_key(), path.namespace.as_str(), target.name);
    let object = state.get(&key).ok_or_else(|| ApiError::not_found("", path.row.plural, target.name))?;
    let service: Value = decode(&object.bytes)?;
    let port_name = port_name(&service, target.port).map_err(unavailable)?;
    let mut found = Vec::new();
    for (_, slice) in state.list(SLICES, Some(path.namespace.as_str()), None) {
        let slice: Value = decode(&slice.bytes)?;
        if slice["metadata"]["labels"][SERVICE_NAME] == target.name {
            found.extend(ready_pods(&slice, port_name));
        }
    }
    // Slices come in the order of their names, so the seed alone decides.
    let nothing = || unavailable(format!("no endpoints available for service {:?}", path.name));
    let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let chosen = seed.checked_rem(count).and_then(|at| usize::try_from(at).ok()).ok_or_else(nothing)?;
    let (name, port) = found.swap_remove(chosen);
    let key = Key::new(pod::ROW.resource_key(), path.namespace.as_str(), name.as_str());
    let object = state.get(&key).ok_or_else(nothing)?;
    let operation = Some(Operation::PortForward { port });
    Ok(Request::of(object, path.namespace.clone(), name, operation))
}

/// The name of the service's port that is meant: by its number, by its name, or the only one.
fn port_name<'a>(service: &'a Value, asked: &'a str) -> Result<&'a str, String> {
    let ports = || service["spec"]["ports"].as_array().into_iter().flatten();
    let name = |port: &'a Value| port["name"].as_str().unwrap_or_default();
    if let Ok(number) = asked.parse::<u64>() {
        let found = ports().find(|port| port["port"] == number).map(name);
        let service = service["metadata"]["name"].as_str().unwrap_or_default();
        return found.ok_or_else(|| format!("no service port {number} found for service {service:?}"));
    }
    match (asked, ports().collect::<Vec<_>>().as_slice()) {
        ("", [only]) => Ok(name(only)),
        _ => Ok(asked),
    }
}

/// Names of the ready pods of a slice, each with the number its port of that name has.
fn ready_pods(slice: &Value, port_name: &str) -> Vec<(String, u16)> {
    let mut ports = slice["ports"].as_array().into_iter().flatten();
    let named = ports.find(|port| port["name"].as_str().unwrap_or_default() == port_name);
    let Some(number) = named.and_then(|port| port["port"].as_u64()).and_then(|port| u16::try_from(port).ok()) else {
        return Vec::new();
    };
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    // An endpoint that does not say whether it is ready is.
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
    let pods = ready.filter(|endpoint| endpoint["targetRef"]["kind"] == "Pod");
    pods.filter_map(|endpoint| Some((endpoint["targetRef"]["name"].as_str()?.to_owned(), number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_of_services_are_found_by_number_and_name() {
        let one = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
        let two = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 443}]}});
        for (service, asked, expected) in [
            (&one, "", Ok("")),
            (&one, "80", Ok("")),
            (&one, "81", Err("no service port 81 found for service \"s\"")),
            (&two, "443", Ok("b")),
            (&two, "a", Ok("a")),
            (&two, "", Ok("")),
        ] {
            assert_eq!(port_name(service, asked), expected.map_err(str::to_owned), "{asked}");
        }
    }

    #[test]
    fn only_pods_that_are_ready_are_spoken_to() {
        let pod = |name: &str, ready: Value| json!({"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}});
        let slice = json!({
            "ports": [{"name": "http", "port": 8080}, {"name": "tls", "port": 8443}],
            "endpoints": [pod("a", json!(true)), pod("b", json!(false)), pod("c", Value::Null), {"addresses": ["1.2.3.4"]}],
        });
        assert_eq!(ready_pods(&slice, "tls"), [("a".to_owned(), 8443), ("c".to_owned(), 8443)]);
        assert_eq!(ready_pods(&slice, "other"), []);
    }
}
