//! A plan: what a controller wants done, as data. Whoever makes it does no I/O; the executor carries it out.

use crate::object;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubus_proto::KindRow;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// The two clocks a plan may look at, read once before it is made.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Time of day: for timestamps and for comparing with timestamps.
    pub wall: Timestamp,
    /// Since an arbitrary start, never set back: for silence and time-outs.
    pub monotonic: Duration,
}

/// The object an action is about, and what must still be true of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its kind.
    pub row: &'static KindRow,
    /// Its namespace, empty for cluster-wide objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; a namesake is not touched.
    pub uid: String,
    /// The resourceVersion the plan was made from; `None` where any newer state is as good.
    pub resource_version: Option<String>,
}

impl Target {
    /// The object exactly as it was observed.
    pub fn exact(row: &'static KindRow, metadata: &ObjectMeta) -> Self {
        Self { resource_version: metadata.resource_version.clone(), ..Self::any_version(row, metadata) }
    }

    /// The object, however it has changed since.
    pub fn any_version(row: &'static KindRow, metadata: &ObjectMeta) -> Self {
        Self {
            row,
            namespace: object::namespace(metadata).to_owned(),
            name: object::name(metadata).to_owned(),
            uid: object::uid(metadata).to_owned(),
            resource_version: None,
        }
    }
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They go first.
    Foreground,
    /// They go afterwards.
    Background,
    /// They stay.
    Orphan,
}

/// One request that changes the cluster.
#[derive(Clone, Debug)]
pub enum Action {
    /// Make an object. `object` has its name in its metadata.
    Create {
        /// Kind.
        row: &'static KindRow,
        /// Namespace, empty for cluster-wide objects.
        namespace: String,
        /// Name.
        name: String,
        /// The whole object.
        object: Value,
    },
    /// Change fields by JSON merge patch (lists are replaced whole, so they need an exact target).
    Patch {
        /// Of which object.
        target: Target,
        /// `status`, or empty for the object itself.
        subresource: &'static str,
        /// The patch without preconditions.
        patch: Value,
    },
    /// Delete one object.
    Delete {
        /// Which one.
        target: Target,
        /// How long its containers may take, in seconds; `None` leaves it to the object.
        grace_seconds: Option<u32>,
        /// What becomes of its dependents.
        propagation: Option<Propagation>,
    },
    /// Delete every object of a kind in a namespace.
    DeleteAll {
        /// Kind.
        row: &'static KindRow,
        /// Namespace.
        namespace: String,
    },
    /// Replace the finalizers of a Namespace's spec.
    Finalize {
        /// The namespace.
        target: Target,
        /// The whole Namespace as it should be.
        object: Value,
    },
}

impl Action {
    /// Whether the action only reports. It is carried out even when what it reports about has failed.
    pub fn is_status(&self) -> bool {
        matches!(self, Action::Patch { subresource: "status", .. })
    }
}

/// Normal or Warning, as Events have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Expected.
    Normal,
    /// Someone should look.
    Warning,
}

/// An Event before it has a name, a time and a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// Who reports (`deployment-controller`).
    pub component: &'static str,
    /// Kind of the object it is about.
    pub api_version: String,
    /// Kind of the object it is about.
    pub kind: &'static str,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// uid of the object.
    pub uid: String,
    /// resourceVersion the report was made from.
    pub resource_version: String,
    /// How serious.
    pub severity: Severity,
    /// CamelCase word.
    pub reason: &'static str,
    /// For humans.
    pub message: String,
}

impl EventDraft {
    /// An event of `component` about the object with this metadata.
    pub fn new(
        component: &'static str,
        (row, metadata): (&'static KindRow, &ObjectMeta),
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            component,
            api_version: row.api_version(),
            kind: row.kind,
            namespace: object::namespace(metadata).to_owned(),
            name: object::name(metadata).to_owned(),
            uid: object::uid(metadata).to_owned(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            severity,
            reason,
            message: message.into(),
        }
    }
}

/// An action and what is said about it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// Said when it is done.
    pub then: Option<EventDraft>,
    /// Said when it is refused; the refusal is put after the message.
    pub otherwise: Option<EventDraft>,
}

/// Something a plan must know for certain, from the API and not from a cache.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// One object.
    Object {
        /// Kind.
        row: &'static KindRow,
        /// Namespace, empty for cluster-wide objects.
        namespace: String,
        /// Name.
        name: String,
    },
    /// Everything of a kind in a namespace.
    Content {
        /// Kind.
        row: &'static KindRow,
        /// Namespace.
        namespace: String,
    },
}

impl Lookup {
    /// Every object of a kind, whole and at once: found as one object, the list. For kinds of which there are few.
    pub fn list(row: &'static KindRow) -> Self {
        Lookup::Object { row, namespace: String::new(), name: String::new() }
    }

    /// The path it reads; two lookups with one path are one.
    pub fn path(&self) -> String {
        match self {
            Lookup::Object { row, namespace, name } => kubus_proto::path::ResourcePath::of(row, namespace, name, ""),
            Lookup::Content { row, namespace } => kubus_proto::path::ResourcePath::of(row, namespace, "", ""),
        }
    }
}

/// What a [`Lookup`] found.
#[derive(Clone, Debug)]
pub enum Found {
    /// Nothing of that name.
    Missing,
    /// The object.
    Object(Value),
    /// Metadata of what a namespace holds of a kind (at most one page) and how many more there are.
    Content {
        /// Metadata of the first page.
        items: Vec<ObjectMeta>,
        /// How many are not on it.
        more: usize,
    },
}

/// Answers of the API to the lookups of one reconciliation, by path.
#[derive(Clone, Debug, Default)]
pub struct Live(HashMap<String, Found>);

impl Live {
    /// Keeps an answer.
    pub fn insert(&mut self, lookup: &Lookup, found: Found) {
        self.0.insert(lookup.path(), found);
    }

    /// The answer, `None` where it was not asked yet.
    pub fn get(&self, lookup: &Lookup) -> Option<&Found> {
        self.0.get(&lookup.path())
    }
}

/// How the last attempt at the same key failed; lets a plan report or route around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was tried.
    pub verb: FailedVerb,
    /// Name of the object it was tried on.
    pub name: String,
    /// The API's reason, `None` where no answer came.
    pub reason: Option<kubus_proto::Reason>,
    /// For humans.
    pub message: String,
}

/// What an action that failed wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedVerb {
    /// To make an object.
    Create,
    /// To delete one.
    Delete,
    /// To change one.
    Change,
}

/// Everything a controller wants done for one key.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Carried out in order; creates that follow each other go in growing batches, deletes together.
    pub steps: Vec<Step>,
    /// Said whatever becomes of the steps.
    pub events: Vec<EventDraft>,
    /// Must be answered first; the plan is then made again.
    pub lookups: Vec<Lookup>,
    /// When to look at the key again even if nothing changes.
    pub requeue_after: Option<Duration>,
}

impl Plan {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Adds an action without words.
    pub fn act(&mut self, action: Action) {
        self.steps.push(Step { action, then: None, otherwise: None });
    }

    /// Adds an action and what is said when it is done.
    pub fn act_and_say(&mut self, action: Action, then: EventDraft) {
        self.steps.push(Step { action, then: Some(then), otherwise: None });
    }

    /// Looks at the key again after `delay`, or earlier if that was asked already.
    pub fn again_after(&mut self, delay: Duration) {
        self.requeue_after = Some(self.requeue_after.map_or(delay, |d| d.min(delay)));
    }
}
