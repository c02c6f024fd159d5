//! Endpoints: the addresses behind a service, in the older form.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use serde_json::{Value, json};

/// Row of Endpoints.
pub static ROW: KindRow = KindRow {
    kind: "Endpoints",
    plural: "endpoints",
    singular: "endpoints",
    short_names: &["ep"],
    columns: &[NAME, text("Endpoints"), AGE],
    cells: |o, now| vec![cells::name(o), json!(addresses(o)), cells::age(o, now)],
    ..PLAIN
};

/// Most addresses that are listed.
const ADDRESSES_LIMIT: usize = 3;

/// `10.1.1.1:80,10.1.1.2:80 + 4 more...`
fn addresses(endpoints: &Value) -> String {
    let Some(subsets) = endpoints["subsets"].as_array().filter(|subsets| !subsets.is_empty()) else {
        return "<none>".to_owned();
    };
    let mut all = Vec::new();
    for subset in subsets {
        let addresses = || cells::list(&subset["addresses"]).map(|a| cells::string(&a["ip"]));
        let ports: Vec<i64> = cells::list(&subset["ports"]).map(|p| cells::number(&p["port"])).collect();
        if ports.is_empty() {
            all.extend(addresses());
        }
        for port in ports {
            all.extend(
                addresses().map(|ip| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }),
            );
        }
    }
    let more = all.len().saturating_sub(ADDRESSES_LIMIT);
    all.truncate(ADDRESSES_LIMIT);
    let shown = all.join(",");
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_addresses_are_listed_and_many_are_counted() {
        let subset = |ips: &[&str], ports: &[i64]| {
            let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
            let ports: Vec<Value> = ports.iter().map(|port| json!({"port": port})).collect();
            json!({"addresses": addresses, "ports": ports})
        };
        for (subsets, expected) in [
            (json!([]), "<none>"),
            (json!([subset(&["10.0.0.1"], &[80, 443])]), "10.0.0.1:80,10.0.0.1:443"),
            (json!([subset(&["10.0.0.1", "::1"], &[])]), "10.0.0.1,::1"),
            (json!([subset(&["::1"], &[80])]), "[::1]:80"),
            (json!([subset(&["a", "b"], &[1]), subset(&["c", "d"], &[2])]), "a:1,b:1,c:2 + 1 more..."),
        ] {
            assert_eq!(addresses(&json!({"subsets": subsets})), expected);
        }
    }
}
