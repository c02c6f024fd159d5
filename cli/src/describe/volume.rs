//! Volumes in a description.

use super::container::Indent;
use super::writer::{Description, list, or_none, text};
use serde_json::Value;

/// What a kind of volume says: its key, what it is, and its fields with their keys and what stands for nothing.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const VOLUMES: &[Row] = &[
    ("hostPath", "HostPath (bare host directory volume)", &[("Path", "path", ""), ("HostPathType", "type", "<none>")]),
    (
        "emptyDir",
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        &[("Medium", "medium", ""), ("SizeLimit", "sizeLimit", "<unset>")],
    ),
    (
        "secret",
        "Secret (a volume populated by a Secret)",
        &[("SecretName", "secretName", ""), ("Optional", "optional", "false")],
    ),
    (
        "configMap",
        "ConfigMap (a volume populated by a ConfigMap)",
        &[("Name", "name", ""), ("Optional", "optional", "false")],
    ),
    (
        "persistentVolumeClaim",
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        &[("ClaimName", "claimName", ""), ("ReadOnly", "readOnly", "false")],
    ),
    (
        "nfs",
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        &[("Server", "server", ""), ("Path", "path", ""), ("ReadOnly", "readOnly", "false")],
    ),
];

/// Adds a list of volumes.
pub(super) fn describe(volumes: &Value, indent: Indent, out: &mut Description) {
    if list(volumes).is_empty() {
        out.line(0, &format!("{}Volumes:\t<none>", indent.heading()));
        return;
    }
    out.line(0, &format!("{}Volumes:", indent.heading()));
    for volume in list(volumes) {
        out.line(1, &format!("{}{}:", indent.name(), text(&volume["name"])));
        if let Some((key, what, fields)) = VOLUMES.iter().find(|(key, ..)| volume[*key].is_object()) {
            out.field(2, "Type", what);
            for (title, field, nothing) in *fields {
                let value = text(&volume[*key][*field]);
                out.field(2, title, if value.is_empty() { nothing } else { &value });
            }
        } else if volume["projected"].is_object() {
            describe_projected(&volume["projected"], out);
        } else if volume["downwardAPI"].is_object() {
            out.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
            out.line(2, "Items:");
            for item in list(&volume["downwardAPI"]["items"]) {
                let from = text(&item["fieldRef"]["fieldPath"]);
                let from = if from.is_empty() { text(&item["resourceFieldRef"]["resource"]) } else { from };
                out.line(3, &format!("{from} -> {}", text(&item["path"])));
            }
        } else {
            out.line(2, "<unknown>");
        }
    }
}

fn describe_projected(projected: &Value, out: &mut Description) {
    out.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
    // kubectl prints a pointer here, and Go's nil pointers print like this.
    let optional = |value: &Value| or_none(text(value)).replace("<none>", "<nil>");
    for source in list(&projected["sources"]) {
        if source["secret"].is_object() {
            out.field(2, "SecretName", &text(&source["secret"]["name"]));
            out.field(2, "SecretOptionalName", &optional(&source["secret"]["optional"]));
        } else if source["downwardAPI"].is_object() {
            out.field(2, "DownwardAPI", "true");
        } else if source["configMap"].is_object() {
            out.field(2, "ConfigMapName", &text(&source["configMap"]["name"]));
            out.field(2, "ConfigMapOptional", &optional(&source["configMap"]["optional"]));
        } else if source["serviceAccountToken"].is_object() {
            out.field(2, "TokenExpirationSeconds", &text(&source["serviceAccountToken"]["expirationSeconds"]));
        }
    }
}
