//! `metadata` of every kind: what the server sets, what a request may set, what may never change.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>

use crate::behaviour::causes;
use jiff::Timestamp;
use kubus_proto::path::ResourcePath;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, KindRow, Reason, names};
use serde_json::{Map, Value, json};

/// What a writer says when someone else was faster.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// What only the server knows of a new object.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    /// Its time.
    pub now: Timestamp,
    /// Its uid.
    pub uid: uuid::Uuid,
    /// A random number, for names.
    pub seed: u64,
}

/// A moment as objects hold it: RFC 3339 in whole seconds.
pub fn timestamp(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metadata` of an object, made where there is none; `None` where it is no map.
pub fn of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// Fits an object to the path it was sent to: fills in apiVersion, kind and namespace, and refuses another kind,
/// namespace or name. With an empty name in the path any name will do.
pub fn address(path: &ResourcePath, object: &mut Value) -> Result<(), ApiError> {
    let bad = |message: String| Err(ApiError::new(Reason::BadRequest, message));
    let expected = path.api_version();
    if !object.is_object() {
        return bad(format!("the body is not a {}", path.row.kind));
    }
    let version = object["apiVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != expected {
        return bad(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        ));
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    if !kind.is_empty() && kind != path.row.kind {
        return bad(format!("{kind} in version {expected:?} cannot be handled as a {}", path.row.kind));
    }
    object["apiVersion"] = json!(expected);
    object["kind"] = json!(path.row.kind);
    let Some(metadata) = of(object) else { return bad("metadata is not an object".to_owned()) };
    for key in ["name", "namespace"] {
        if metadata.get(key).is_some_and(|v| !v.is_string()) {
            metadata.remove(key);
        }
    }
    if path.row.namespaced {
        let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
        if !namespace.is_empty() && namespace != path.namespace {
            return bad(
                "the namespace of the provided object does not match the namespace sent on the request".to_owned()
            );
        }
        metadata.insert("namespace".to_owned(), json!(path.namespace));
    } else {
        metadata.remove("namespace");
    }
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    if !path.name.is_empty() && name != path.name {
        if !name.is_empty() {
            return bad(format!("the name of the object ({name}) does not match the name on the URL ({})", path.name));
        }
        return bad("name must be provided".to_owned());
    }
    Ok(())
}

/// Drops what no request may set, or nobody stores.
fn drop_ignored(metadata: &mut Map<String, Value>) {
    for key in ["managedFields", "selfLink"] {
        metadata.remove(key);
    }
    metadata.retain(|_, value| !value.is_null());
}

/// Gives a new object its uid, time and, where it asks for one, its name.
pub fn prepare_create(object: &mut Value, birth: &Birth) -> Result<(), ApiError> {
    let Some(metadata) = of(object) else { return Ok(()) };
    drop_ignored(metadata);
    // A dump of an object can be created as it is: what the server sets is set anew.
    for key in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
        metadata.remove(key);
    }
    metadata.insert("uid".to_owned(), json!(birth.uid.to_string()));
    metadata.insert("creationTimestamp".to_owned(), json!(timestamp(birth.now)));
    name_generated(metadata, birth.seed);
    Ok(())
}

fn name_generated(metadata: &mut Map<String, Value>, seed: u64) {
    let has = |key: &str| metadata.get(key).and_then(Value::as_str).is_some_and(|v| !v.is_empty());
    if !has("name") && has("generateName") {
        let prefix = metadata["generateName"].as_str().unwrap_or_default();
        let name = names::generate(prefix, seed);
        metadata.insert("name".to_owned(), json!(name));
    }
}

/// What an update takes over from the object that is there: identity, times, generation, and a deletion that has begun.
pub fn prepare_update(new: &mut Value, old: &Value) {
    let Some(metadata) = of(new) else { return };
    drop_ignored(metadata);
    let old = &old["metadata"];
    let missing = |metadata: &Map<String, Value>, key: &str| {
        metadata.get(key).is_none_or(|v| v.as_str().is_some_and(str::is_empty))
    };
    for key in ["uid", "creationTimestamp", "generateName", "deletionGracePeriodSeconds"] {
        if missing(metadata, key) && !old[key].is_null() {
            metadata.insert(key.to_owned(), old[key].clone());
        }
    }
    for key in ["generation", "deletionTimestamp"] {
        match &old[key] {
            Value::Null => metadata.remove(key),
            value => metadata.insert(key.to_owned(), value.clone()),
        };
    }
    metadata.remove("resourceVersion");
}

/// Counts `metadata.generation` up, where the object has one.
pub fn bump_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_i64().filter(|g| *g > 0) {
        object["metadata"]["generation"] = json!(generation + 1);
    }
}

/// Refuses a write meant for another object or another version of it. Empty texts ask for nothing.
pub fn preconditions(row: &KindRow, name: &str, uid: &str, version: &str, old: &Value) -> Result<(), ApiError> {
    let conflict = |why: &str| Err(ApiError::conflict(row.group, row.plural, name, why));
    let (old_uid, old_version) = (text(old, "uid"), text(old, "resourceVersion"));
    if !uid.is_empty() && uid != old_uid {
        return conflict(&format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {old_uid}"));
    }
    if !version.is_empty() && version != "0" && version != old_version {
        return conflict(MODIFIED);
    }
    Ok(())
}

/// What an update may not change in the metadata, after [`prepare_update`]. Name and namespace are held by [`address`], the
/// uid by [`preconditions`], the rest by the kind's validation.
pub fn validate_update(new: &Value, old: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    for key in ["creationTimestamp", "deletionGracePeriodSeconds"] {
        let (new, old) = (&new["metadata"][key], &old["metadata"][key]);
        if new != old {
            found.push(causes::invalid(format!("metadata.{key}"), new.clone(), "field is immutable"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds;

    fn birth() -> Birth {
        Birth { now: Timestamp::UNIX_EPOCH, uid: uuid::Uuid::from_u128(7), seed: 12_345 }
    }

    #[test]
    fn a_new_object_gets_what_only_the_server_gives() {
        let mut object = json!({"metadata": {"generateName": "web-", "uid": "mine", "creationTimestamp": null,
            "deletionTimestamp": "x", "managedFields": [], "generation": 9, "labels": {"a": "b"}}});
        prepare_create(&mut object, &birth()).expect("prepared");
        let name = object["metadata"]["name"].as_str().expect("name").to_owned();
        assert!(name.starts_with("web-") && name.len() == 9);
        assert_eq!(
            object["metadata"],
            json!({"generateName": "web-", "name": name, "uid": "00000000-0000-0000-0000-000000000007",
                "creationTimestamp": "1970-01-01T00:00:00Z", "labels": {"a": "b"}})
        );
        let mut dump = json!({"metadata": {"name": "a", "resourceVersion": "5", "uid": "u", "generation": 9}});
        prepare_create(&mut dump, &birth()).expect("a dump is taken");
        assert_eq!(
            (&dump["metadata"]["resourceVersion"], &dump["metadata"]["generation"]),
            (&json!(null), &json!(null))
        );
    }

    #[test]
    fn an_update_cannot_change_identity_or_undo_a_deletion() {
        let old = json!({"metadata": {"name": "a", "uid": "u", "creationTimestamp": "t", "generation": 3,
            "deletionTimestamp": "d", "deletionGracePeriodSeconds": 30, "finalizers": ["a/b"], "resourceVersion": "9"}});
        let mut new =
            json!({"metadata": {"name": "a", "generation": 77, "resourceVersion": "9", "finalizers": ["a/b"]}});
        prepare_update(&mut new, &old);
        let mut expected = old.clone();
        expected["metadata"].as_object_mut().expect("map").remove("resourceVersion");
        assert_eq!(new, expected);
        assert!(validate_update(&new, &old).is_empty());
        for (key, value, message) in [
            ("creationTimestamp", json!("v"), "Invalid value: \"v\": field is immutable"),
            ("deletionGracePeriodSeconds", json!(5), "Invalid value: 5: field is immutable"),
        ] {
            let mut changed = new.clone();
            changed["metadata"][key] = value;
            let found = validate_update(&changed, &old);
            assert_eq!(found.len(), 1, "{key}");
            assert_eq!((found[0].field.as_str(), found[0].message.as_str()), (&*format!("metadata.{key}"), message));
        }
    }

    #[test]
    fn objects_must_fit_the_path_they_are_sent_to() {
        let path = ResourcePath::parse("/api/v1/namespaces/x/pods/a").expect("path");
        let mut plain = json!({"metadata": {"name": "a"}});
        address(&path, &mut plain).expect("fits");
        assert_eq!(plain, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "x"}}));
        for (object, message) in [
            (
                json!({"apiVersion": "v2"}),
                "the API version in the data (v2) does not match the expected API version (v1)",
            ),
            (json!({"kind": "Node"}), "Node in version \"v1\" cannot be handled as a Pod"),
            (
                json!({"metadata": {"name": "a", "namespace": "y"}}),
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
            (json!({"metadata": {"name": "b"}}), "the name of the object (b) does not match the name on the URL (a)"),
            (json!("x"), "the body is not a Pod"),
        ] {
            let error = address(&path, &mut object.clone()).expect_err(message);
            assert_eq!((error.message.as_str(), error.reason), (message, Reason::BadRequest));
        }
    }

    #[test]
    fn preconditions_are_worded_like_kubernetes() {
        let old = json!({"metadata": {"uid": "u", "resourceVersion": "5"}});
        let check = |uid: &str, version: &str| preconditions(&kinds::deployment::ROW, "web", uid, version, &old);
        for (uid, version) in [("", ""), ("u", "5"), ("", "0")] {
            assert!(check(uid, version).is_ok(), "{uid} {version}");
        }
        let error = check("", "4").expect_err("conflict");
        assert_eq!(
            error.message,
            "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your \
             changes to the latest version and try again"
        );
        assert!(
            check("v", "5").expect_err("conflict").message.contains("UID in precondition: v, UID in object meta: u")
        );
    }
}
