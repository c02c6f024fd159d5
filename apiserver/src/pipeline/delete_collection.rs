//! deletecollection: every object that selectors take, each decided alone.

use super::call::Call;
use super::commit::{Decision, entry};
use super::consult::{ROUNDS_LIMIT, Stop};
use super::options::{DeleteOptions, Freshness, ListOptions};
use super::{Api, answer, delete, internal, list};
use crate::state::{Key, Outcome, RequestId, State, Transaction};
use bytes::Bytes;
use jiff::Timestamp;
use kubus_proto::{ApiError, ApiResponse, KindRow, Reason};
use serde_json::json;

/// How often objects that changed meanwhile are tried again.
const ROUNDS: usize = 8;
/// Parts of a request that are looked at for what an earlier attempt did.
const PARTS: u32 = 16_384;
/// Most deletions proposed at once.
const BATCH: usize = 512;

impl Api {
    /// Deletes the objects a list would give, and answers with them. A retried request deletes what is left of what its
    /// first attempt selected, and nothing that was made since.
    pub(super) async fn delete_collection(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let options = ListOptions::parse(call.row(), &call.query)?;
        let deletion = DeleteOptions::parse(&call.query, &call.optional_value()?)?;
        let state = self.state(Freshness::Newest).await?;
        call.authorize(&state)?;
        let row = call.row();
        let resource = row.resource_key();
        let namespace = Some(&call.path.namespace).filter(|n| !n.is_empty()).map(String::as_str);
        let first = first_answer(&state, call.id);
        let view = match first {
            Some(revision) => state.at(&resource, revision - 1).map_err(|_| too_late())?,
            None => state.view(&resource),
        };
        let selected = view.list(namespace, None).filter(|(_, object)| list::selects(&options, object));
        let mut left: Vec<Chosen> = (0..)
            .zip(selected)
            .map(|(part, (name, object))| Chosen {
                key: Key::new(resource.as_str(), &*name.namespace, &*name.name),
                uid: object.uid.clone(),
                id: RequestId { request: call.id, part },
            })
            .collect();
        let mut items = Vec::with_capacity(left.len());
        let mut warnings = Vec::new();
        for _ in 0..ROUNDS {
            let mut again = Vec::new();
            for batch in left.chunks(BATCH) {
                let warned = self.review_all(call, batch, deletion.dry_run).await?;
                warnings.extend(warned);
                let (state, batch, deletion) = (self.store.state(), batch.to_vec(), deletion.clone());
                let work = tokio::task::spawn_blocking(move || decide_all(row, &state, batch, &deletion));
                let batch = work.await.map_err(|e| internal("a deletion failed", &e))??;
                items.extend(batch.kept);
                let outcomes = self.propose(batch.transactions).await?;
                let state = self.store.state();
                for (chosen, outcome) in batch.chosen.into_iter().zip(outcomes) {
                    match outcome {
                        Outcome::Done { revisions } | Outcome::Repeated { revisions } => {
                            items.push(entry(&state, revisions.last().copied())?.published());
                        }
                        Outcome::Failed { .. } => again.push(chosen),
                    }
                }
            }
            if again.is_empty() {
                let revision = self.store.state().revision().to_string();
                let list = answer::list(row, &json!({"resourceVersion": revision}), &items)?;
                return Ok(ApiResponse { warnings, ..list });
            }
            left = again;
        }
        Err(ApiError::new(Reason::TooManyRequests, "the objects are changed too often; please try again"))
    }
}

impl Api {
    /// Asks webhooks and policies about every deletion of a batch, where there are any; gives the warnings.
    async fn review_all(&self, call: &Call, batch: &[Chosen], dry_run: bool) -> Result<Vec<String>, ApiError> {
        let mut warnings = Vec::new();
        if !delete::is_watched_over(&self.store.state()) {
            return Ok(warnings);
        }
        for chosen in batch {
            let mut rounds = 0;
            loop {
                let state = self.store.state();
                let Some(object) = state.get(&chosen.key).filter(|object| object.uid == chosen.uid) else { break };
                let old = delete::stored(object)?;
                match call.seen(old).and_then(|old| call.review_deletion(&old, dry_run, &state)) {
                    Ok(said) => {
                        warnings.extend(said);
                        break;
                    }
                    Err(Stop::Ask(inquiry)) if rounds < ROUNDS_LIMIT => self.inquire(inquiry, &state).await,
                    Err(Stop::Ask(_)) => {
                        return Err(internal("webhooks were asked without end", &call.path.row.plural));
                    }
                    Err(Stop::Refused(error)) => return Err(error),
                }
                rounds += 1;
            }
        }
        Ok(warnings)
    }
}

/// An object the request selected, and the id of its deletion.
#[derive(Clone)]
struct Chosen {
    key: Key,
    /// A namesake that was made later is not meant.
    uid: String,
    id: RequestId,
}

/// Revision of the first deletion an earlier attempt of the request made: what it selected is seen just before that.
fn first_answer(state: &State, request: uuid::Uuid) -> Option<u64> {
    let answers = (0..PARTS).filter_map(|part| state.answered(&RequestId { request, part }));
    answers.filter_map(|changes| changes.first().map(|(_, revision)| *revision)).min()
}

fn too_late() -> ApiError {
    ApiError::new(
        Reason::Expired,
        "this request was begun too long ago to be finished; list what is left and delete it",
    )
}

/// What the deletions of a batch come to on one state.
#[derive(Default)]
struct Batch {
    /// Objects that stay as they are.
    kept: Vec<Bytes>,
    /// The others, with what is done to them.
    chosen: Vec<Chosen>,
    transactions: Vec<Transaction>,
}

fn decide_all(row: &KindRow, state: &State, all: Vec<Chosen>, options: &DeleteOptions) -> Result<Batch, ApiError> {
    let now = Timestamp::now();
    let mut batch = Batch::default();
    for chosen in all {
        let Some(current) = state.get(&chosen.key).filter(|object| object.uid == chosen.uid) else { continue };
        match delete::decide(row, &chosen.key, current, options, now)? {
            Decision::Keep(object) => batch.kept.push(object.bytes.clone()),
            Decision::Tried(bytes) => batch.kept.push(bytes),
            Decision::Write(ops) => {
                batch.transactions.push(Transaction { id: chosen.id, ops });
                batch.chosen.push(chosen);
            }
        }
    }
    Ok(batch)
}
