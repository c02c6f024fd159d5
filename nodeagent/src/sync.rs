//! Brings together what the API wants on this node and what the runtime has: one task a pod, none for what is gone.

use crate::api::Change;
use crate::pod::container::owner;
use crate::pod::context::Context;
use crate::pod::message::Event;
use crate::pod::task::{self, Notice, PodHandle};
use crate::runtime::{Listed, Observed, RuntimeError, RuntimeEvent, SANDBOX};
use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Pause before an engine that does not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// Containers looked at at the same time when the agent starts.
const INSPECTS_IN_FLIGHT: usize = 8;

/// The pods of a node by uid. Clones share it.
#[derive(Clone, Default)]
pub struct Pods {
    handles: Arc<Mutex<BTreeMap<String, PodHandle>>>,
}

impl Pods {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, PodHandle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task of a pod.
    pub fn get(&self, uid: &str) -> Option<PodHandle> {
        self.lock().get(uid).cloned()
    }

    /// uids of all pods.
    pub fn uids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Ends every task; containers run on.
    pub fn close(&self) {
        self.lock().clear();
    }

    async fn tell(&self, uid: &str, notice: Notice) {
        if let Some(handle) = self.get(uid) {
            // A task that just ended needs no notice.
            let _ = handle.notices.send(notice).await;
        }
    }
}

/// Runs for ever; returns when the API's watch ends, which it does only with the agent.
pub async fn run(context: Arc<Context>, pods: Pods) {
    let (done, mut ended) = mpsc::unbounded_channel();
    let mut sync = Sync { context: context.clone(), pods, done, found: BTreeMap::new(), known: false };
    let mut changes = context.api.watch_pods();
    let mut news = context.runtime.events();
    sync.found = find(&context).await;
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(change) => sync.change(change).await,
                None => return,
            },
            event = news.next() => match event {
                Some(RuntimeEvent::Changed { uid, id }) => sync.pods.tell(&uid, Notice::Changed(id)).await,
                Some(RuntimeEvent::Relist) => sync.relist().await,
                None => return,
            },
            Some(uid) = ended.recv() => {
                let mut handles = sync.pods.lock();
                // A pod whose task ended may have come back in the meantime.
                if handles.get(&uid).is_some_and(|h| h.notices.is_closed()) {
                    handles.remove(&uid);
                }
            }
        }
    }
}

/// Everything the runtime has, by pod; asks until it answers, since nothing may be started before this is known.
async fn find(context: &Context) -> BTreeMap<String, Vec<Observed>> {
    loop {
        match look(context, None).await {
            Ok(found) => return found,
            Err(error) => {
                tracing::warn!(%error, "cannot list containers, will try again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Looks at every container, or those of one pod.
async fn look(context: &Context, uid: Option<&str>) -> Result<BTreeMap<String, Vec<Observed>>, RuntimeError> {
    let listed = context.runtime.list().await?;
    let wanted = listed.into_iter().filter(|l| uid.is_none_or(|uid| l.owner.uid == uid));
    let inspects = wanted.map(|l| async move { context.runtime.inspect(&l.id).await });
    let results: Vec<_> = stream::iter(inspects).buffer_unordered(INSPECTS_IN_FLIGHT).collect().await;
    let mut found: BTreeMap<String, Vec<Observed>> = BTreeMap::new();
    for result in results {
        match result {
            Ok(observed) => found.entry(observed.owner.uid.clone()).or_default().push(observed),
            Err(RuntimeError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

struct Sync {
    context: Arc<Context>,
    pods: Pods,
    done: mpsc::UnboundedSender<String>,
    /// What the runtime had when the agent started, until its pods are known.
    found: BTreeMap<String, Vec<Observed>>,
    /// Whether the API's pods are known.
    known: bool,
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

impl Sync {
    async fn change(&mut self, change: Change<Pod>) {
        match change {
            Change::All(all) => {
                let wanted: BTreeSet<String> = all.iter().map(uid).collect();
                for pod in all {
                    self.apply(pod).await;
                }
                for gone in self.pods.uids().into_iter().filter(|uid| !wanted.contains(uid)) {
                    self.pods.tell(&gone, Notice::Event(Event::Vanished { grace_s: None })).await;
                }
                self.known = true;
                for (uid, observed) in std::mem::take(&mut self.found) {
                    self.orphan(&uid, observed);
                }
                // Ends that fell between the first look and the start of a pod's task.
                self.relist().await;
            }
            Change::Applied(pod) => self.apply(pod).await,
            Change::Deleted(pod) => {
                let grace_s = pod.metadata.deletion_grace_period_seconds;
                self.pods.tell(&uid(&pod), Notice::Event(Event::Vanished { grace_s })).await;
            }
        }
    }

    async fn apply(&mut self, pod: Pod) {
        let (uid, pod) = (uid(&pod), Arc::new(pod));
        if let Some(handle) = self.pods.get(&uid)
            && handle.notices.send(Notice::Event(Event::Updated(pod.clone()))).await.is_ok()
        {
            return;
        }
        let observed = self.found.remove(&uid).unwrap_or_default();
        self.start(uid, pod, observed, false);
    }

    fn start(&self, uid: String, pod: Arc<Pod>, observed: Vec<Observed>, orphan: bool) {
        let handle = task::spawn(self.context.clone(), pod, observed, orphan, self.done.clone());
        self.pods.lock().insert(uid, handle);
    }

    /// Stops and removes what belongs to a pod the API does not have.
    fn orphan(&self, uid: &str, observed: Vec<Observed>) {
        let Some(first) = observed.first() else { return };
        tracing::info!(pod = %first.owner.pod, namespace = %first.owner.namespace, %uid, "removing a pod the API does not have");
        let pod = Arc::new(remembered(&observed));
        self.start(uid.to_owned(), pod, observed, true);
    }

    async fn relist(&mut self) {
        if !self.known {
            return;
        }
        let listed = match self.context.runtime.list().await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "cannot list containers");
                return;
            }
        };
        let mut by_pod: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
        for row in listed {
            by_pod.entry(row.owner.uid.clone()).or_default().push(row);
        }
        for uid in self.pods.uids() {
            let rows = by_pod.remove(&uid).unwrap_or_default();
            self.pods.tell(&uid, Notice::Listed(rows)).await;
        }
        for uid in by_pod.into_keys() {
            match look(&self.context, Some(&uid)).await {
                Ok(mut found) => self.orphan(&uid, found.remove(&uid).unwrap_or_default()),
                Err(error) => tracing::warn!(%error, "cannot look at a stale pod"),
            }
        }
    }
}

/// A pod as far as its containers' labels tell of it.
fn remembered(observed: &[Observed]) -> Pod {
    let first = observed.first().map(|o| o.owner.clone()).unwrap_or_default();
    let names: BTreeSet<String> = observed.iter().map(|o| o.name.clone()).filter(|n| n != SANDBOX).collect();
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(first.pod.clone()),
            namespace: Some(first.namespace.clone()),
            uid: Some(first.uid.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: names.into_iter().map(|name| Container { name, ..Container::default() }).collect(),
            termination_grace_period_seconds: Some(first.grace_seconds),
            ..PodSpec::default()
        }),
        status: None,
    };
    debug_assert_eq!(owner(&pod).uid, first.uid);
    pod
}
