//! Descriptions of ConfigMap and Secret.

use super::writer::{Description, map, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

fn describe_head(object: &Value, out: &mut Description) {
    let metadata = &object["metadata"];
    out.field(0, "Name", &text(&metadata["name"]));
    out.field(0, "Namespace", &text(&metadata["namespace"]));
    out.labels("Labels", &metadata["labels"]);
    out.annotations("Annotations", &metadata["annotations"]);
}

/// Adds a ConfigMap with its texts.
pub(super) fn describe_config_map(object: &Value, out: &mut Description) {
    describe_head(object, out);
    out.line(0, "\nData\n====");
    for (key, value) in map(&object["data"]) {
        out.line(0, &format!("{key}:\n----\n{value}\n"));
    }
    out.line(0, "\nBinaryData\n====");
    for (key, value) in map(&object["binaryData"]) {
        out.line(0, &format!("{key}: {} bytes", length(&value)));
    }
    out.line(0, "");
}

/// Adds a Secret with the sizes of what it holds.
pub(super) fn describe_secret(object: &Value, out: &mut Description) {
    describe_head(object, out);
    out.line(0, &format!("\nType:\t{}\n\nData\n====", text(&object["type"])));
    for (key, value) in map(&object["data"]) {
        if object["type"] == "kubernetes.io/service-account-token" && key == "token" {
            let token = STANDARD.decode(&value).unwrap_or_default();
            out.field(0, &key, &String::from_utf8_lossy(&token));
        } else {
            out.field(0, &key, &format!("{} bytes", length(&value)));
        }
    }
}

fn length(base64: &str) -> usize {
    STANDARD.decode(base64).map_or(base64.len(), |bytes| bytes.len())
}
