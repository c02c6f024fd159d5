//! CSIDriver on its way into the store.
//! <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-driver-v1/>

use super::at::{At, immutable};
use super::defaulting::{object_or_new, put};
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::storage::v1::CSIDriver;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of CSIDriver.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::csi_driver::ROW,
    schema: schema_of!(CSIDriver),
    defaults,
    rules,
    update_rules: |new, old, causes| {
        immutable(&At::root(new, "spec"), &old["spec"], &["attachRequired", "volumeLifecycleModes"], causes);
    },
    ..PLAIN
};

/// Most characters of a driver's name.
const NAME_LIMIT: usize = 63;
/// The shortest time in seconds between two looks at what a node can hold.
const UPDATE_PERIOD_SECONDS: i64 = 10;

fn defaults(driver: &mut Value) {
    let Some(spec) = driver.as_object_mut().and_then(|driver| object_or_new(driver, "spec")) else { return };
    put(spec, "attachRequired", true);
    for key in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        put(spec, key, false);
    }
    put(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    put(spec, "volumeLifecycleModes", json!(["Persistent"]));
}

fn rules(driver: &Value, causes: &mut Vec<Cause>) {
    let metadata = At::root(driver, "metadata");
    let name = metadata.field("name");
    if name.text().len() > NAME_LIMIT {
        causes.push(super::causes::too_long(name.path, NAME_LIMIT));
    }
    let spec = At::root(driver, "spec");
    spec.field("fsGroupPolicy").one_of(&["ReadWriteOnceWithFSType", "File", "None"], causes);
    let tokens = spec.field("tokenRequests");
    tokens.unique("audience", causes);
    for token in tokens.items() {
        let seconds = token.field("expirationSeconds");
        match seconds.number() {
            Some(number) if number < 10 * 60 => {
                seconds.invalid("may not specify a duration less than 10 minutes", causes)
            }
            Some(number) if number > 1 << 32 => {
                seconds.invalid("may not specify a duration larger than 2^32 seconds", causes)
            }
            _ => {}
        }
    }
    for mode in spec.field("volumeLifecycleModes").items() {
        mode.one_of(&["Ephemeral", "Persistent"], causes);
    }
    let period = spec.field("nodeAllocatableUpdatePeriodSeconds");
    if period.number().is_some_and(|seconds| seconds < UPDATE_PERIOD_SECONDS) {
        period.invalid("must be greater than or equal to 10 seconds", causes);
    }
}
