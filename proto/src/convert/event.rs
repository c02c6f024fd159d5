//! `events.k8s.io/v1` Event: the same objects as the core group's, with other names for their fields.

use super::{Conversion, rename};
use serde_json::Value;

/// Event of `events.k8s.io`.
pub static EVENT: Conversion = Conversion {
    to_stored: |event| rename_all(event, FIELDS.iter().copied()),
    from_stored: |event| rename_all(event, FIELDS.iter().map(|(new, old)| (*old, *new))),
    field_labels: &[
        ("regarding.kind", "involvedObject.kind"),
        ("regarding.namespace", "involvedObject.namespace"),
        ("regarding.name", "involvedObject.name"),
        ("regarding.uid", "involvedObject.uid"),
        ("regarding.apiVersion", "involvedObject.apiVersion"),
        ("regarding.resourceVersion", "involvedObject.resourceVersion"),
        ("regarding.fieldPath", "involvedObject.fieldPath"),
        ("reportingController", "reportingComponent"),
    ],
    ..super::SAME
};

/// Fields with their names in `events.k8s.io` and in the core group.
const FIELDS: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

fn rename_all<'a>(event: &mut Value, names: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(fields) = event.as_object_mut() else { return };
    names.for_each(|(from, to)| rename(fields, from, to));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_of_both_groups_are_the_same() {
        let newer = json!({"metadata": {"name": "a"}, "eventTime": "t", "reason": "r", "regarding": {"kind": "Pod"},
            "note": "n", "reportingController": "c", "reportingInstance": "i", "deprecatedCount": 2, "unknown": 1});
        let mut event = newer.clone();
        (EVENT.to_stored)(&mut event);
        assert_eq!(
            event,
            json!({"metadata": {"name": "a"}, "eventTime": "t", "reason": "r", "involvedObject": {"kind": "Pod"},
                "message": "n", "reportingComponent": "c", "reportingInstance": "i", "count": 2, "unknown": 1})
        );
        (EVENT.from_stored)(&mut event);
        assert_eq!(event, newer);
    }
}
