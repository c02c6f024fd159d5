//! Tokens of service accounts: what they claim, and whether that still holds. A token lives no longer than its account and
//! than the pod, Secret or node it is bound to.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens>

use super::AUTHENTICATED;
use super::tokens::TokenError;
use crate::state::{Key, Object, State};
use jiff::Timestamp;
use kubus_proto::KindRow;
use kubus_proto::kinds::{node, pod, secret, service_account};
use kubus_proto::user::UserInfo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who issues tokens, and for whom they are where nothing else is said.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Who issued tokens that lie in Secrets.
const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";
/// Prefix of claims in tokens that lie in Secrets.
const LEGACY_PREFIX: &str = "kubernetes.io/serviceaccount/";
/// Type of Secrets that hold a token.
pub const SECRET_TYPE: &str = "kubernetes.io/service-account-token";
/// Group of all service accounts, and with a namespace behind it of those there.
const GROUP: &str = "system:serviceaccounts";
/// How much clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// How long what is being deleted still carries its tokens, in seconds.
const DELETION_LEEWAY_SECONDS: i64 = 60;

/// What a token may be bound to beside its account: the kind's name in references and in claims, and its row.
pub const BOUND: [(&str, &str, &KindRow); 3] =
    [("Pod", "pod", &pod::ROW), ("Secret", "secret", &secret::ROW), ("Node", "node", &node::ROW)];

/// Name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Name.
    pub name: String,
    /// uid.
    pub uid: String,
}

impl Reference {
    fn claim(&self) -> Value {
        json!({"name": self.name, "uid": self.uid})
    }
}

/// A token that is to be issued.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Namespace of the account.
    pub namespace: String,
    /// The account.
    pub account: Reference,
    /// What it is bound to, by the names in [`BOUND`]'s second column.
    pub bound: Vec<(&'static str, Reference)>,
    /// For whom.
    pub audiences: Vec<String>,
    /// Identifies the token.
    pub id: uuid::Uuid,
    /// When.
    pub now: Timestamp,
    /// Until when, in seconds from now.
    pub seconds: i64,
    /// When to begin to warn of its use, in seconds from now.
    pub warn_after_seconds: Option<i64>,
}

impl Issue {
    /// What the token says.
    pub fn claims(&self) -> Value {
        let now = self.now.as_second();
        let mut private = json!({"namespace": self.namespace, "serviceaccount": self.account.claim()});
        for (kind, reference) in &self.bound {
            private[*kind] = reference.claim();
        }
        if let Some(seconds) = self.warn_after_seconds {
            private["warnafter"] = json!(now + seconds);
        }
        json!({
            "aud": self.audiences, "exp": now + self.seconds, "iat": now, "iss": ISSUER, "jti": self.id.to_string(),
            "kubernetes.io": private, "nbf": now, "sub": subject(&self.namespace, &self.account.name),
        })
    }
}

/// The user name of a service account.
pub fn subject(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Groups of every service account of a namespace.
pub fn groups(namespace: &str) -> Vec<String> {
    vec![GROUP.to_owned(), format!("{GROUP}:{namespace}")]
}

/// What others need to check tokens: OpenID Connect's discovery document.
/// <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-issuer-discovery>
pub fn issuer_configuration() -> Value {
    json!({
        "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/openid/v1/jwks"), "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    })
}

/// What a token in a Secret says.
pub fn legacy_claims(namespace: &str, secret: &str, account: &Reference) -> Value {
    json!({
        "iss": LEGACY_ISSUER, "sub": subject(namespace, &account.name),
        format!("{LEGACY_PREFIX}namespace"): namespace,
        format!("{LEGACY_PREFIX}secret.name"): secret,
        format!("{LEGACY_PREFIX}service-account.name"): account.name,
        format!("{LEGACY_PREFIX}service-account.uid"): account.uid,
    })
}

/// The user a token stands for, with the audiences it is for, where its claims hold in `state`. `claims` are those of a
/// token whose signature was good.
pub fn check(
    claims: &Value,
    token: &str,
    state: &State,
    now: Timestamp,
) -> Result<(UserInfo, Vec<String>), TokenError> {
    match claims["iss"].as_str() {
        Some(ISSUER) => check_bound(claims, state, now),
        Some(LEGACY_ISSUER) => check_legacy(claims, token, state, now).map(|user| (user, vec![ISSUER.to_owned()])),
        _ => Err(TokenError::Issuer),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The object of that name and uid; none where it is gone, or has been on its way for long.
fn living(state: &State, row: &KindRow, namespace: &str, wanted: &Value, now: Timestamp) -> Option<Arc<Object>> {
    let namespace = if row.namespaced { namespace } else { "" };
    let object = state.get(&Key::new(row.resource_key(), namespace, text(wanted, "name")))?;
    if object.uid != text(wanted, "uid") {
        return None;
    }
    let value = object.decode().ok()?;
    let leaving = value["metadata"]["deletionTimestamp"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let gone = leaving.is_some_and(|time| now.as_second() > time.as_second() + DELETION_LEEWAY_SECONDS);
    (!gone).then(|| object.clone())
}

fn check_bound(claims: &Value, state: &State, now: Timestamp) -> Result<(UserInfo, Vec<String>), TokenError> {
    let second = now.as_second();
    if claims["exp"].as_i64().is_none_or(|end| second > end + LEEWAY_SECONDS) {
        return Err(TokenError::Expired);
    }
    if claims["nbf"].as_i64().is_none_or(|start| second + LEEWAY_SECONDS < start) {
        return Err(TokenError::NotYet);
    }
    let private = &claims["kubernetes.io"];
    let (namespace, account) = (text(private, "namespace"), &private["serviceaccount"]);
    let name = subject(namespace, text(account, "name"));
    if text(claims, "sub") != name {
        return Err(TokenError::Issuer);
    }
    living(state, &service_account::ROW, namespace, account, now).ok_or(TokenError::Gone("service account"))?;
    let mut extra = BTreeMap::new();
    let mut known = |key: &str, value: String| extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
    known("credential-id", format!("JTI={}", text(claims, "jti")));
    for (_, kind, row) in BOUND {
        let reference = &private[kind];
        if reference.is_null() {
            continue;
        }
        // The node of a token that is bound to a pod is only told, not looked for.
        if kind != "node" || private["pod"].is_null() {
            living(state, row, namespace, reference, now).ok_or(TokenError::Gone(kind))?;
        }
        if kind != "secret" {
            known(&format!("{kind}-name"), text(reference, "name").to_owned());
            known(&format!("{kind}-uid"), text(reference, "uid").to_owned());
        }
    }
    let audiences = match &claims["aud"] {
        Value::String(one) => vec![one.clone()],
        many => many.as_array().into_iter().flatten().filter_map(|a| a.as_str().map(str::to_owned)).collect(),
    };
    Ok((user(name, text(account, "uid"), namespace, extra), audiences))
}

fn user(name: String, uid: &str, namespace: &str, extra: BTreeMap<String, Vec<String>>) -> UserInfo {
    let groups = groups(namespace).into_iter().chain([AUTHENTICATED.to_owned()]).collect();
    UserInfo { name, uid: uid.to_owned(), groups, extra }
}

fn check_legacy(claims: &Value, token: &str, state: &State, now: Timestamp) -> Result<UserInfo, TokenError> {
    let claim = |key: &str| text(claims, &format!("{LEGACY_PREFIX}{key}")).to_owned();
    let (namespace, uid) = (claim("namespace"), claim("service-account.uid"));
    let account = json!({"name": claim("service-account.name"), "uid": uid});
    let name = subject(&namespace, text(&account, "name"));
    if text(claims, "sub") != name {
        return Err(TokenError::Issuer);
    }
    let key = Key::new(secret::ROW.resource_key(), namespace.as_str(), claim("secret.name"));
    let secret = state.get(&key).and_then(|object| object.decode().ok()).ok_or(TokenError::Gone("secret"))?;
    // The Secret is the token's home: what it no longer holds is no longer good.
    let held = super::tokens::secret_text(&secret, "token");
    if text(&secret, "type") != SECRET_TYPE || held.as_deref() != Some(token) {
        return Err(TokenError::Gone("secret"));
    }
    living(state, &service_account::ROW, &namespace, &account, now).ok_or(TokenError::Gone("service account"))?;
    Ok(user(name, &uid, &namespace, BTreeMap::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Action, Command, Draft, Op, RequestId, Require, Transaction};

    /// A state with one account and one pod, which has been on its way out since second 0 if `leaving`.
    fn state(leaving: bool) -> State {
        let mut state = State::default();
        let mut put = |row: &'static KindRow, object: Value| {
            let draft = Draft::encode(row, &object).expect("encodes");
            let name = object["metadata"]["name"].as_str().expect("name");
            let key = Key::new(row.resource_key(), "a", name);
            let op = Op { key, require: Require::default(), action: Action::Put(draft) };
            let id = RequestId { request: uuid::Uuid::new_v4(), part: 0 };
            state.apply(Command { now_ms: 1, transactions: vec![Transaction { id, ops: vec![op] }] });
        };
        put(&service_account::ROW, json!({"metadata": {"name": "robot", "namespace": "a", "uid": "u1"}}));
        let mut pod = json!({"metadata": {"name": "web", "namespace": "a", "uid": "u2"}});
        if leaving {
            pod["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:00:00Z");
        }
        put(&pod::ROW, pod);
        state
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn reference(name: &str, uid: &str) -> Reference {
        Reference { name: name.to_owned(), uid: uid.to_owned() }
    }

    #[test]
    fn a_token_holds_in_its_time_and_while_its_objects_live() {
        let issue = |account: Reference, pod: Option<Reference>| Issue {
            namespace: "a".to_owned(),
            account,
            bound: pod.into_iter().map(|pod| ("pod", pod)).collect(),
            audiences: vec![ISSUER.to_owned()],
            id: uuid::Uuid::nil(),
            now: at(1_000),
            seconds: 600,
            warn_after_seconds: None,
        };
        let robot = || reference("robot", "u1");
        for (issue, leaving, second, expected) in [
            (issue(robot(), None), false, 1_000, Ok(())),
            (issue(robot(), None), false, 1_660, Ok(())),
            (issue(robot(), None), false, 1_661, Err(TokenError::Expired)),
            (issue(robot(), None), false, 939, Err(TokenError::NotYet)),
            (issue(reference("robot", "u0"), None), false, 1_000, Err(TokenError::Gone("service account"))),
            (issue(reference("other", "u1"), None), false, 1_000, Err(TokenError::Gone("service account"))),
            (issue(robot(), Some(reference("web", "u2"))), false, 1_000, Ok(())),
            (issue(robot(), Some(reference("web", "u0"))), false, 1_000, Err(TokenError::Gone("pod"))),
            (issue(robot(), Some(reference("web", "u2"))), true, 1_000, Err(TokenError::Gone("pod"))),
        ] {
            let answer = check(&issue.claims(), "", &state(leaving), at(second));
            assert_eq!(answer.map(|_| ()), expected, "{issue:?} at {second}");
        }
        let early = Issue { now: at(0), ..issue(robot(), Some(reference("web", "u2"))) };
        assert!(check(&early.claims(), "", &state(true), at(60)).is_ok(), "a pod on its way out ends its work");
    }

    #[test]
    fn the_user_carries_what_the_token_is_bound_to() {
        let issue = Issue {
            namespace: "a".to_owned(),
            account: reference("robot", "u1"),
            bound: vec![("pod", reference("web", "u2")), ("node", reference("n1", "u3"))],
            audiences: vec!["x".to_owned(), "y".to_owned()],
            id: uuid::Uuid::nil(),
            now: at(1_000),
            seconds: 600,
            warn_after_seconds: Some(60),
        };
        let claims = issue.claims();
        assert_eq!(claims["kubernetes.io"]["warnafter"], 1_060);
        let (user, audiences) = check(&claims, "", &state(false), at(1_000)).expect("good");
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("system:serviceaccount:a:robot", "u1"));
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", AUTHENTICATED]);
        assert_eq!(audiences, ["x", "y"]);
        for (key, value) in [("pod-name", "web"), ("pod-uid", "u2"), ("node-name", "n1"), ("node-uid", "u3")] {
            assert_eq!(user.extra[&format!("authentication.kubernetes.io/{key}")], [value]);
        }
    }

    #[test]
    fn a_token_says_who_issued_it() {
        for claims in [
            json!({}),
            json!({"iss": "https://elsewhere"}),
            json!({"iss": ISSUER, "exp": 2_000, "nbf": 0, "sub": "root"}),
        ] {
            assert_eq!(check(&claims, "", &state(false), at(1_000)), Err(TokenError::Issuer), "{claims}");
        }
    }
}
