//! Where the way of a request meets what users define about it: webhooks and policies.

use super::call::Call;
use super::consult::Stop;
use crate::dynamic::{Objects, Operation, Remarks, Write, policies, webhooks};
use crate::state::State;
use serde_json::{Value, json};

impl Call {
    /// The request as admission sees it; `name` is the object's.
    fn write<'a>(&'a self, operation: Operation, name: &'a str, dry_run: bool) -> Write<'a> {
        let kind = match operation {
            Operation::Create if self.verb == kubus_proto::Verb::Patch => "PatchOptions",
            Operation::Create => "CreateOptions",
            Operation::Update if self.verb == kubus_proto::Verb::Patch => "PatchOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Connect => "",
        };
        let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
        for key in ["fieldManager", "fieldValidation"] {
            let text = self.query.text(key);
            if !text.is_empty() {
                options[key] = json!(text);
            }
        }
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        Write { id: self.id, operation, path: &self.path, name, user: &self.caller.user, dry_run, options }
    }

    /// Lets webhooks change a new or changed object.
    pub(super) fn mutate(
        &self,
        operation: Operation,
        object: &mut Value,
        old: &Value,
        dry_run: bool,
        state: &State,
    ) -> Result<Remarks, Stop> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let write = self.write(operation, &name, dry_run);
        webhooks::mutate(&write, object, old, state, &self.memo, &|object| self.conduct().default(object))
    }

    /// Asks policies and webhooks whether the object may be what it is to be.
    pub(super) fn review(
        &self,
        operation: Operation,
        objects: Objects<'_>,
        dry_run: bool,
        state: &State,
    ) -> Result<Remarks, Stop> {
        let named = if objects.new.is_object() { objects.new } else { objects.old };
        let name = named["metadata"]["name"].as_str().unwrap_or_default();
        let write = self.write(operation, name, dry_run);
        let mut remarks = policies::validate(&write, objects, state)?;
        let more = webhooks::validate(&write, objects, state, &self.memo)?;
        remarks.warnings.extend(more.warnings);
        remarks.annotations.extend(more.annotations);
        for (key, text) in &remarks.annotations {
            tracing::info!(target: "audit", id = %self.id, key, text, "admission");
        }
        Ok(remarks)
    }

    /// Asks webhooks and policies whether an object may be deleted; gives the warnings.
    pub(super) fn review_deletion(&self, old: &Value, dry_run: bool, state: &State) -> Result<Vec<String>, Stop> {
        let mut nothing = Value::Null;
        let name = old["metadata"]["name"].as_str().unwrap_or_default();
        let write = self.write(Operation::Delete, name, dry_run);
        let mut warnings =
            webhooks::mutate(&write, &mut nothing, old, state, &self.memo, &|_| {}).map(|remarks| remarks.warnings)?;
        let objects = Objects { new: &Value::Null, old };
        warnings.extend(self.review(Operation::Delete, objects, dry_run, state)?.warnings);
        Ok(warnings)
    }
}
