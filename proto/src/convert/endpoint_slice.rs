//! EndpointSlice of `discovery.k8s.io/v1beta1`: node and zone are topology labels.
//! <https://kubernetes.io/docs/reference/using-api/deprecation-guide/#endpointslice-v125>

use super::{Conversion, rename};
use serde_json::{Map, Value, json};

/// EndpointSlice of the first version.
pub static SLICE_V1BETA1: Conversion = Conversion {
    to_stored: |slice| {
        for endpoint in endpoints(slice) {
            let Some(Value::Object(mut topology)) = endpoint.remove("topology") else { continue };
            for (label, field) in [(ZONE, "zone"), (HOSTNAME, "nodeName")] {
                if let Some(value) = topology.remove(label) {
                    endpoint.entry(field).or_insert(value);
                }
            }
            if !topology.is_empty() {
                endpoint.insert("deprecatedTopology".to_owned(), Value::Object(topology));
            }
        }
    },
    from_stored: |slice| {
        for endpoint in endpoints(slice) {
            rename(endpoint, "deprecatedTopology", "topology");
            let own = [(ZONE, endpoint.remove("zone")), (HOSTNAME, endpoint.get("nodeName").cloned())];
            let own: Map<String, Value> =
                own.into_iter().filter_map(|(label, value)| value.map(|value| (label.to_owned(), value))).collect();
            if own.is_empty() {
                continue;
            }
            if let Some(topology) = endpoint.entry("topology").or_insert_with(|| json!({})).as_object_mut() {
                topology.extend(own);
            }
        }
    },
    ..super::SAME
};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";

fn endpoints(slice: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    slice.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topology_becomes_fields() {
        let old = json!({"endpoints": [{"addresses": ["a"], "nodeName": "n1", "topology": {ZONE: "z", HOSTNAME: "n1", "x": "y"}}]});
        let mut slice = old.clone();
        (SLICE_V1BETA1.to_stored)(&mut slice);
        assert_eq!(
            slice,
            json!({"endpoints": [{"addresses": ["a"], "zone": "z", "nodeName": "n1", "deprecatedTopology": {"x": "y"}}]})
        );
        (SLICE_V1BETA1.from_stored)(&mut slice);
        assert_eq!(slice, old);
    }
}
