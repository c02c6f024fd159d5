//! Ingress: ways into the cluster by host and path.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of Ingress.
pub static ROW: KindRow = KindRow {
    group: "networking.k8s.io",
    kind: "Ingress",
    plural: "ingresses",
    singular: "ingress",
    short_names: &["ing"],
    subresources: &[status("Ingress")],
    columns: &[NAME, text("Class"), text("Hosts"), text("Address"), text("Ports"), AGE],
    cells: ingress_cells,
    ..PLAIN
};

/// Most hosts that are told by name.
const HOSTS_LIMIT: usize = 3;

fn ingress_cells(ingress: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &ingress["spec"];
    let addresses: std::collections::BTreeSet<String> = cells::list(&ingress["status"]["loadBalancer"]["ingress"])
        .filter_map(|own| [&own["ip"], &own["hostname"]].map(cells::string).into_iter().find(|text| !text.is_empty()))
        .collect();
    let ports = if cells::list(&spec["tls"]).next().is_some() { "80, 443" } else { "80" };
    vec![
        cells::name(ingress),
        cells::or_none(cells::string(&spec["ingressClassName"])),
        json!(hosts(&spec["rules"])),
        json!(addresses.into_iter().collect::<Vec<_>>().join(",")),
        json!(ports),
        cells::age(ingress, now),
    ]
}

fn hosts(rules: &Value) -> String {
    let all: Vec<String> = cells::list(rules).map(|rule| cells::string(&rule["host"])).collect();
    let named: Vec<&str> = all.iter().map(String::as_str).filter(|host| !host.is_empty()).take(HOSTS_LIMIT).collect();
    if named.is_empty() {
        return "*".to_owned();
    }
    let shown = named.join(",");
    if named.len() == HOSTS_LIMIT && all.len() > HOSTS_LIMIT {
        return format!("{shown} + {} more...", all.len() - HOSTS_LIMIT);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_like_kubectl() {
        let rules = |hosts: &[&str]| json!(hosts.iter().map(|host| json!({"host": host})).collect::<Vec<_>>());
        for (spec, expected) in [
            (json!({}), ["<none>", "*", "a", "80"]),
            (json!({"ingressClassName": "c", "rules": rules(&["a", "b"]), "tls": [{}]}), ["c", "a,b", "a", "80, 443"]),
            (json!({"rules": rules(&["a", "b", "c", "d", "e"])}), ["<none>", "a,b,c + 2 more...", "a", "80"]),
        ] {
            let status = json!({"loadBalancer": {"ingress": [{"hostname": "a"}]}});
            let cells = ingress_cells(&json!({"spec": spec, "status": status}), Timestamp::UNIX_EPOCH);
            assert_eq!(cells[1..5], expected.map(|text| json!(text)));
        }
    }
}
