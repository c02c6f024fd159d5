//! What the scheduler writes, and the API it writes to.

use crate::condition::ConditionWrite;
use crate::pod::Refusal;
use crate::recorder::EventWrite;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kubus_client::{Bus, BusError};
use kubus_proto::binding::{BindingBatch, BindingResults};
use serde_json::json;

/// How often a condition is written against a pod that changes meanwhile.
const CONDITION_ATTEMPTS: usize = 3;
/// Name the scheduler's writes are recorded under.
const FIELD_MANAGER: &str = "kube-scheduler";

/// The API, as far as the scheduler writes to it. Tests put another one in its place.
pub trait Cluster: Clone + Send + Sync + 'static {
    /// Binds pods.
    fn bind(&self, batch: BindingBatch) -> impl Future<Output = Result<BindingResults, BusError>> + Send;
    /// Says in a pod's status that it cannot run.
    fn write_condition(&self, write: ConditionWrite) -> impl Future<Output = Result<(), kube::Error>> + Send;
    /// Writes an event.
    fn write_event(&self, write: EventWrite) -> impl Future<Output = Result<(), kube::Error>> + Send;
}

/// The API over the bus.
#[derive(Clone)]
pub struct BusCluster {
    bus: Bus,
    client: kube::Client,
}

impl BusCluster {
    /// Over a connection.
    pub fn new(bus: Bus) -> Self {
        let client = bus.kube();
        Self { bus, client }
    }
}

fn has_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

impl Cluster for BusCluster {
    async fn bind(&self, batch: BindingBatch) -> Result<BindingResults, BusError> {
        self.bus.bind(batch).await
    }

    async fn write_condition(&self, mut write: ConditionWrite) -> Result<(), kube::Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &write.namespace);
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        for attempt in 1.. {
            let patch = Patch::Strategic(write.patch());
            match pods.patch_status(&write.name, &parameters, &patch).await {
                Err(error) if has_code(&error, 409) && attempt < CONDITION_ATTEMPTS => {}
                Err(error) if !has_code(&error, 404) => return Err(error),
                Ok(_) | Err(_) => return Ok(()),
            }
            let Some(pod) = pods.get_opt(&write.name).await? else { return Ok(()) };
            let same = pod.metadata.uid.as_deref() == Some(&*write.uid) && pod.metadata.deletion_timestamp.is_none();
            let bound = pod.spec.and_then(|spec| spec.node_name).is_some_and(|node| !node.is_empty());
            if !same || bound {
                return Ok(());
            }
            write.resource_version = pod.metadata.resource_version.unwrap_or_default();
        }
        Ok(())
    }

    async fn write_event(&self, write: EventWrite) -> Result<(), kube::Error> {
        let EventWrite { event, repeated } = write;
        let events: Api<Event> =
            Api::namespaced(self.client.clone(), event.metadata.namespace.as_deref().unwrap_or_default());
        if repeated {
            let name = event.metadata.name.as_deref().unwrap_or_default();
            let patch = json!({"count": event.count, "lastTimestamp": event.last_timestamp});
            match events.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Err(error) if has_code(&error, 404) => {}
                result => return result.map(|_| ()),
            }
        }
        match events.create(&PostParams::default(), &event).await {
            Err(error) if has_code(&error, 409) => Ok(()),
            result => result.map(|_| ()),
        }
    }
}

/// What is said about decisions, beside the bindings themselves.
#[derive(Clone, Debug)]
pub enum Note {
    /// In the pod's status.
    Condition(ConditionWrite),
    /// As an event.
    Event(Box<EventWrite>),
}

impl Note {
    /// Writes it.
    pub async fn write(self, cluster: &impl Cluster) -> Result<(), kube::Error> {
        match self {
            Note::Condition(write) => {
                let Refusal { reason, message } = &write.refusal;
                tracing::debug!(pod = write.name, reason, message, "pod cannot run");
                cluster.write_condition(write).await
            }
            Note::Event(write) => cluster.write_event(*write).await,
        }
    }
}
