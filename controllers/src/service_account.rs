//! Gives each namespace its `default` ServiceAccount.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-controller>

use crate::controller::{Controller, Observation, Watch, no_first_keys, own_key};
use crate::informer::{Caches, Change};
use crate::object::{self, Key};
use crate::plan::{Action, Plan};
use k8s_openapi::api::core::v1::Namespace;
use kubus_proto::kinds::{namespace, service_account};
use serde_json::json;

const DEFAULT: &str = "default";

/// Row of the controllers table. Its keys are namespaces.
pub static CONTROLLER: Controller = Controller {
    name: "serviceaccount",
    watches: &[
        Watch { row: Some(&namespace::ROW), keys: own_key },
        Watch { row: Some(&service_account::ROW), keys: keys_of_account },
    ],
    plan: reconcile,
    workers: 1,
    first_keys: no_first_keys,
};

fn keys_of_account(_: &Caches, change: &Change) -> Vec<Key> {
    let gone = change.before.iter().filter(|_| change.after.is_none());
    gone.map(|o| Key::new("", object::namespace(o.metadata()))).collect()
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let Some(namespace) = o.caches.namespaces.get(key) else {
        return Plan::nothing();
    };
    let account = Key::new(&key.name, DEFAULT);
    let accounts = o.caches.others.get(service_account::ROW.plural);
    let exists = accounts.is_some_and(|s| s.get(&account).is_some());
    plan(&namespace, exists || o.in_flight.created.contains(&account))
}

/// Makes the account where it is missing and the namespace is not on its way out.
pub fn plan(namespace: &Namespace, exists: bool) -> Plan {
    let mut plan = Plan::nothing();
    if !exists && !object::is_deleting(&namespace.metadata) {
        let namespace = object::name(&namespace.metadata).to_owned();
        let object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEFAULT, "namespace": namespace},
        });
        plan.act(Action::Create { row: &service_account::ROW, namespace, name: DEFAULT.to_owned(), object });
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_living_namespaces_without_an_account_get_one() {
        let namespace = |deleted: Option<&str>| -> Namespace {
            serde_json::from_value(json!({"metadata": {"name": "a", "deletionTimestamp": deleted}})).expect("namespace")
        };
        assert_eq!(plan(&namespace(None), false).steps.len(), 1);
        assert!(plan(&namespace(None), true).steps.is_empty());
        assert!(plan(&namespace(Some("2026-01-01T00:00:00Z")), false).steps.is_empty());
    }
}
