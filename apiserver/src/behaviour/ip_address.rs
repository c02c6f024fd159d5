//! IPAddress on its way into the store.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/ip-address-v1/>

use super::at::{At, immutable};
use super::names::{dns_label, dns_subdomain};
use super::{Behaviour, NameRule, PLAIN, schema_of};
use k8s_openapi::api::networking::v1::IPAddress;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of IPAddress.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::ip_address::ROW,
    schema: schema_of!(IPAddress),
    name: NameRule::PathSegment,
    rules,
    create_rules: |address, causes| {
        let metadata = At::root(address, "metadata");
        metadata.field("name").follow(canonical, causes);
    },
    update_rules: |new, old, causes| immutable(&At::root(new, "spec"), &old["spec"], &["parentRef"], causes),
    ..PLAIN
};

/// An address is its own name, so it must be written in one way.
fn canonical(name: &str) -> Vec<String> {
    match name.parse::<std::net::IpAddr>() {
        Ok(address) if address.to_string() == name => Vec::new(),
        _ => vec!["must be a valid IP address in canonical form".to_owned()],
    }
}

fn rules(address: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(address, "spec");
    let parent = spec.field("parentRef");
    if parent.is_null() {
        parent.missing("", causes);
        return;
    }
    let segment = |text: &str| NameRule::PathSegment.problems(text);
    parent.field("group").follow(dns_subdomain, causes);
    parent.field("resource").require_text(segment, causes);
    parent.field("name").require_text(segment, causes);
    parent.field("namespace").follow(dns_label, causes);
}
