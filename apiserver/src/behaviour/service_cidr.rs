//! ServiceCIDR on its way into the store.
//! <https://kubernetes.io/docs/tasks/network/extend-service-ip-ranges/>

use super::addresses::{Cidr, cidr};
use super::at::At;
use super::{Behaviour, PLAIN, WITH_STATUS, prepare, schema_of};
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of ServiceCIDR.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::service_cidr::ROW,
    schema: schema_of!(ServiceCIDR),
    prepare_create: |cidr| prepare::first_status(cidr, json!({})),
    spec_changed: PLAIN.spec_changed,
    rules,
    update_rules: |new, old, causes| {
        let cidrs = At { value: &new["spec"]["cidrs"], path: super::path::FieldPath::root("spec") };
        let before = old["spec"]["cidrs"].as_array().map_or(0, Vec::len);
        // A range of the other kind of address may join one; nothing else may change.
        let kept =
            cidrs.items().zip(old["spec"]["cidrs"].as_array().into_iter().flatten()).all(|(new, old)| new.value == old);
        if cidrs.len() < before || !kept {
            let spec = At::root(new, "spec");
            spec.field("cidrs").invalid("field is immutable", causes);
        }
    },
    ..WITH_STATUS
};

fn rules(service_cidr: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(service_cidr, "spec");
    let cidrs = spec.field("cidrs");
    if !cidrs.require("at least one CIDR required", causes) {
        return;
    }
    if cidrs.len() > 2 {
        cidrs.invalid("may only hold up to 2 values", causes);
        return;
    }
    cidrs.items().for_each(|one| one.follow(cidr, causes));
    let families: Vec<bool> = cidrs.items().filter_map(|one| Cidr::parse(one.text())).map(|c| c.is_ipv6()).collect();
    if let [first, second] = families.as_slice()
        && first == second
    {
        cidrs.invalid(
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96",
            causes,
        );
    }
}
