//! Removes Secrets that hold the token of a service account that is gone. The apiserver fills those whose account is there.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller>

use crate::controller::{Controller, Observation, Watch, no_first_keys, own_key};
use crate::informer::{Caches, Change};
use crate::object::{self, Key};
use crate::plan::{Action, Found, Live, Lookup, Plan, Target};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubus_proto::kinds::{secret, service_account};

const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
const SECRET_TYPE: &str = "kubernetes.io/service-account-token";

/// Row of the controllers table. Its keys are Secrets.
pub static CONTROLLER: Controller = Controller {
    name: "serviceaccount-token",
    watches: &[
        Watch { row: Some(&secret::ROW), keys: own_key },
        Watch { row: Some(&service_account::ROW), keys: keys_of_account },
    ],
    plan: reconcile,
    workers: 1,
    first_keys: no_first_keys,
};

fn account(secret: &ObjectMeta) -> Option<&str> {
    secret.annotations.as_ref()?.get(ACCOUNT_NAME).map(String::as_str)
}

/// Secrets of an account that is gone, or is somebody else now.
fn keys_of_account(caches: &Caches, change: &Change) -> Vec<Key> {
    let Some(newest) = change.newest().map(|o| o.metadata()) else { return Vec::new() };
    let Some(secrets) = caches.others.get(secret::ROW.plural) else { return Vec::new() };
    let ours = |m: &ObjectMeta| m.namespace == newest.namespace && account(m) == Some(object::name(newest));
    secrets.all().iter().filter(|s| ours(&s.metadata)).map(|s| Key::of(&s.metadata)).collect()
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let secret = o.caches.others.get(secret::ROW.plural).and_then(|secrets| secrets.get(key));
    match secret {
        Some(secret) => plan(&secret.metadata, o.live),
        None => Plan::nothing(),
    }
}

/// Removes a Secret whose account is gone for certain.
pub fn plan(metadata: &ObjectMeta, live: &Live) -> Plan {
    let mut plan = Plan::nothing();
    let Some(account) = account(metadata).filter(|_| !object::is_deleting(metadata)) else { return plan };
    let find = |row, name: &str| Lookup::Object {
        row,
        namespace: object::namespace(metadata).to_owned(),
        name: name.to_owned(),
    };
    let (of_account, own) = (find(&service_account::ROW, account), find(&secret::ROW, object::name(metadata)));
    let (Some(found), Some(secret)) = (live.get(&of_account), live.get(&own)) else {
        plan.lookups.extend([of_account, own]);
        return plan;
    };
    let Found::Object(secret) = secret else { return plan };
    let wanted = metadata.annotations.as_ref().and_then(|all| all.get(ACCOUNT_UID)).map(String::as_str);
    let there = match found {
        Found::Object(account) => wanted.is_none_or(|uid| uid.is_empty() || account["metadata"]["uid"] == uid),
        Found::Missing | Found::Content { .. } => false,
    };
    if secret["type"] == SECRET_TYPE && !there {
        let target = Target::exact(&secret::ROW, metadata);
        plan.act(Action::Delete { target, grace_seconds: None, propagation: None });
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_token_goes_with_its_account() {
        let metadata = |annotations: Value| -> ObjectMeta {
            serde_json::from_value(json!({"name": "s", "namespace": "a", "uid": "u", "annotations": annotations}))
                .expect("metadata")
        };
        let of = |uid: &str| json!({ACCOUNT_NAME: "robot", ACCOUNT_UID: uid});
        let token = json!({"type": SECRET_TYPE});
        let account = |uid: &str| Found::Object(json!({"metadata": {"uid": uid}}));
        for (annotations, found, secret, removed) in [
            (of("u1"), account("u1"), token.clone(), false),
            (of("u1"), account("u2"), token.clone(), true),
            (of("u1"), Found::Missing, token.clone(), true),
            (json!({ACCOUNT_NAME: "robot"}), account("u2"), token.clone(), false),
            (json!({ACCOUNT_NAME: "robot"}), Found::Missing, token, true),
            (of("u1"), Found::Missing, json!({"type": "Opaque"}), false),
        ] {
            let metadata = metadata(annotations.clone());
            let asked = plan(&metadata, &Live::default());
            let mut live = Live::default();
            live.insert(&asked.lookups[0], found);
            live.insert(&asked.lookups[1], Found::Object(secret));
            assert_eq!(plan(&metadata, &live).steps.len(), usize::from(removed), "{annotations}");
        }
        assert!(plan(&metadata(json!({})), &Live::default()).lookups.is_empty(), "an ordinary Secret");
    }
}
