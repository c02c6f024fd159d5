//! CSIStorageCapacity on its way into the store.
//! <https://kubernetes.io/docs/concepts/storage/storage-capacity/>

use super::at::At;
use super::names::dns_subdomain;
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::storage::v1::CSIStorageCapacity;
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of CSIStorageCapacity.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::csi_storage_capacity::ROW,
    schema: schema_of!(CSIStorageCapacity),
    rules,
    update_rules: |new, old, causes| {
        for field in ["nodeTopology", "storageClassName"] {
            if new[field] != old[field] {
                At::root(new, field).invalid("field is immutable", causes);
            }
        }
    },
    ..PLAIN
};

fn rules(capacity: &Value, causes: &mut Vec<Cause>) {
    At::root(capacity, "nodeTopology").label_selector(causes);
    At::root(capacity, "storageClassName").require_text(dns_subdomain, causes);
    for field in ["capacity", "maximumVolumeSize"] {
        let size = At::root(capacity, field);
        if Quantity::parse(size.text()).is_ok_and(|_| size.text().starts_with('-')) {
            size.invalid("must be greater than or equal to 0", causes);
        }
    }
}
