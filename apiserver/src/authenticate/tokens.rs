//! Bearer tokens: of service accounts, and those of nodes that are about to join.

use super::jws::{JwsError, KeyError, SigningKey};
use super::service_accounts::{self, ISSUER, Issue};
use super::{AUTHENTICATED, bootstrap_tokens};
use crate::state::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kubus_proto::user::UserInfo;
use ring::digest::{SHA256, digest};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens whose signature is remembered as good; beyond them all are forgotten.
const VERIFIED_LIMIT: usize = 8_192;

/// A token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of this cluster.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Somebody else has issued it.
    #[error("token was issued by somebody else")]
    Issuer,
    /// Its time is over.
    #[error("service account token has expired")]
    Expired,
    /// Its time has not come.
    #[error("service account token is not valid yet")]
    NotYet,
    /// What it is bound to is no more.
    #[error("service account token has been invalidated: its {0} is gone")]
    Gone(&'static str),
    /// It is meant for somebody else.
    #[error("token audiences do not match")]
    Audience,
    /// No Secret holds such a token.
    #[error("unknown bootstrap token")]
    Unknown,
}

impl TokenError {
    /// Whether a newer state may see it otherwise.
    pub fn may_pass(self) -> bool {
        match self {
            TokenError::Gone(_) | TokenError::Unknown => true,
            TokenError::Jws(_)
            | TokenError::Issuer
            | TokenError::Expired
            | TokenError::NotYet
            | TokenError::Audience => false,
        }
    }
}

/// Checks and issues tokens.
pub struct Tokens {
    key: SigningKey,
    /// Certificate of the authority that the cluster's servers are checked against, in PEM; empty if none is known.
    authority: String,
    /// Claims of tokens with a good signature, by their digest: a check of one costs more than most requests.
    verified: Mutex<HashMap<[u8; 32], Arc<Value>>>,
}

impl Tokens {
    /// Tokens signed with a key, and the certificate authority that goes with them into Secrets.
    pub fn new(key: SigningKey, authority: String) -> Self {
        Self { key, authority, verified: Mutex::default() }
    }

    /// Tokens that no other apiserver knows, and that end with this one.
    pub fn ephemeral() -> Self {
        Self::new(SigningKey::generate().expect("the system has random numbers"), String::new())
    }

    /// Certificate of the authority that the cluster's servers are checked against, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Signs a token.
    pub fn issue(&self, issue: &Issue) -> Result<String, KeyError> {
        self.key.sign(&issue.claims())
    }

    /// Signs the token of a Secret.
    pub fn issue_legacy(&self, claims: &Value) -> Result<String, KeyError> {
        self.key.sign(claims)
    }

    /// Public keys as a JSON Web Key Set.
    pub fn public_keys(&self) -> Value {
        serde_json::json!({"keys": [self.key.public()]})
    }

    /// The user a token stands for, and those of `audiences` that it is for: at least one. Without `audiences` it must
    /// be for this API.
    pub fn check(
        &self,
        token: &str,
        audiences: &[String],
        state: &State,
        now: Timestamp,
    ) -> Result<(UserInfo, Vec<String>), TokenError> {
        let own = [ISSUER.to_owned()];
        let wanted = if audiences.is_empty() { &own } else { audiences };
        let (user, found) = if bootstrap_tokens::is_one(token) {
            (bootstrap_tokens::check(token, state, now)?, own.to_vec())
        } else {
            let claims = self.claims(token)?;
            service_accounts::check(&claims, token, state, now)?
        };
        let fitting: Vec<String> = wanted.iter().filter(|audience| found.contains(audience)).cloned().collect();
        if fitting.is_empty() { Err(TokenError::Audience) } else { Ok((user, fitting)) }
    }

    fn claims(&self, token: &str) -> Result<Arc<Value>, JwsError> {
        let key = sha256(token.as_bytes());
        let known = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = known().get(&key) {
            return Ok(claims.clone());
        }
        let claims = Arc::new(self.key.verify(token)?);
        let mut known = known();
        if known.len() >= VERIFIED_LIMIT {
            known.clear();
        }
        known.insert(key, claims.clone());
        Ok(claims)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Whether two secrets are equal, in a time that does not tell how much of them is.
pub fn same(one: &str, other: &str) -> bool {
    // Who does not know a text cannot steer its digest.
    sha256(one.as_bytes()) == sha256(other.as_bytes())
}

/// A value of a Secret, as text.
pub fn secret_text(secret: &Value, key: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str()?).ok()?).ok()
}

/// Adds the group of everybody who has shown who they are.
pub fn authenticated(mut groups: Vec<String>) -> Vec<String> {
    groups.push(AUTHENTICATED.to_owned());
    groups
}
