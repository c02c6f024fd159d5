//! What an update makes of an object: the part of it that may change, checked, or nothing, or its end.

use super::call::Call;
use super::conduct::Conduct;
use super::consult::Stop;
use super::create::{encode, refuse, tried};
use super::ownership::{New, Owners, Ownership};
use super::removal;
use super::{commit::Decision, metadata};
use crate::behaviour::{FieldValidation, causes, certificate_signing_request, pod_parts};
use crate::dynamic::{Objects, Operation};
use crate::managed_fields;
use crate::state::{Action, Key, Object, Op, Require, State};
use jiff::Timestamp;
use kubus_proto::Verb;
use kubus_proto::path::ResourcePath;
use serde_json::Value;
use std::sync::Arc;

/// Which part of the object a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status.
    Whole,
    /// The status.
    Status,
    /// `spec.finalizers` of a namespace.
    Finalizers,
    /// The decision about a CertificateSigningRequest.
    Approval,
    /// The ephemeral containers of a pod.
    EphemeralContainers,
    /// What the containers of a pod may use.
    Resize,
}

/// A change that is asked for.
pub struct Revision<'a> {
    /// The request.
    pub call: &'a Call,
    /// Which object.
    pub path: &'a ResourcePath,
    /// update or patch.
    pub verb: Verb,
    /// Which part of it.
    pub part: Part,
    /// What to do about unknown fields.
    pub validation: FieldValidation,
    /// Whether it is only tried out.
    pub dry_run: bool,
    /// Who comes to own what changes.
    pub ownership: Ownership,
}

impl Revision<'_> {
    /// Decides what `new`, sent for `old` (the decoded `current`, whose managed fields are in `stored`), comes to; warnings
    /// go into `warnings`.
    pub fn decide(
        &self,
        state: &State,
        current: &Arc<Object>,
        (old, stored): (&Value, Value),
        new: New,
        warnings: &mut Vec<String>,
    ) -> Result<Decision, Stop> {
        let New { object: mut new, owners } = new;
        let row = self.path.row;
        let conduct = self.call.conduct();
        metadata::address(self.path, &mut new)?;
        *warnings = conduct.receive(self.path, self.verb, &mut new, self.validation)?;
        let sent = |key: &str| new["metadata"][key].as_str().unwrap_or_default().to_owned();
        let (uid, version) = (sent("uid"), sent("resourceVersion"));
        metadata::preconditions(row, &self.path.name, &uid, &version, old)?;
        let mut wrong = Vec::new();
        // Leases are locks: who writes one must have seen it.
        if row.group == "coordination.k8s.io"
            && row.plural == "leases"
            && self.verb == Verb::Update
            && version.is_empty()
        {
            wrong.push(causes::invalid("metadata.resourceVersion", 0, "must be specified for an update"));
        }
        conduct.default(&mut new);
        warnings.extend(self.call.mutate(Operation::Update, &mut new, old, self.dry_run, state)?.warnings);
        self.prepare(conduct, &mut new, old);
        let managed = self.ownership.updated(old, &new, stored, self.heard(owners));
        wrong.extend(metadata::validate_update(&new, old));
        match self.part {
            Part::Whole => wrong.extend(conduct.validate_update(&new, old)),
            Part::Status => wrong.extend(conduct.validate_status(&new, old)),
            Part::Finalizers => {}
            Part::Approval => certificate_signing_request::approval_rules(&new, old, &mut wrong),
            Part::EphemeralContainers => {
                conduct.rules(&new, &mut wrong);
                pod_parts::ephemeral_rules(&new, old, &mut wrong);
            }
            Part::Resize => {
                conduct.rules(&new, &mut wrong);
                pod_parts::resize_rules(&new, old, &mut wrong);
            }
        }
        refuse(row, &new, wrong)?;
        if self.part == Part::Whole {
            warnings.extend(conduct.warnings(&new));
        }
        let objects = Objects { new: &new, old };
        warnings.extend(self.call.review(Operation::Update, objects, self.dry_run, state)?.warnings);
        // The revision is the store's; with the old one in place the objects can be compared.
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        let due = removal::is_due(row, &new);
        if new == *old && !managed.changed && !due {
            return Ok(Decision::Keep(current.clone()));
        }
        managed_fields::put(&mut new, managed.fields);
        if self.dry_run {
            return Ok(Decision::Tried(tried(&new)?));
        }
        let action = if due { Action::Delete } else { Action::Put(encode(row, &*self.call.stored(&new)?)?) };
        let key = Key::new(row.resource_key(), self.path.namespace.as_str(), self.path.name.as_str());
        Ok(Decision::Write(vec![Op { key, require: Require::revision(current.revision), action }]))
    }

    /// Only who writes the whole object is heard about its managed fields.
    fn heard(&self, owners: Owners) -> Owners {
        match owners {
            Owners::Sent(_) if self.part != Part::Whole => Owners::Sent(None),
            owners => owners,
        }
    }

    fn prepare(&self, conduct: Conduct<'_>, new: &mut Value, old: &Value) {
        match self.part {
            Part::Whole => conduct.prepare_update(new, old),
            Part::Status => conduct.prepare_status(new, old),
            Part::Approval => certificate_signing_request::prepare_approval(new, old, Timestamp::now()),
            Part::EphemeralContainers => pod_parts::prepare_ephemeral(new, old),
            Part::Resize => pod_parts::prepare_resize(new, old),
            Part::Finalizers => {
                let finalizers = new["spec"]["finalizers"].take();
                *new = old.clone();
                if finalizers.as_array().is_some_and(|f| !f.is_empty()) {
                    new["spec"]["finalizers"] = finalizers;
                } else if let Some(spec) = new["spec"].as_object_mut() {
                    spec.remove("finalizers");
                }
            }
        }
        metadata::prepare_update(new, old);
        let changes_spec = matches!(self.part, Part::Whole | Part::EphemeralContainers | Part::Resize);
        if changes_spec && conduct.spec_changed(new, old) {
            metadata::bump_generation(new);
        }
    }
}
