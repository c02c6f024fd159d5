//! Service: one address for a set of pods.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of Service.
pub static ROW: KindRow = KindRow {
    kind: "Service",
    plural: "services",
    singular: "service",
    short_names: &["svc"],
    categories: &["all"],
    subresources: &[status("Service")],
    columns: &[NAME, text("Type"), text("Cluster-IP"), text("External-IP"), text("Port(s)"), AGE, wide("Selector")],
    cells: service_cells,
    fields: |o| {
        vec![
            ("spec.clusterIP", cells::string(&o["spec"]["clusterIP"])),
            ("spec.type", cells::string(&o["spec"]["type"])),
        ]
    },
    ..PLAIN
};

fn service_cells(service: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &service["spec"];
    vec![
        cells::name(service),
        json!(cells::string(&spec["type"])),
        cells::or_none(cells::string(&spec["clusterIPs"][0])),
        json!(external(service)),
        cells::or_none(ports(&spec["ports"])),
        cells::age(service, now),
        cells::labels(&spec["selector"]),
    ]
}

/// `80/TCP,443:30443/TCP`
fn ports(ports: &Value) -> String {
    let texts = cells::list(ports).map(|port| {
        let (number, protocol) = (cells::number(&port["port"]), cells::string(&port["protocol"]));
        match cells::number(&port["nodePort"]) {
            0 => format!("{number}/{protocol}"),
            node => format!("{number}:{node}/{protocol}"),
        }
    });
    texts.collect::<Vec<_>>().join(",")
}

/// Where the service is reached from outside.
fn external(service: &Value) -> String {
    let spec = &service["spec"];
    let mut own: Vec<String> = cells::list(&spec["externalIPs"]).map(cells::string).collect();
    let kind = spec["type"].as_str().unwrap_or_default();
    if kind == "LoadBalancer" {
        let given = cells::list(&service["status"]["loadBalancer"]["ingress"]).map(|ingress| {
            let ip = cells::string(&ingress["ip"]);
            if ip.is_empty() { cells::string(&ingress["hostname"]) } else { ip }
        });
        let mut all: Vec<String> = given.filter(|text| !text.is_empty()).collect();
        all.sort();
        all.dedup();
        all.append(&mut own);
        own = all;
    }
    match (kind, own.is_empty()) {
        ("ExternalName", _) => cells::string(&spec["externalName"]),
        ("ClusterIP" | "NodePort" | "LoadBalancer", false) => own.join(","),
        ("ClusterIP" | "NodePort", true) => "<none>".to_owned(),
        ("LoadBalancer", true) => "<pending>".to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_like_kubectls() {
        let now = Timestamp::UNIX_EPOCH;
        let balanced = json!({"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "a.b"}]}});
        for (spec, status, expected) in [
            (
                json!({"type": "ClusterIP", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "protocol": "TCP"}],
                    "selector": {"b": "c", "a": "b"}}),
                json!({}),
                ["ClusterIP", "10.0.0.1", "<none>", "80/TCP", "a=b,b=c"],
            ),
            (
                json!({"type": "NodePort", "clusterIPs": ["10.0.0.1"], "externalIPs": ["1.1.1.1"],
                    "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}),
                json!({}),
                ["NodePort", "10.0.0.1", "1.1.1.1", "80:30080/TCP,53/UDP", "<none>"],
            ),
            (
                json!({"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"]}),
                json!({}),
                ["LoadBalancer", "10.0.0.1", "<pending>", "<none>", "<none>"],
            ),
            (
                json!({"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"], "externalIPs": ["1.1.1.1"]}),
                balanced,
                ["LoadBalancer", "10.0.0.1", "2.2.2.2,a.b,1.1.1.1", "<none>", "<none>"],
            ),
            (
                json!({"type": "ExternalName", "externalName": "example.com"}),
                json!({}),
                ["ExternalName", "<none>", "example.com", "<none>", "<none>"],
            ),
        ] {
            let service = json!({"metadata": {"name": "s"}, "spec": spec, "status": status});
            let mut cells = service_cells(&service, now);
            cells.remove(5);
            cells.remove(0);
            assert_eq!(cells, expected.map(Value::from), "{service}");
        }
    }
}
