//! watch: the changes since a revision, answered at once; what comes later the watcher hears on the bus.

use super::call::Call;
use super::options::{Freshness, ListOptions};
use super::{Api, answer, internal};
use crate::state::State;
use kubus_proto::event::{Change, ChangeType, Changes};
use kubus_proto::{ApiError, ApiResponse, KindRow, Reason};

/// Most bytes of one answer; a watcher that is further behind asks again.
const CATCH_UP_BYTES: usize = 8 << 20;

impl Api {
    /// Answers with [`Changes`]: those after `resourceVersion`, or, without one, every object as an ADDED.
    pub(super) async fn watch(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let options = ListOptions::parse(call.row(), &call.query)?;
        let state = self.state(options.freshness).await?;
        call.authorize(&state)?;
        let row = call.row();
        let only = Only::of(call, &options);
        let scope = row.scope_field().and_then(|field| options.fields.required(field)).map(str::to_owned);
        let work = move || {
            let changes = match options.freshness {
                Freshness::NotOlderThan(after) | Freshness::Exact(after) if after > 0 => {
                    let resource = row.resource_key();
                    let mut found = state
                        .changes(&resource, scope.as_deref(), after, CATCH_UP_BYTES)
                        .map_err(|_| too_old(after, &state))?;
                    found.changes.retain(|change| only.holds(&change.namespace, &change.name));
                    found
                }
                _ => everything(row, scope.as_deref(), &only, &state),
            };
            Ok(changes)
        };
        let changes: Result<Changes, ApiError> =
            tokio::task::spawn_blocking(work).await.map_err(|e| internal("a watch failed", &e))?;
        let mut changes = changes?;
        if call.custom.is_some() {
            let oldest = changes.changes.iter().map(|change| change.revision).min().unwrap_or(changes.revision);
            let objects = changes.changes.iter().map(|change| change.object.clone()).collect();
            let shown = self.shown(call, objects, oldest).await?;
            changes.changes.iter_mut().zip(shown).for_each(|(change, object)| change.object = object);
        }
        answer::value(200, &changes)
    }
}

/// What a watcher may be answered with beside its scope: namespace and name never change on an object, so a watcher that
/// asks for one, and perhaps has a right to no other, gets all it needs and nothing else.
struct Only {
    namespace: Option<String>,
    name: Option<String>,
}

impl Only {
    fn of(call: &Call, options: &ListOptions) -> Self {
        let required = |field: &str| options.fields.required(field).map(str::to_owned);
        let path = Some(call.path.namespace.clone()).filter(|namespace| !namespace.is_empty());
        Self { namespace: path.or_else(|| required("metadata.namespace")), name: required("metadata.name") }
    }

    fn holds(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
            && self.name.as_deref().is_none_or(|wanted| wanted == name)
    }
}

fn too_old(after: u64, state: &State) -> ApiError {
    ApiError::new(Reason::Expired, format!("too old resource version: {after} ({})", state.revision()))
}

/// The objects as they are, each as if it had just been added.
fn everything(row: &KindRow, scope: Option<&str>, only: &Only, state: &State) -> Changes {
    let resource = row.resource_key();
    let objects = state.list(&resource, None, None);
    let changes = objects.filter(|(name, object)| {
        scope.is_none_or(|scope| object.scope == scope) && only.holds(&name.namespace, &name.name)
    });
    let change =
        |(name, object): (&std::sync::Arc<crate::state::Name>, &std::sync::Arc<crate::state::Object>)| Change {
            revision: object.revision,
            previous: 0,
            previous_in_scope: 0,
            change: ChangeType::Added,
            namespace: name.namespace.to_string(),
            name: name.name.to_string(),
            scope: object.scope.clone(),
            before: None,
            object: object.bytes.clone(),
        };
    Changes { changes: changes.map(change).collect(), revision: state.revision(), more: false }
}
