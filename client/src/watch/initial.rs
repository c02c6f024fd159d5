//! The list a watch begins with where it is given no revision.

use super::plan::Plan;
use super::{EventType, Raw};
use crate::{Bus, BusError};
use kubus_proto::codec::{self, JSON};
use kubus_proto::{ApiError, Reason};
use serde::Deserialize;
use serde_json::Value;

/// Objects in one page of the list.
const PAGE_LIMIT: usize = 500;

#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    #[serde(default)]
    items: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    continue_token: Option<String>,
}

/// Everything that is selected, as ADDED, and the revision at which it is.
pub(super) async fn everything(bus: &Bus, plan: &Plan) -> Result<(Vec<Raw>, u64), BusError> {
    let (mut events, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(bus, plan, PAGE_LIMIT, &token).await?;
        let revision = revision(&page)?;
        for mut object in page.items {
            name_kind(plan, &mut object);
            let of_object = object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok());
            let object = codec::encode(&object)?.into();
            events.push(Raw { event: EventType::Added, revision: of_object.unwrap_or(revision), object });
        }
        token = page.metadata.continue_token.unwrap_or_default();
        if token.is_empty() {
            return Ok((events, revision));
        }
    }
}

/// The revision the store is at.
pub(super) async fn now(bus: &Bus, plan: &Plan) -> Result<u64, BusError> {
    Ok(revision(&page(bus, plan, 1, "").await?)?)
}

async fn page(bus: &Bus, plan: &Plan, limit: usize, token: &str) -> Result<Page, BusError> {
    let mut request = plan.request(plan.list_query(limit, token));
    request.accept = JSON.to_owned();
    Ok(codec::decode(&bus.request_ok(request).await?)?)
}

fn revision(page: &Page) -> Result<u64, ApiError> {
    let text = &page.metadata.resource_version;
    text.parse().map_err(|_| ApiError::new(Reason::InternalError, format!("a list at no revision: {text:?}")))
}

/// Items of a list need not say what they are; objects of events must.
fn name_kind(plan: &Plan, object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.entry("kind").or_insert_with(|| plan.row.kind.into());
        fields.entry("apiVersion").or_insert_with(|| plan.row.api_version().into());
    }
}
