//! Webhooks as the configurations of a state name them, read once for each revision of a configuration.

use crate::dynamic::conditions::{Conditions, VARIABLES};
use crate::dynamic::matching::Matcher;
use crate::state::{Object, State};
use crate::webhook::Endpoint;
use kubus_proto::KindRow;
use kubus_proto::kinds::{mutating_webhook_configuration, validating_webhook_configuration};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

/// Most configurations kept at a time; beyond that all are read anew.
const KEPT_LIMIT: usize = 1_024;
/// Seconds a webhook has where its configuration says nothing.
const TIMEOUT_SECONDS: u64 = 10;
/// Versions of the review that are spoken, the preferred one first.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// Which webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Mutating,
    Validating,
}

impl Sort {
    fn row(self) -> &'static KindRow {
        match self {
            Sort::Mutating => &mutating_webhook_configuration::ROW,
            Sort::Validating => &validating_webhook_configuration::ROW,
        }
    }
}

/// One webhook.
#[derive(Debug)]
pub(super) struct Hook {
    /// Name of its configuration.
    pub(super) configuration: String,
    /// Its own name.
    pub(super) name: String,
    /// Where it is.
    pub(super) endpoint: Endpoint,
    /// Which requests it looks at.
    pub(super) matcher: Matcher,
    /// Which of those it looks at.
    pub(super) conditions: Conditions,
    /// Whether its failures are overlooked.
    pub(super) fails_open: bool,
    /// Whether it does nothing beside answering when a request is only tried out.
    pub(super) knows_dry_run: bool,
    /// Whether it is asked again when others change what it has seen.
    pub(super) wants_to_know: bool,
    /// How long it may take.
    pub(super) timeout: Duration,
    /// Version of the review it is sent.
    pub(super) spoken: String,
}

impl Hook {
    fn read(configuration: &str, hook: &Value) -> Self {
        let text = |key: &str| hook[key].as_str().unwrap_or_default();
        let versions = hook["admissionReviewVersions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let spoken = versions.into_iter().find(|version| REVIEW_VERSIONS.contains(version)).unwrap_or("v1");
        Self {
            configuration: configuration.to_owned(),
            name: text("name").to_owned(),
            endpoint: Endpoint::of(&hook["clientConfig"]),
            matcher: Matcher::read(hook),
            conditions: Conditions::read(&hook["matchConditions"], &VARIABLES),
            fails_open: text("failurePolicy") == "Ignore",
            knows_dry_run: matches!(text("sideEffects"), "None" | "NoneOnDryRun"),
            wants_to_know: text("reinvocationPolicy") == "IfNeeded",
            timeout: Duration::from_secs(hook["timeoutSeconds"].as_u64().unwrap_or(TIMEOUT_SECONDS)),
            spoken: spoken.to_owned(),
        }
    }
}

/// Read webhooks by uid and revision of their configurations.
type Kept = HashMap<(String, u64), Arc<[Arc<Hook>]>>;

static KEPT: LazyLock<RwLock<Kept>> = LazyLock::new(RwLock::default);

fn read(name: &str, object: &Object) -> Arc<[Arc<Hook>]> {
    let identity = (object.uid.clone(), object.revision);
    if let Some(known) = KEPT.read().unwrap_or_else(PoisonError::into_inner).get(&identity) {
        return known.clone();
    }
    let configuration = object.decode().unwrap_or_default();
    let list = configuration["webhooks"].as_array().into_iter().flatten();
    let hooks: Arc<[Arc<Hook>]> = list.map(|hook| Arc::new(Hook::read(name, hook))).collect();
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_LIMIT {
        kept.clear();
    }
    kept.retain(|(uid, revision), _| *uid != identity.0 || *revision > identity.1);
    kept.insert(identity, hooks.clone());
    hooks
}

/// Webhooks of a sort, in the order they are asked: by the names of their configurations.
pub(super) fn hooks(sort: Sort, state: &State) -> Vec<Arc<Hook>> {
    let configurations = state.list(&sort.row().resource_key(), None, None);
    configurations.flat_map(|(name, object)| read(&name.name, object).to_vec()).collect()
}
