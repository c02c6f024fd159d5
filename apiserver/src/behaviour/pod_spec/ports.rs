//! Validation of container ports, and of host ports over all containers.

use super::{problems, required_one_of, text};
use crate::behaviour::causes::{duplicate, invalid, required};
use crate::behaviour::names::{ip_address, port_name, port_number};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec};
use kubus_proto::status::Cause;
use std::collections::BTreeSet;

/// Protocols of ports.
pub const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// Ports of one container.
pub fn validate_ports(ports: &[ContainerPort], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut names = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let path = path.index(i);
        let name = text(&port.name);
        if !name.is_empty() {
            let wrong = port_name(name);
            if wrong.is_empty() && !names.insert(name) {
                causes.push(duplicate(path.field("name"), name));
            }
            problems(&path.field("name"), name, wrong, causes);
        }
        let number = |field: &str, value: i32, causes: &mut Vec<Cause>| {
            let wrong = port_number(value.into());
            causes.extend(wrong.iter().map(|problem| invalid(path.field(field), value, problem)));
        };
        match port.container_port {
            0 => causes.push(required(path.field("containerPort"), "")),
            value => number("containerPort", value, causes),
        }
        if let Some(value) = port.host_port.filter(|value| *value != 0) {
            number("hostPort", value, causes);
        }
        required_one_of(&path.field("protocol"), &port.protocol, PROTOCOLS, causes);
        if !text(&port.host_ip).is_empty() {
            problems(&path.field("hostIP"), text(&port.host_ip), ip_address(text(&port.host_ip)), causes);
        }
    }
}

/// No two of these containers may take the same host port.
pub fn validate_host_ports(containers: &[Container], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut taken = BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        for (j, port) in container.ports.iter().flatten().enumerate() {
            let Some(number) = port.host_port.filter(|number| *number != 0) else { continue };
            let key = format!("{}/{}/{number}", text(&port.protocol), text(&port.host_ip));
            if !taken.insert(key.clone()) {
                causes.push(duplicate(path.index(i).field("ports").index(j).field("hostPort"), key));
            }
        }
    }
}

/// A pod on its host's network has the ports it has.
pub fn validate_host_network(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if spec.host_network != Some(true) {
        return;
    }
    for (i, container) in spec.containers.iter().enumerate() {
        for (j, port) in container.ports.iter().flatten().enumerate() {
            let host = port.host_port.unwrap_or_default();
            if host != 0 && host != port.container_port {
                let (containers, detail) =
                    (path.field("containers"), "must match `containerPort` when `hostNetwork` is true");
                causes.push(invalid(containers.index(i).field("ports").index(j).field("hostPort"), host, detail));
            }
        }
    }
}
