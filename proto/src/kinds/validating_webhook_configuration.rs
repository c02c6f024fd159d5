//! ValidatingWebhookConfiguration: webhooks that may refuse objects.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, integer};
use serde_json::json;

/// Row of ValidatingWebhookConfiguration.
pub static ROW: KindRow = KindRow {
    group: "admissionregistration.k8s.io",
    kind: "ValidatingWebhookConfiguration",
    plural: "validatingwebhookconfigurations",
    singular: "validatingwebhookconfiguration",
    namespaced: false,
    categories: &["api-extensions"],
    columns: &[NAME, integer("Webhooks"), AGE],
    cells: |o, now| vec![cells::name(o), json!(cells::list(&o["webhooks"]).count()), cells::age(o, now)],
    ..PLAIN
};
