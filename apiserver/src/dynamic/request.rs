//! A request as reviews and expressions see it.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request>

use super::matching::Version;
use super::{Objects, Write};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The request without its objects.
pub(super) fn describe(write: &Write<'_>, version: &Version<'_>) -> Value {
    let path = write.path;
    let row = path.row;
    // What is sent to a subresource may be of another kind than the object.
    let kind = row.subresource(&path.subresource).map_or(row.kind, |subresource| subresource.kind);
    let kind_of = |group: &str, version: &str| json!({"group": group, "version": version, "kind": kind});
    let resource_of = |group: &str, version: &str| json!({"group": group, "version": version, "resource": row.plural});
    let user = write.user;
    let mut request = json!({
        "kind": kind_of(version.group, version.version),
        "resource": resource_of(version.group, version.version),
        "requestKind": kind_of(path.group(), &path.version),
        "requestResource": resource_of(path.group(), &path.version),
        "operation": write.operation.name(),
        "userInfo": {"username": user.name, "groups": user.groups},
        "dryRun": write.dry_run,
        "options": write.options,
    });
    let extra = if user.extra.is_empty() { Value::Null } else { json!(user.extra) };
    let uid = if user.uid.is_empty() { Value::Null } else { json!(user.uid) };
    for (pointer, value) in [("extra", extra), ("uid", uid)] {
        if !value.is_null() {
            request["userInfo"][pointer] = value;
        }
    }
    for (key, text) in [
        ("name", write.name),
        ("namespace", path.namespace.as_str()),
        ("subResource", path.subresource.as_str()),
        ("requestSubResource", path.subresource.as_str()),
    ] {
        if !text.is_empty() {
            request[key] = json!(text);
        }
    }
    request
}

/// An AdmissionReview of the request, under an id that is the same whenever the same is asked.
pub(super) fn review(
    write: &Write<'_>,
    version: &Version<'_>,
    objects: Objects<'_>,
    asked: &str,
    spoken: &str,
) -> Value {
    let mut request = describe(write, version);
    request["uid"] = json!(id_of(write, asked));
    request["object"] = version.show(objects.new);
    request["oldObject"] = version.show(objects.old);
    json!({"kind": "AdmissionReview", "apiVersion": format!("admission.k8s.io/{spoken}"), "request": request})
}

/// An id made of the request's and of whom is asked.
fn id_of(write: &Write<'_>, asked: &str) -> String {
    let about = format!("{asked}/{}/{}", write.path.namespace, write.name);
    let digest = Sha256::new().chain_update(write.id.as_bytes()).chain_update(about.as_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
