//! Issues certificates for requests that were approved, and removes requests nobody needs any more.
//! <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/>

pub mod signer;

use crate::controller::{Controller, Observation, Watch, no_first_keys, own_key};
use crate::object::{self, Key};
use crate::plan::{Action, Found, Live, Lookup, Now, Plan, Target};
use jiff::Timestamp;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kubus_proto::kinds::certificate_signing_request;
use serde_json::json;
use signer::Signer;
use std::time::Duration;

/// How long a request that is settled stays.
const SETTLED_LIFE: Duration = Duration::from_secs(3_600);
/// How long one stays that nobody decides.
const PENDING_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Row of the controllers table.
pub static CONTROLLER: Controller = Controller {
    name: "certificate",
    watches: &[Watch { row: Some(&certificate_signing_request::ROW), keys: own_key }],
    plan: reconcile,
    workers: 1,
    first_keys: no_first_keys,
};

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let known = o.caches.others.get(certificate_signing_request::ROW.plural);
    match known.and_then(|requests| requests.get(key)) {
        Some(_) => plan(o.now, key, o.settings.signer.as_deref(), o.live),
        None => Plan::nothing(),
    }
}

/// Signs, refuses, or removes the request `key`. Only the signature itself is not made of what is given here.
pub fn plan(now: Now, key: &Key, signer: Option<&Signer>, live: &Live) -> Plan {
    let mut plan = Plan::nothing();
    let row = &certificate_signing_request::ROW;
    let lookup = Lookup::Object { row, namespace: String::new(), name: key.name.clone() };
    let found = match live.get(&lookup) {
        None => {
            plan.lookups.push(lookup);
            return plan;
        }
        Some(Found::Object(found)) => found,
        Some(Found::Missing | Found::Content { .. }) => return plan,
    };
    // One that cannot be read was refused when it was made.
    let Ok(request) = serde_json::from_value::<CertificateSigningRequest>(found.clone()) else { return plan };
    let conditions = request.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let has = |kind: &str| conditions.iter().any(|condition| condition.type_ == kind);
    let issued = request.status.as_ref().is_some_and(|status| status.certificate.is_some());
    let settled = has("Denied") || has("Failed") || issued;
    let last = conditions.iter().filter_map(|c| c.last_update_time.as_ref()).map(|time| time.0).max();
    let born = request.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let (since, life) = if settled { (last.or(born), SETTLED_LIFE) } else { (born, PENDING_LIFE) };
    let left = left(now.wall, since, life);
    if left.is_zero() {
        let target = Target::exact(row, &request.metadata);
        plan.act(Action::Delete { target, grace_seconds: None, propagation: None });
        return plan;
    }
    plan.again_after(left);
    let Some(signer) = signer else { return plan };
    if settled || !has("Approved") || !signer::is_ours(&request.spec.signer_name) {
        return plan;
    }
    let status = match signer.sign(&request.spec, now.wall) {
        Ok(pem) => json!({"certificate": signer::encoded(&pem)}),
        Err(error) => {
            let time = object::time(now.wall);
            let mut all = json!(conditions);
            if let Some(all) = all.as_array_mut() {
                all.push(json!({"type": "Failed", "status": "True", "reason": "SignerValidationFailure",
                    "message": error.to_string(), "lastUpdateTime": time, "lastTransitionTime": time}));
            }
            json!({"conditions": all})
        }
    };
    let target = Target::exact(row, &request.metadata);
    plan.act(Action::Patch { target, subresource: "status", patch: json!({"status": status}) });
    plan
}

/// How much of a life is left, zero if nothing.
fn left(now: Timestamp, since: Option<Timestamp>, life: Duration) -> Duration {
    let age = since.map(|since| Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO));
    life.saturating_sub(age.unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn planned(second: i64, status: Value) -> Plan {
        let request = json!({
            "metadata": {"name": "r", "uid": "u", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {"request": "AAAA", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
            "status": status,
        });
        let now = Now { wall: Timestamp::from_second(second).expect("a time"), monotonic: Duration::ZERO };
        let asked = plan(now, &Key::new("", "r"), None, &Live::default());
        let mut live = Live::default();
        live.insert(&asked.lookups[0], Found::Object(request));
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).expect("an authority");
        let signer = Signer::new(&certificate.pem(), &key.serialize_pem()).expect("a signer");
        plan(now, &Key::new("", "r"), Some(&signer), &live)
    }

    #[test]
    fn only_what_was_approved_is_looked_at_and_nothing_stays_for_ever() {
        let condition = |kind: &str| {
            json!({"conditions": [{"type": kind, "status": "True",
            "lastUpdateTime": "1970-01-01T00:01:00Z"}]})
        };
        assert!(planned(60, json!({})).steps.is_empty(), "nobody has decided");
        assert!(planned(60, condition("Denied")).steps.is_empty());
        let failed = planned(60, condition("Approved"));
        let Some(Action::Patch { patch, subresource: "status", .. }) = failed.steps.first().map(|s| &s.action) else {
            panic!("a damaged request fails")
        };
        assert_eq!(patch["status"]["conditions"][1]["type"], "Failed");
        for (second, status, removed) in [
            (3_600, condition("Denied"), false),
            (3_660, condition("Denied"), true),
            (3_660, json!({"certificate": "AAAA"}), true),
            (86_399, json!({}), false),
            (86_400, json!({}), true),
        ] {
            let plan = planned(second, status.clone());
            let deletes = plan.steps.iter().any(|step| matches!(step.action, Action::Delete { .. }));
            assert_eq!(deletes, removed, "{second} {status}");
            assert_ne!(plan.requeue_after.is_some(), removed);
        }
    }
}
