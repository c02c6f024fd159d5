//! Ports of a node that pods take for themselves (`hostPort`).

use crate::resources::is_sidecar;
use k8s_openapi::api::core::v1::PodSpec;

/// The address that stands for every address of the node.
const ANY_ADDRESS: &str = "0.0.0.0";

/// One port of one protocol on one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Address; `0.0.0.0` is all of them.
    pub address: Box<str>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Box<str>,
    /// Port number.
    pub port: i32,
}

impl HostPort {
    /// All that the app containers and sidecars of a pod take.
    pub fn of(spec: &PodSpec) -> Vec<Self> {
        let sidecars = spec.init_containers.iter().flatten().filter(|c| is_sidecar(c));
        let ports = spec.containers.iter().chain(sidecars).flat_map(|c| c.ports.iter().flatten());
        let text = |given: &Option<String>, default: &str| -> Box<str> {
            given.as_deref().filter(|t| !t.is_empty()).unwrap_or(default).into()
        };
        ports
            .filter_map(|p| p.host_port.filter(|port| *port > 0).map(|port| (p, port)))
            .map(|(p, port)| Self { address: text(&p.host_ip, ANY_ADDRESS), protocol: text(&p.protocol, "TCP"), port })
            .collect()
    }

    /// Whether both cannot be on one node.
    pub fn collides(&self, other: &HostPort) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.address == other.address || &*self.address == ANY_ADDRESS || &*other.address == ANY_ADDRESS)
    }
}

/// Whether any of `wanted` collides with any of `taken`.
pub fn collide(wanted: &[HostPort], taken: &[HostPort]) -> bool {
    wanted.iter().any(|w| taken.iter().any(|t| w.collides(t)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_read_and_collide_by_address_protocol_and_number() {
        let spec = json!({"containers": [{"name": "c", "ports": [
            {"containerPort": 80},
            {"containerPort": 80, "hostPort": 80},
            {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}]}]});
        let taken = HostPort::of(&serde_json::from_value(spec).expect("spec"));
        assert_eq!(taken.len(), 2);
        for (address, protocol, port, expected) in [
            ("0.0.0.0", "TCP", 80, true),
            ("10.0.0.1", "TCP", 80, true),
            ("0.0.0.0", "UDP", 80, false),
            ("0.0.0.0", "TCP", 81, false),
            ("10.0.0.2", "UDP", 53, false),
            ("10.0.0.1", "UDP", 53, true),
            ("0.0.0.0", "UDP", 53, true),
        ] {
            let wanted = HostPort { address: address.into(), protocol: protocol.into(), port };
            assert_eq!(collide(&[wanted], &taken), expected, "{address} {protocol} {port}");
        }
    }
}
