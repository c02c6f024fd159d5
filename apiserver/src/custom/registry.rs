//! Custom kinds as a state defines them. What is read from a definition is kept for as long as the definition stays as
//! it is, for all requests.

use super::kind::{Custom, CustomKind};
use crate::state::{Key, Object, State};
use kubus_proto::kinds::custom_resource_definition::ROW;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Most kinds kept at a time; beyond that all are read anew.
const KEPT_LIMIT: usize = 4_096;

/// Read kinds by uid and revision of their definitions; none for one that is not served.
type Kept = HashMap<(String, u64), Option<Arc<CustomKind>>>;

static KEPT: LazyLock<RwLock<Kept>> = LazyLock::new(RwLock::default);

/// Whether a definition's names were accepted, which is when its objects are served.
pub fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

fn read(object: &Object) -> Option<Arc<CustomKind>> {
    let identity = (object.uid.clone(), object.revision);
    if let Some(known) = KEPT.read().unwrap_or_else(PoisonError::into_inner).get(&identity) {
        return known.clone();
    }
    let definition = object.decode().ok().filter(is_established);
    let kind = definition.and_then(|definition| match CustomKind::read(&definition, object.revision) {
        Ok(kind) => Some(Arc::new(kind)),
        Err(error) => {
            tracing::error!(%error, "a custom kind cannot be served");
            None
        }
    });
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_LIMIT {
        kept.clear();
    }
    // Older revisions of the same definition are asked for no more.
    kept.retain(|(uid, revision), _| *uid != identity.0 || *revision > identity.1);
    kept.insert(identity, kind.clone());
    kind
}

/// The kind whose definition has that name.
pub fn named(state: &State, definition: &str) -> Option<Arc<CustomKind>> {
    read(state.get(&Key::new(ROW.resource_key(), "", definition))?)
}

/// The kind of a group and plural in a version that is served.
pub fn find(state: &State, group: &str, version: &str, plural: &str) -> Option<Custom> {
    let kind = named(state, &format!("{plural}.{group}"))?;
    // What is left of a kind whose definition is being deleted can be got at in any version.
    Custom::new(kind, version).filter(|custom| custom.version().served || custom.kind.terminating)
}

/// Every kind that is served, in the order of the names of their definitions.
pub fn all(state: &State) -> Vec<Arc<CustomKind>> {
    state.list(&ROW.resource_key(), None, None).filter_map(|(_, object)| read(object)).collect()
}
