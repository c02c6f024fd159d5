//! CSINode on its way into the store.
//! <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-node-v1/>

use super::at::At;
use super::names::{dns_subdomain, qualified_name};
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::storage::v1::CSINode;
use kubus_proto::status::Cause;
use serde_json::Value;
use std::collections::BTreeSet;

/// Behaviour of CSINode.
pub static BEHAVIOUR: Behaviour =
    Behaviour { row: &kubus_proto::kinds::csi_node::ROW, schema: schema_of!(CSINode), rules, update_rules, ..PLAIN };

/// Most characters of what a driver calls a node.
const NODE_ID_LIMIT: usize = 192;

fn rules(node: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(node, "spec");
    let drivers = spec.field("drivers");
    drivers.unique("name", causes);
    for driver in drivers.items() {
        driver.field("name").require_text(|name| dns_subdomain(&name.to_lowercase()), causes);
        let id = driver.field("nodeID");
        if id.require("", causes) && id.text().len() > NODE_ID_LIMIT {
            id.invalid(format!("must be {NODE_ID_LIMIT} characters or less"), causes);
        }
        let count = driver.field("allocatable");
        count.field("count").not_negative(causes);
        let mut seen = BTreeSet::new();
        for key in driver.field("topologyKeys").items() {
            key.require_text(qualified_name, causes);
            if !seen.insert(key.text()) {
                causes.push(super::causes::duplicate(key.path, key.text()));
            }
        }
    }
}

/// What a driver calls a node stays while the driver is there.
fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(new, "spec");
    for driver in spec.field("drivers").items() {
        let before = old["spec"]["drivers"].as_array().into_iter().flatten();
        for before in before.filter(|before| before["name"] == driver.value["name"]) {
            if ["nodeID", "topologyKeys"].iter().any(|key| driver.value[*key] != before[*key]) {
                driver.invalid("field is immutable", causes);
            }
        }
    }
}
