//! Publishes the certificate authority of the API to every namespace, where pods find it beside their token.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>

use crate::controller::{Controller, Observation, Watch, no_first_keys, own_key};
use crate::informer::{Caches, Change};
use crate::object::{self, Key};
use crate::plan::{Action, Found, Live, Lookup, Plan, Target};
use k8s_openapi::api::core::v1::Namespace;
use kubus_proto::kinds::{config_map, namespace};
use serde_json::{Value, json};

/// Name of the ConfigMap in each namespace.
const NAME: &str = "kube-root-ca.crt";
const KEY: &str = "ca.crt";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
    such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of \
    Kubernetes clusters.";

/// Row of the controllers table. Its keys are namespaces.
pub static CONTROLLER: Controller = Controller {
    name: "root-ca-certificate-publisher",
    watches: &[
        Watch { row: Some(&namespace::ROW), keys: own_key },
        Watch { row: Some(&config_map::ROW), keys: keys_of_map },
    ],
    plan: reconcile,
    workers: 1,
    first_keys: no_first_keys,
};

fn keys_of_map(_: &Caches, change: &Change) -> Vec<Key> {
    let ours = change.newest().filter(|map| object::name(map.metadata()) == NAME);
    ours.map(|map| Key::new("", object::namespace(map.metadata()))).into_iter().collect()
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    match o.caches.namespaces.get(key) {
        Some(namespace) => plan(&namespace, &o.settings.authority, o.live),
        None => Plan::nothing(),
    }
}

/// Makes the ConfigMap, or mends it.
pub fn plan(namespace: &Namespace, authority: &str, live: &Live) -> Plan {
    let mut plan = Plan::nothing();
    if authority.is_empty() || object::is_deleting(&namespace.metadata) {
        return plan;
    }
    let name = object::name(&namespace.metadata).to_owned();
    let lookup = Lookup::Object { row: &config_map::ROW, namespace: name.clone(), name: NAME.to_owned() };
    let data = json!({KEY: authority});
    match live.get(&lookup) {
        None => plan.lookups.push(lookup),
        Some(Found::Missing | Found::Content { .. }) => {
            let metadata =
                json!({"name": NAME, "namespace": name, "annotations": {"kubernetes.io/description": DESCRIPTION}});
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
            plan.act(Action::Create { row: &config_map::ROW, namespace: name, name: NAME.to_owned(), object });
        }
        Some(Found::Object(found)) if found["data"] != data => {
            let text = |key: &str| found["metadata"][key].as_str().unwrap_or_default().to_owned();
            let target = Target {
                row: &config_map::ROW,
                namespace: name,
                name: NAME.to_owned(),
                uid: text("uid"),
                resource_version: Some(text("resourceVersion")),
            };
            plan.act(Action::Patch {
                target,
                subresource: "",
                patch: json!({"data": replaced(&found["data"], &data)}),
            });
        }
        Some(Found::Object(_)) => {}
    }
    plan
}

/// A merge patch that leaves nothing but `data`.
fn replaced(found: &Value, data: &Value) -> Value {
    let mut patch = data.clone();
    for key in found.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != KEY) {
        patch[key] = Value::Null;
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(deleted: Option<&str>) -> Namespace {
        serde_json::from_value(json!({"metadata": {"name": "a", "deletionTimestamp": deleted}})).expect("namespace")
    }

    #[test]
    fn every_namespace_gets_the_authority() {
        let asked = plan(&namespace(None), "pem", &Live::default());
        let answer = |found: Found| {
            let mut live = Live::default();
            live.insert(&asked.lookups[0], found);
            plan(&namespace(None), "pem", &live)
        };
        let made = answer(Found::Missing);
        let Some(Action::Create { object, .. }) = made.steps.first().map(|s| &s.action) else { panic!("made") };
        assert_eq!(object["data"], json!({"ca.crt": "pem"}));
        assert!(answer(Found::Object(json!({"data": {"ca.crt": "pem"}}))).steps.is_empty());
        let mended = answer(Found::Object(json!({"metadata": {"uid": "u"}, "data": {"ca.crt": "old", "x": "y"}})));
        let Some(Action::Patch { patch, .. }) = mended.steps.first().map(|s| &s.action) else { panic!("mended") };
        assert_eq!(*patch, json!({"data": {"ca.crt": "pem", "x": null}}));
        for (deleted, authority) in [(Some("2026-01-01T00:00:00Z"), "pem"), (None, "")] {
            let plan = plan(&namespace(deleted), authority, &Live::default());
            assert!(plan.lookups.is_empty() && plan.steps.is_empty());
        }
    }
}
