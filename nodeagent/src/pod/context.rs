//! What the tasks of a node's pods share.

use crate::api::NodeApi;
use crate::event::{About, News, Recorder};
use crate::image::ImageFetcher;
use crate::pod::env::Surroundings;
use crate::pod::message::Record;
use crate::runtime::Runtime;
use k8s_openapi::api::core::v1::Pod;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Containers and sandboxes being started at the same time on one node: an engine gets slower, not faster, with more.
pub const STARTS_IN_FLIGHT: usize = 8;

/// The node as its pods see it.
#[derive(Clone, Debug, Default)]
pub struct NodeContext {
    /// Node's name.
    pub name: String,
    /// Node's address.
    pub host_ip: String,
    /// Allocatable CPUs in thousandths.
    pub cpu_milli: i64,
    /// Allocatable memory in bytes.
    pub memory_bytes: i64,
    /// Where pods' files are, absolute.
    pub data_dir: PathBuf,
}

/// Shared by all pods of a node.
pub struct Context {
    /// Runs containers.
    pub runtime: Arc<dyn Runtime>,
    /// Knows pods.
    pub api: Arc<dyn NodeApi>,
    /// Tells users.
    pub recorder: Recorder,
    /// Finds images.
    pub images: ImageFetcher,
    /// The node.
    pub node: NodeContext,
    /// Bounds starts.
    pub starts: Semaphore,
}

impl Context {
    /// For the pods of `node`.
    pub fn new(runtime: Arc<dyn Runtime>, api: Arc<dyn NodeApi>, node: NodeContext) -> Self {
        Self {
            recorder: Recorder::start(api.clone(), &node.name),
            images: ImageFetcher::new(runtime.clone()),
            runtime,
            api,
            node,
            starts: Semaphore::new(STARTS_IN_FLIGHT),
        }
    }

    /// Records an event on a pod.
    pub fn record(&self, pod: &Pod, record: Record) {
        let meta = &pod.metadata;
        self.recorder.record(News {
            about: About {
                kind: "Pod".to_owned(),
                namespace: meta.namespace.clone().unwrap_or_default(),
                name: meta.name.clone().unwrap_or_default(),
                uid: meta.uid.clone().unwrap_or_default(),
                field_path: record.field_path,
            },
            warning: record.warning,
            reason: record.reason.to_owned(),
            message: record.message,
        });
    }

    /// What a pod's variables tell of the node.
    pub fn surroundings(&self, pod_ip: &str) -> Surroundings {
        Surroundings {
            host_ip: self.node.host_ip.clone(),
            pod_ip: if pod_ip.is_empty() { self.node.host_ip.clone() } else { pod_ip.to_owned() },
            node_cpu_milli: self.node.cpu_milli,
            node_memory_bytes: self.node.memory_bytes,
        }
    }
}
