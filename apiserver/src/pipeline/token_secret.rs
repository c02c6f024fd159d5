//! Secrets that hold a service account's token: filled as they are written, with a token that lives as long as they do.
//! <https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets>

use super::commit::Decision;
use super::create::{encode, tried};
use super::{Api, internal};
use crate::authenticate::service_accounts::{Reference, SECRET_TYPE, legacy_claims};
use crate::state::{Action, Key, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubus_proto::kinds::{secret, service_account};
use kubus_proto::{ApiError, KindRow};
use serde_json::{Value, json};

/// Annotation that names the account.
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// Annotation that says which of its namesakes.
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

fn is_secret(row: &KindRow) -> bool {
    row.group == secret::ROW.group && row.plural == secret::ROW.plural
}

impl Api {
    /// Fills a Secret that is to hold a token and does not, where its account is there; whether it did.
    pub(super) fn fill_token_secret(&self, row: &KindRow, state: &State, object: &mut Value) -> Result<bool, ApiError> {
        if !is_secret(row) || object["type"] != SECRET_TYPE {
            return Ok(false);
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let account = text(&object["metadata"]["annotations"][ACCOUNT_NAME]);
        let wanted = text(&object["metadata"]["annotations"][ACCOUNT_UID]);
        let key = Key::new(service_account::ROW.resource_key(), namespace.as_str(), account.as_str());
        let Some(found) = state.get(&key).filter(|found| wanted.is_empty() || wanted == found.uid) else {
            return Ok(false);
        };
        let mut changed = false;
        if wanted.is_empty() {
            object["metadata"]["annotations"][ACCOUNT_UID] = json!(found.uid);
            changed = true;
        }
        let account = Reference { name: account, uid: found.uid.clone() };
        let mut fill = |key: &str, text: &dyn Fn() -> Result<String, ApiError>| -> Result<(), ApiError> {
            if object["data"][key].as_str().unwrap_or_default().is_empty() {
                object["data"][key] = json!(STANDARD.encode(text()?));
                changed = true;
            }
            Ok(())
        };
        let claims = legacy_claims(&namespace, &name, &account);
        fill("token", &|| self.tokens.issue_legacy(&claims).map_err(|e| internal("a token cannot be signed", &e)))?;
        fill("namespace", &|| Ok(namespace.clone()))?;
        if !self.tokens.authority().is_empty() {
            fill("ca.crt", &|| Ok(self.tokens.authority().to_owned()))?;
        }
        Ok(changed)
    }

    /// The same for what a decision writes.
    pub(super) fn fill_decision(&self, row: &KindRow, state: &State, decision: Decision) -> Result<Decision, ApiError> {
        if !is_secret(row) {
            return Ok(decision);
        }
        match decision {
            Decision::Tried(bytes) => {
                let mut object = super::call::decode(&bytes)?;
                let filled = self.fill_token_secret(row, state, &mut object)?;
                Ok(Decision::Tried(if filled { tried(&object)? } else { bytes }))
            }
            Decision::Write(mut ops) => {
                if let Some(Action::Put(draft)) = ops.last_mut().map(|op| &mut op.action) {
                    let mut object = super::call::decode(&draft.bytes)?;
                    if self.fill_token_secret(row, state, &mut object)? {
                        *draft = encode(row, &object)?;
                    }
                }
                Ok(Decision::Write(ops))
            }
            Decision::Keep(object) => Ok(Decision::Keep(object)),
        }
    }
}
