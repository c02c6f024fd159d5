//! get and list of ComponentStatuses, which are nowhere stored: whether each part of the control plane is well.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/component-status-v1/>

use super::answer::{self, Accept};
use super::call::Call;
use super::options::{Freshness, ListOptions};
use super::{Api, create, table};
use crate::state::{Key, State};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use kubus_proto::kinds::lease;
use kubus_proto::server_status::ServerStatus;
use kubus_proto::{ApiError, ApiResponse, Verb};
use serde_json::{Value, json};

/// Where the leases of leaders are.
const LEASES: &str = "kube-system";
/// Parts that have leaders, and the leases these renew.
const LED: [(&str, &str); 2] = [("controller-manager", "kube-controller-manager"), ("scheduler", "kube-scheduler")];
/// The store of the apiservers.
const STORE: &str = "store";

impl Api {
    /// Answers with the status of one part, or of all.
    pub(super) async fn component_statuses(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let state = self.state(Freshness::Newest).await?;
        call.authorize(&state)?;
        let now = Timestamp::now();
        let mut all = statuses(&state, &self.store.status(), now);
        let one = call.verb == Verb::Get;
        if one {
            all.retain(|status| status["metadata"]["name"] == *call.path.name);
        } else {
            let options = ListOptions::parse(call.row(), &call.query)?;
            all.retain(|status| {
                let seen = call.row().selectable(status);
                options.labels.matches(&seen.labels) && options.fields.matches(&seen.fields)
            });
        }
        let items = all.iter().map(create::tried).collect::<Result<Vec<Bytes>, ApiError>>()?;
        let metadata = json!({"resourceVersion": state.revision().to_string()});
        match (call.accept, items.first().filter(|_| one)) {
            (_, None) if one => Err(call.not_found()),
            (Accept::Table(include), _) => table::table(call.row(), &items, &metadata, include, now),
            (Accept::Metadata, Some(item)) => table::partial_one(item),
            (Accept::Metadata, None) => table::partial_list(&items, &metadata),
            (_, Some(item)) => Ok(answer::bytes(200, item.clone())),
            (_, None) => answer::list(call.row(), &metadata, &items),
        }
    }
}

/// Every part's status at a moment.
fn statuses(state: &State, server: &ServerStatus, now: Timestamp) -> Vec<Value> {
    let store = match (server.leader, server.read_only.as_str()) {
        (None, _) => Err("no leader is known".to_owned()),
        (Some(_), "") => Ok(()),
        (Some(_), why) => Err(why.to_owned()),
    };
    let led = LED.iter().map(|(part, lease)| (*part, leads(state, lease, now)));
    led.chain([(STORE, store)]).map(|(part, health)| status(part, health)).collect()
}

/// Whether a part has a leader that renews its lease.
fn leads(state: &State, name: &str, now: Timestamp) -> Result<(), String> {
    let key = Key::new(lease::ROW.resource_key(), LEASES, name);
    let lease = state.get(&key).and_then(|lease| lease.decode().ok()).unwrap_or_default();
    let spec = &lease["spec"];
    let renewed = spec["renewTime"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let lasts = SignedDuration::from_secs(spec["leaseDurationSeconds"].as_i64().unwrap_or(0));
    match (spec["holderIdentity"].as_str().unwrap_or_default(), renewed) {
        ("", _) | (_, None) => Err("nobody leads".to_owned()),
        (_, Some(renewed)) if renewed.saturating_add(lasts).is_ok_and(|end| end >= now) => Ok(()),
        (holder, Some(renewed)) => Err(format!("{holder} has not renewed its lease since {renewed}")),
    }
}

fn status(part: &str, health: Result<(), String>) -> Value {
    let condition = match health {
        Ok(()) => json!({"type": "Healthy", "status": "True", "message": "ok"}),
        Err(error) => json!({"type": "Healthy", "status": "False", "error": error}),
    };
    json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": part}, "conditions": [condition]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Action, Command, Draft, Op, RequestId, Require, Transaction};

    fn server(leader: Option<u64>, read_only: &str) -> ServerStatus {
        ServerStatus {
            id: 1,
            leader,
            term: 1,
            members: vec![1],
            last_applied: 1,
            revision: 1,
            read_only: read_only.to_owned(),
            memory_bytes: 0,
            cpu_us: 0,
            version: String::new(),
        }
    }

    #[test]
    fn a_part_is_well_while_its_leader_renews_its_lease() {
        let mut state = State::default();
        let lease = json!({"metadata": {"name": "kube-scheduler", "namespace": LEASES}, "spec": {"holderIdentity": "s1",
            "leaseDurationSeconds": 4, "renewTime": "1970-01-01T00:00:10.000000Z"}});
        let op = Op {
            key: Key::new(lease::ROW.resource_key(), LEASES, "kube-scheduler"),
            require: Require::default(),
            action: Action::Put(Draft::encode(&lease::ROW, &lease).expect("encodes")),
        };
        let id = RequestId { request: uuid::Uuid::new_v4(), part: 0 };
        state.apply(Command { transactions: vec![Transaction { id, ops: vec![op] }], now_ms: 0 });
        for (second, server, expected) in [
            (12, server(Some(1), ""), ["nobody leads", "", ""]),
            (
                15,
                server(None, ""),
                ["nobody leads", "s1 has not renewed its lease since 1970-01-01T00:00:10Z", "no leader is known"],
            ),
            (12, server(Some(1), "disk full"), ["nobody leads", "", "disk full"]),
        ] {
            let now = Timestamp::from_second(second).expect("a time");
            let all = statuses(&state, &server, now);
            let errors: Vec<&str> =
                all.iter().map(|status| status["conditions"][0]["error"].as_str().unwrap_or_default()).collect();
            assert_eq!(errors, expected);
        }
    }
}
