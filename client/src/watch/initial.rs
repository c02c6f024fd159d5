//! What there is when a watch begins: everything as ADDED where it is given no revision.

use super::plan::Plan;
use super::{EventType, Raw, selection};
use crate::{Bus, BusError};
use kubus_proto::event::Changes;

/// Everything that is selected, as ADDED in the order of names, and the revision at which it is. It is asked for as a
/// watch, so that no right to list is needed.
pub(super) async fn everything(bus: &Bus, plan: &Plan) -> Result<(Vec<Raw>, u64), BusError> {
    let Changes { changes, revision, .. } = ask(bus, plan).await?;
    let mut events = Vec::with_capacity(changes.len());
    for change in changes {
        if selection::select(plan, &change)?.is_some() {
            let (revision, object) = (change.revision, change.object);
            events.push(Raw { event: EventType::Added, revision, object, shared: None });
        }
    }
    Ok((events, revision))
}

/// The revision the store is at.
pub(super) async fn now(bus: &Bus, plan: &Plan) -> Result<u64, BusError> {
    Ok(ask(bus, plan).await?.revision)
}

async fn ask(bus: &Bus, plan: &Plan) -> Result<Changes, BusError> {
    Ok(Changes::decode(&bus.request_ok(plan.request(plan.changes_query(None))).await?)?)
}
