//! Bootstrap tokens: `<id>.<secret>`, held in Secrets of `kube-system`, for nodes that are about to join.
//! <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>

use super::tokens::{TokenError, authenticated, same, secret_text};
use crate::state::{Key, State};
use jiff::Timestamp;
use kubus_proto::kinds::secret;
use kubus_proto::user::UserInfo;
use serde_json::Value;

const NAMESPACE: &str = "kube-system";
const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const SECRET_PREFIX: &str = "bootstrap-token-";
const GROUP: &str = "system:bootstrappers";
/// Lengths of the token's two parts.
const LENGTHS: (usize, usize) = (6, 16);

/// Id and secret of a token that has the form of one.
fn parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let fine = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    ((id.len(), secret.len()) == LENGTHS && fine(id) && fine(secret)).then_some((id, secret))
}

/// Whether a token has the form of one.
pub fn is_one(token: &str) -> bool {
    parts(token).is_some()
}

/// The user of a token that a Secret holds.
pub fn check(token: &str, state: &State, now: Timestamp) -> Result<UserInfo, TokenError> {
    let (id, secret) = parts(token).ok_or(TokenError::Unknown)?;
    let key = Key::new(secret::ROW.resource_key(), NAMESPACE, format!("{SECRET_PREFIX}{id}"));
    let held = state.get(&key).and_then(|object| object.decode().ok()).ok_or(TokenError::Unknown)?;
    let field = |key: &str| secret_text(&held, key).unwrap_or_default();
    let good = held["type"] == SECRET_TYPE
        && held["metadata"]["deletionTimestamp"] == Value::Null
        && field("token-id") == id
        && same(&field("token-secret"), secret)
        && field("usage-bootstrap-authentication") == "true";
    if !good {
        return Err(TokenError::Unknown);
    }
    let expiration = field("expiration");
    // An expiration that cannot be read has passed.
    if !expiration.is_empty() && !expiration.parse::<Timestamp>().is_ok_and(|end| now < end) {
        return Err(TokenError::Expired);
    }
    let extra = field("auth-extra-groups");
    let extra = extra.split(',').filter(|group| group.starts_with(GROUP)).map(str::to_owned);
    let groups = authenticated([GROUP.to_owned()].into_iter().chain(extra).collect());
    Ok(UserInfo { name: format!("system:bootstrap:{id}"), groups, ..UserInfo::default() })
}
