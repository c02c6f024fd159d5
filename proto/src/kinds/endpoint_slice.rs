//! EndpointSlice: a part of the addresses behind a service.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of EndpointSlice.
pub static ROW: KindRow = KindRow {
    group: "discovery.k8s.io",
    kind: "EndpointSlice",
    plural: "endpointslices",
    singular: "endpointslice",
    columns: &[NAME, text("AddressType"), text("Ports"), text("Endpoints"), AGE],
    cells: slice_cells,
    ..PLAIN
};

/// Most ports, and addresses, that are told.
const SHOWN_LIMIT: usize = 3;

fn slice_cells(slice: &Value, now: Timestamp) -> Vec<Value> {
    let ports = cells::list(&slice["ports"]).map(|port| match (&port["port"], &port["name"]) {
        (Value::Null, Value::Null) => "*".to_owned(),
        (Value::Null, name) => cells::string(name),
        (number, _) => cells::string(number),
    });
    let addresses = cells::list(&slice["endpoints"]).flat_map(|end| cells::list(&end["addresses"])).map(cells::string);
    vec![
        cells::name(slice),
        slice["addressType"].clone(),
        json!(some_of(ports.collect())),
        json!(some_of(addresses.collect())),
        cells::age(slice, now),
    ]
}

fn some_of(all: Vec<String>) -> String {
    let shown = all[..all.len().min(SHOWN_LIMIT)].join(",");
    match all.len().checked_sub(SHOWN_LIMIT) {
        Some(more) if more > 0 => format!("{shown} + {more} more..."),
        _ if shown.is_empty() => "<unset>".to_owned(),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_like_kubectl() {
        for (slice, expected) in [
            (json!({}), ["<unset>", "<unset>"]),
            (
                json!({"ports": [{"port": 80}, {"name": "x"}, {}], "endpoints": [{"addresses": ["a", "b"]}, {"addresses": ["c", "d"]}]}),
                ["80,x,*", "a,b,c + 1 more..."],
            ),
        ] {
            assert_eq!(slice_cells(&slice, Timestamp::UNIX_EPOCH)[2..4], expected.map(|text| json!(text)));
        }
    }
}
