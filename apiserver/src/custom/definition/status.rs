//! What becomes of a definition's names: accepted, or refused because another definition was first.

use crate::custom::registry::is_established;
use crate::state::State;
use jiff::Timestamp;
use kubus_proto::KIND_TABLE;
use kubus_proto::kinds::custom_resource_definition::ROW;
use serde_json::{Value, json};

/// Holds a definition until its objects are gone.
pub const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Names that only one kind of a group may have, with the reason that is given where it is taken. Those that list
/// names of one sort are compared with each other.
const UNIQUE: [(&str, &str); 5] = [
    ("plural", "PluralConflict"),
    ("singular", "SingularConflict"),
    ("shortNames", "ShortNamesConflict"),
    ("kind", "KindConflict"),
    ("listKind", "ListKindConflict"),
];

/// Gives a definition the status it has in `state`: names accepted or not, versions that are stored, and the finalizer
/// that waits for its objects.
pub fn settle(definition: &mut Value, state: &State, now: Timestamp) {
    if !definition["status"].is_object() {
        definition["status"] = json!({});
    }
    let conflict = conflict(definition, state);
    let accepted = match &conflict {
        None => definition["spec"]["names"].clone(),
        Some(_) if definition["status"]["acceptedNames"].is_object() => definition["status"]["acceptedNames"].clone(),
        Some(_) => json!({"plural": "", "kind": ""}),
    };
    definition["status"]["acceptedNames"] = accepted;
    let (status, reason, message) = match &conflict {
        None => ("True", "NoConflicts", "no conflicts found".to_owned()),
        Some((reason, message)) => ("False", *reason, message.clone()),
    };
    set_condition(definition, "NamesAccepted", status, reason, &message, now);
    if conflict.is_none() {
        set_condition(
            definition,
            "Established",
            "True",
            "InitialNamesAccepted",
            "the initial names have been accepted",
            now,
        );
    } else if !is_established(definition) {
        set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
    store_versions(definition);
}

/// Lets a definition that is to be deleted wait for its objects.
pub fn hold_for_objects(definition: &mut Value, now: Timestamp) {
    if !definition["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let finalizers = &mut definition["metadata"]["finalizers"];
    if !finalizers.is_array() {
        *finalizers = json!([]);
    }
    if let Some(list) = finalizers.as_array_mut().filter(|list| !list.iter().any(|f| f == FINALIZER)) {
        list.push(json!(FINALIZER));
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set_condition(definition, "Terminating", "True", "InstanceDeletionPending", message, now);
}

/// The version objects are stored in is one of those they may be stored in.
fn store_versions(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let storage =
        versions.into_iter().find(|version| version["storage"] == true).map(|version| version["name"].clone());
    let stored = &mut definition["status"]["storedVersions"];
    if !stored.is_array() {
        *stored = json!([]);
    }
    if let (Some(storage), Some(stored)) = (storage, stored.as_array_mut())
        && !stored.contains(&storage)
    {
        stored.push(storage);
    }
}

fn set_condition(definition: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
    let conditions = &mut definition["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else { return };
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    match conditions.iter_mut().find(|condition| condition["type"] == kind) {
        Some(known) => {
            if known["status"] != status {
                known["lastTransitionTime"] = json!(now);
            }
            known["status"] = json!(status);
            known["reason"] = json!(reason);
            known["message"] = json!(message);
        }
        None => conditions.push(json!({"type": kind, "status": status, "lastTransitionTime": now, "reason": reason,
            "message": message})),
    }
}

/// Names of one sort.
fn names(all: &Value, sort: &str) -> Vec<String> {
    let one = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    match &all[sort] {
        Value::Array(list) => list.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// Sorts of names that are typed in the same places, so that they may not be alike.
fn rivals(sort: &str) -> &'static [&'static str] {
    match sort {
        "kind" | "listKind" => &["kind", "listKind"],
        _ => &["plural", "singular", "shortNames"],
    }
}

/// Who has a name of this definition already, if anybody.
fn conflict(definition: &Value, state: &State) -> Option<(&'static str, String)> {
    let (own, group) = (&definition["metadata"]["name"], definition["spec"]["group"].as_str().unwrap_or_default());
    let suffix = format!(".{group}");
    let mut taken: Vec<Value> = state
        .list(&ROW.resource_key(), None, None)
        .filter(|(name, _)| name.name.ends_with(&suffix) && *own != *name.name)
        .filter_map(|(_, object)| object.decode().ok())
        .filter(|other| other["spec"]["group"] == group)
        .map(|other| other["status"]["acceptedNames"].clone())
        .collect();
    taken.extend(KIND_TABLE.iter().filter(|row| row.group == group).map(|row| {
        json!({"plural": row.plural, "singular": row.singular, "shortNames": row.short_names, "kind": row.kind,
            "listKind": format!("{}List", row.kind)})
    }));
    let wanted = &definition["spec"]["names"];
    UNIQUE.iter().find_map(|(sort, reason)| {
        let others: Vec<String> =
            taken.iter().flat_map(|other| rivals(sort).iter().flat_map(|sort| names(other, sort))).collect();
        let name = names(wanted, sort).into_iter().find(|name| others.contains(name))?;
        Some((*reason, format!("{name:?} is already in use")))
    })
}
