//! ResourceSlice on its way into the store.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/>

use super::at::At;
use super::devices::limit;
use super::names::{dns_label, dns_subdomain};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::resource::v1::ResourceSlice;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of ResourceSlice.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::resource_slice::ROW,
    schema: schema_of!(ResourceSlice),
    prepare_create: prepare::only_first_generation,
    spec_changed: prepare::spec_differs,
    rules,
    update_rules: |new, old, causes| {
        let spec = At::root(new, "spec");
        super::at::immutable(&spec, &old["spec"], &["nodeName", "driver"], causes);
        if new["spec"]["pool"]["name"] != old["spec"]["pool"]["name"] {
            spec.field("pool").field("name").invalid("field is immutable", causes);
        }
    },
    ..PLAIN
};

/// Most devices of a slice, and most where devices have taints or share counters.
const DEVICES_LIMIT: usize = 128;
const SPECIAL_DEVICES_LIMIT: usize = 64;

fn rules(slice: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(slice, "spec");
    spec.field("driver").require_text(dns_subdomain, causes);
    let pool = spec.field("pool");
    let name = pool.field("name");
    if name.require("", causes) {
        name.text().split('/').flat_map(dns_subdomain).for_each(|problem| name.invalid(problem, causes));
    }
    let count = pool.field("resourceSliceCount");
    if count.number().unwrap_or_default() <= 0 {
        count.invalid("must be greater than zero", causes);
    }
    pool.field("generation").not_negative(causes);
    validate_place(&spec, causes);
    let devices = spec.field("devices");
    let special = |device: &Value| ["taints", "consumesCounters"].iter().any(|key| !device[*key].is_null());
    let most = if devices.items().any(|d| special(d.value)) { SPECIAL_DEVICES_LIMIT } else { DEVICES_LIMIT };
    limit(&devices, most, causes);
    devices.unique("name", causes);
    for device in devices.items() {
        device.field("name").require_text(dns_label, causes);
        for taint in device.field("taints").items() {
            taint.field("key").require("", causes);
            taint.field("effect").require_one_of(&["NoExecute", "NoSchedule", "None"], causes);
        }
    }
}

/// Which nodes reach the devices must be said in one way.
fn validate_place(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let given = |key: &str| !spec.value[key].is_null() && spec.value[key] != json!(false) && spec.value[key] != "";
    let ways = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];
    let count = ways.iter().filter(|way| given(way)).count();
    let one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match count {
        0 => spec.missing(one, causes),
        1 => {}
        _ => spec.invalid(format!("{one}, but multiple fields are set"), causes),
    }
    spec.field("nodeName").follow(dns_subdomain, causes);
}
