//! One active replica among several, by a Lease: <https://kubernetes.io/docs/concepts/architecture/leases/#leader-election>.

mod decision;

use crate::Bus;
use decision::{Action, Memory, Record, valid_until};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a lease lasts unrenewed, in milliseconds, unless said otherwise.
pub const LEASE_MS: u64 = 4_000;
/// How often a lease is renewed, in milliseconds, unless said otherwise.
pub const RENEW_MS: u64 = 1_000;
/// Namespace of the Leases.
const NAMESPACE: &str = "kube-system";
/// How long giving up the lease may take at the end, in milliseconds.
const RELEASE_TIMEOUT_MS: u64 = 1_000;

/// Who competes for what, and how fast a dead leader is replaced.
#[derive(Clone, Debug)]
pub struct ElectionConfig {
    /// Name of the Lease in `kube-system` (`kube-scheduler`, `kube-controller-manager`).
    pub lease: String,
    /// Identity of this replica.
    pub holder: String,
    /// How long a lease lasts unrenewed, in milliseconds.
    pub lease_ms: u64,
    /// How often it is renewed, in milliseconds.
    pub renew_ms: u64,
}

impl ElectionConfig {
    /// The usual timers: [`LEASE_MS`] and [`RENEW_MS`].
    pub fn new(lease: impl Into<String>, holder: impl Into<String>) -> Self {
        Self { lease: lease.into(), holder: holder.into(), lease_ms: LEASE_MS, renew_ms: RENEW_MS }
    }
}

/// Takes part in an election until it is resigned or dropped.
pub struct Election {
    leads: watch::Receiver<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Election {
    /// `true` only while this replica leads, see [`run`].
    pub fn leads(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }

    /// Stops taking part. Where this replica leads it gives up the lease, so that another takes over at once; that is
    /// done, or has failed, when this returns. The caller must have stopped acting as a leader before.
    pub async fn resign(self) {
        drop(self.leads);
        // The task ends by itself once nobody listens; it cannot be cancelled from elsewhere.
        let _ = self.task.await;
    }
}

/// Competes in a task of its own. `leads` turns `false` before the lease can be taken by another, measured by this
/// process' monotonic clock. In the Lease the holder is `config.holder` with a random suffix (`scheduler-1_8f3a…`):
/// a replica that was killed and started again must not take its old self's lease for its own.
pub fn start(bus: &Bus, config: ElectionConfig) -> Election {
    let (sender, leads) = watch::channel(false);
    let task = tokio::spawn(Candidate::new(bus, config, sender).compete());
    Election { leads, task }
}

/// Competes for ever in a task of its own. The receiver holds `true` only while this replica leads; it turns `false`
/// before the lease can be taken by another (measured by this process' monotonic clock), or when a renewal is lost.
/// Once every receiver is dropped the lease is given up.
pub fn run(bus: &Bus, config: ElectionConfig) -> watch::Receiver<bool> {
    start(bus, config).leads
}

struct Candidate {
    leases: Api<Lease>,
    config: ElectionConfig,
    me: String,
    lease: Duration,
    memory: Memory,
    /// The Lease as it was last read or written.
    object: Option<Lease>,
    clock: Instant,
    valid_until: Option<Duration>,
    leads: watch::Sender<bool>,
}

impl Candidate {
    fn new(bus: &Bus, config: ElectionConfig, leads: watch::Sender<bool>) -> Self {
        let lease = Duration::from_millis(config.lease_ms);
        Self {
            // A request that outlives the lease helps nobody.
            leases: Api::namespaced(bus.with_deadline(lease).kube(), NAMESPACE),
            me: format!("{}_{}", config.holder, uuid::Uuid::new_v4().simple()),
            lease,
            config,
            memory: Memory::default(),
            object: None,
            clock: Instant::now(),
            valid_until: None,
            leads,
        }
    }

    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn compete(mut self) {
        loop {
            let pause = match self.valid_until {
                // A step that hangs must not let the lease run out unnoticed.
                Some(until) => {
                    let until = self.clock + until;
                    tokio::time::timeout_at(until, self.step()).await.unwrap_or(Duration::ZERO)
                }
                None => self.step().await,
            };
            self.tell();
            let wake = match self.valid_until {
                Some(until) => (self.now() + pause).min(until),
                None => self.now() + pause,
            };
            let wake = self.clock + wake;
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                () = self.leads.closed() => break,
            }
            self.tell();
        }
        self.release().await;
    }

    /// Tells the truth about leading at this moment.
    fn tell(&mut self) {
        let leads = self.valid_until.is_some_and(|until| self.now() < until);
        if !leads {
            self.valid_until = None;
        }
        let changed = self.leads.send_if_modified(|told| std::mem::replace(told, leads) != leads);
        if changed {
            tracing::info!(lease = %self.config.lease, holder = %self.me, leads, "leadership changed");
        }
    }

    /// Reads the lease where need be, does what is to be done, and says when to come back.
    async fn step(&mut self) -> Duration {
        let renew = Duration::from_millis(self.config.renew_ms);
        // What this replica wrote itself need not be read again before the next renewal.
        if self.valid_until.is_none() || self.object.is_none() {
            match self.leases.get_opt(&self.config.lease).await {
                Ok(object) => self.remember(object),
                Err(error) => {
                    tracing::debug!(lease = %self.config.lease, %error, "the lease cannot be read");
                    return jittered(renew);
                }
            }
        }
        let action = self.memory.decide(&self.me, self.lease, self.now());
        if let Action::Wait(left) = action {
            return jittered(renew).min(left);
        }
        let sent = self.now();
        match self.write(action).await {
            Ok(object) => {
                self.remember(Some(object));
                self.valid_until = Some(valid_until(sent, self.lease));
                (sent + renew).saturating_sub(self.now())
            }
            Err(error) => {
                // Somebody else was faster, or the answer is lost: only reading can tell.
                tracing::debug!(lease = %self.config.lease, ?action, %error, "the lease was not written");
                self.object = None;
                jittered(renew / 4)
            }
        }
    }

    fn remember(&mut self, object: Option<Lease>) {
        let record = object.as_ref().map(|lease| {
            let spec = lease.spec.as_ref();
            Record {
                holder: spec.and_then(|s| s.holder_identity.clone()).unwrap_or_default(),
                transitions: spec.and_then(|s| s.lease_transitions).unwrap_or(0),
                version: lease.metadata.resource_version.clone().unwrap_or_default(),
            }
        });
        let now = self.now();
        self.memory.observe(record, now);
        self.object = object;
    }

    async fn write(&self, action: Action) -> Result<Lease, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let before = self.object.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let transitions = self.memory.record().map_or(0, |record| record.transitions);
        let spec = LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(self.config.lease_ms.div_ceil(1_000)).ok(),
            renew_time: Some(now.clone()),
            acquire_time: if action == Action::Renew { before.acquire_time.clone() } else { Some(now) },
            lease_transitions: Some(transitions + i32::from(action == Action::Take)),
            ..before
        };
        self.store(spec).await
    }

    async fn store(&self, spec: LeaseSpec) -> Result<Lease, kube::Error> {
        let name = &self.config.lease;
        match &self.object {
            Some(lease) => {
                let lease = Lease { spec: Some(spec), ..lease.clone() };
                self.leases.replace(name, &PostParams::default(), &lease).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(spec) };
                self.leases.create(&PostParams::default(), &lease).await
            }
        }
    }

    /// Gives up the lease if it is ours, as well as that can be done on the way out.
    async fn release(&mut self) {
        let Some(spec) = self.object.as_ref().and_then(|lease| lease.spec.clone()) else { return };
        if spec.holder_identity.as_deref() != Some(&self.me) {
            return;
        }
        let spec = LeaseSpec { holder_identity: Some(String::new()), ..spec };
        let timeout = Duration::from_millis(RELEASE_TIMEOUT_MS);
        match tokio::time::timeout(timeout, self.store(spec)).await {
            Ok(Ok(_)) => tracing::info!(lease = %self.config.lease, "lease given up"),
            Ok(Err(error)) => tracing::warn!(lease = %self.config.lease, %error, "the lease was not given up"),
            Err(_) => tracing::warn!(lease = %self.config.lease, "the lease was not given up in time"),
        }
    }
}

/// A pause of between four and six fifths, so that candidates do not all come at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * rand::random::<f64>())
}
