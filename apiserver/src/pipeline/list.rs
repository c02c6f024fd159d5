//! list: the objects of a resource at one revision, in pages where that is asked for.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>

use super::answer::{self, Accept};
use super::call::Call;
use super::continuation::Continuation;
use super::options::{Freshness, ListOptions};
use super::{Api, internal, table};
use crate::state::{Name, Object, State, View};
use bytes::Bytes;
use jiff::Timestamp;
use kubus_proto::{ApiError, ApiResponse, KindRow, Reason};
use serde_json::{Value, json};
use std::sync::Arc;

const TOO_OLD: &str = "The resourceVersion for the provided list is too old.";
const CONTINUE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You \
    can start a new list without the continue parameter, or use the continue token in this response to retrieve the \
    remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were \
    created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/// One page.
pub(super) struct Page {
    /// Encoded objects.
    pub items: Vec<Bytes>,
    /// `metadata` of the list.
    pub metadata: Value,
    /// The first revision among the objects; of none the last there is.
    pub oldest: u64,
}

impl Api {
    /// Answers with a page of objects in the form that was asked for.
    pub(super) async fn list(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let options = ListOptions::parse(call.row(), &call.query)?;
        let place = match options.continue_token.as_str() {
            "" => None,
            token => Some(Continuation::parse(token)?),
        };
        let freshness = match &place {
            Some(Continuation { revision: Some(revision), .. }) => Freshness::Exact(*revision),
            Some(_) => Freshness::Newest,
            None => options.freshness,
        };
        let state = self.state(freshness).await?;
        call.authorize(&state)?;
        let (row, accept, namespace) = (call.row(), call.accept, call.path.namespace.clone());
        if call.custom.is_some() {
            return self.list_custom(call, &state, freshness, &options, place).await;
        }
        // Long lists take their time, and the threads that carry messages have none.
        let work = move || match chosen(row, &namespace, &state, freshness, &options, place.as_ref()) {
            Some(page) => answer(row, accept, &page),
            None => Ok(expired(place)),
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| internal("a list failed", &e))?
    }

    /// The same for a custom kind, whose objects may have to be made those of another version first.
    async fn list_custom(
        &self,
        call: &Call,
        state: &State,
        freshness: Freshness,
        options: &ListOptions,
        place: Option<Continuation>,
    ) -> Result<ApiResponse, ApiError> {
        let page = chosen(call.row(), &call.path.namespace, state, freshness, options, place.as_ref());
        let Some(Page { items, metadata, oldest }) = page else { return Ok(expired(place)) };
        let items = self.shown(call, items, oldest).await?;
        let (row, accept) = (call.row(), call.accept);
        let work = move || answer(row, accept, &Page { items, metadata, oldest });
        tokio::task::spawn_blocking(work).await.map_err(|e| internal("a list failed", &e))?
    }
}

/// The page that is asked for; none where the state does not go back that far.
fn chosen(
    row: &KindRow,
    namespace: &str,
    state: &State,
    freshness: Freshness,
    options: &ListOptions,
    place: Option<&Continuation>,
) -> Option<Page> {
    let view = match freshness {
        Freshness::Exact(revision) => state.at(&row.resource_key(), revision).ok()?,
        Freshness::Newest | Freshness::Any | Freshness::NotOlderThan(_) => state.view(&row.resource_key()),
    };
    Some(page(&view, namespace, options, place))
}

fn answer(row: &KindRow, accept: Accept, page: &Page) -> Result<ApiResponse, ApiError> {
    match accept {
        Accept::Objects | Accept::Stream => answer::list(row, &page.metadata, &page.items),
        Accept::Metadata => table::partial_list(&page.items, &page.metadata),
        Accept::Table(include) => table::table(row, &page.items, &page.metadata, include, Timestamp::now()),
    }
}

/// 410; for a page that came too late with a token that goes on without the promise of one revision.
fn expired(place: Option<Continuation>) -> ApiResponse {
    let text = if place.is_some() { CONTINUE_TOO_OLD } else { TOO_OLD };
    let mut status = ApiError::new(Reason::Expired, text).to_status();
    if let Some(place) = place {
        status["metadata"]["continue"] = json!(Continuation::new(None, &place.namespace, &place.name).to_token());
    }
    answer::failure(Reason::Expired.code(), &status)
}

/// Whether the selectors of a list take an object.
pub(super) fn selects(options: &ListOptions, object: &Object) -> bool {
    if options.labels.is_empty() && options.fields.is_empty() {
        return true;
    }
    let selectable = object.selectable();
    options.labels.matches(&selectable.labels) && options.fields.matches(&selectable.fields)
}

/// The next page of a view, over one namespace or (with an empty one) all.
pub(super) fn page(view: &View, namespace: &str, options: &ListOptions, place: Option<&Continuation>) -> Page {
    let namespace = (!namespace.is_empty()).then_some(namespace);
    let after = place.map(|place| (place.namespace.as_str(), place.name.as_str()));
    let mut rest = view.list(namespace, after).filter(|(_, object)| selects(options, object));
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    let taken: Vec<(&Arc<Name>, &Arc<Object>)> = rest.by_ref().take(limit).collect();
    let mut metadata = json!({"resourceVersion": view.revision().to_string()});
    let mut left = rest.peekable();
    if let (Some((last, _)), true) = (taken.last(), left.peek().is_some()) {
        metadata["continue"] = json!(Continuation::new(Some(view.revision()), &last.namespace, &last.name).to_token());
        // With selectors nobody counts what is left, as in Kubernetes.
        if options.labels.is_empty() && options.fields.is_empty() {
            metadata["remainingItemCount"] = json!(left.count());
        }
    }
    let oldest = taken.iter().map(|(_, object)| object.revision).min().unwrap_or(view.revision());
    Page { items: taken.into_iter().map(|(_, object)| object.bytes.clone()).collect(), metadata, oldest }
}
