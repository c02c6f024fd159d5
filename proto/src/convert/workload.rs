//! The workloads of `extensions/v1beta1`, `apps/v1beta1` and `apps/v1beta2`: the shape of `apps/v1`, older defaults.

use super::{Conversion, fields, put};
use serde_json::{Map, Value, json};

/// A number that stood for "no limit".
const UNLIMITED: i32 = i32::MAX;

/// Deployment of `extensions/v1beta1`.
pub static DEPLOYMENT_EXTENSIONS: Conversion = Conversion {
    defaults: |deployment| {
        take_from_template(deployment);
        let Some(spec) = fields(deployment, "spec") else { return };
        put(spec, "revisionHistoryLimit", || json!(UNLIMITED));
        put(spec, "progressDeadlineSeconds", || json!(UNLIMITED));
        if let Some(rolling) = rolling(spec, "strategy", "RollingUpdate") {
            put(rolling, "maxUnavailable", || json!(1));
            put(rolling, "maxSurge", || json!(1));
        }
    },
    ..ROLLED_BACK
};

/// Deployment of `apps/v1beta1`.
pub static DEPLOYMENT_APPS_V1BETA1: Conversion = Conversion {
    defaults: |deployment| {
        take_from_template(deployment);
        if let Some(spec) = fields(deployment, "spec") {
            put(spec, "revisionHistoryLimit", || json!(2));
        }
    },
    ..ROLLED_BACK
};

/// ReplicaSet of `extensions/v1beta1`.
pub static REPLICA_SET_EXTENSIONS: Conversion = Conversion { defaults: take_from_template, ..super::SAME };

/// DaemonSet of `extensions/v1beta1`.
pub static DAEMON_SET_EXTENSIONS: Conversion = Conversion {
    defaults: |set| {
        take_from_template(set);
        if let Some(spec) = fields(set, "spec") {
            // Where nothing is said a DaemonSet of this version waits until its pods are deleted.
            rolling(spec, "updateStrategy", "OnDelete");
        }
    },
    to_stored: |set| to_annotation(set, "templateGeneration", TEMPLATE_GENERATION),
    from_stored: |set| from_annotation(set, "templateGeneration", TEMPLATE_GENERATION),
    ..super::SAME
};

/// StatefulSet of `apps/v1beta1`.
pub static STATEFUL_SET_APPS_V1BETA1: Conversion = Conversion {
    defaults: |set| {
        take_from_template(set);
        if let Some(spec) = fields(set, "spec") {
            rolling(spec, "updateStrategy", "OnDelete");
        }
    },
    ..super::SAME
};

/// Where a DaemonSet's `spec.templateGeneration` went.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
/// Where a Deployment's `spec.rollbackTo.revision` went.
const ROLLBACK_TO: &str = "deprecated.deployment.rollback.to";

const ROLLED_BACK: Conversion = Conversion {
    to_stored: |deployment| {
        if let Some(spec) = fields(deployment, "spec")
            && let Some(Value::Object(mut rollback)) = spec.remove("rollbackTo")
        {
            spec.insert("rollbackTo".to_owned(), rollback.remove("revision").unwrap_or_else(|| json!(0)));
            to_annotation(deployment, "rollbackTo", ROLLBACK_TO);
        }
    },
    from_stored: |deployment| {
        from_annotation(deployment, "rollbackTo", ROLLBACK_TO);
        if let Some(spec) = fields(deployment, "spec")
            && let Some(revision) = spec.remove("rollbackTo")
        {
            spec.insert("rollbackTo".to_owned(), json!({"revision": revision}));
        }
    },
    ..super::SAME
};

/// What the newer versions demand: a selector, which was the template's labels, and labels, which were too.
fn take_from_template(object: &mut Value) {
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    let Some(labels) = labels.as_object().filter(|labels| !labels.is_empty()).cloned() else { return };
    if let Some(spec) = fields(object, "spec") {
        put(spec, "selector", || json!({"matchLabels": labels}));
    }
    if let Some(metadata) = fields(object, "metadata")
        && metadata.get("labels").and_then(Value::as_object).is_none_or(Map::is_empty)
    {
        metadata.insert("labels".to_owned(), Value::Object(labels));
    }
}

/// The strategy's parameters where it rolls, made where there are none; its type is `default` where it has none.
fn rolling<'a>(spec: &'a mut Map<String, Value>, key: &str, default: &str) -> Option<&'a mut Map<String, Value>> {
    put(spec, key, || json!({}));
    let strategy = spec.get_mut(key)?.as_object_mut()?;
    if strategy.get("type").and_then(Value::as_str).unwrap_or_default().is_empty() {
        strategy.insert("type".to_owned(), json!(default));
    }
    if strategy["type"] != "RollingUpdate" {
        return None;
    }
    put(strategy, "rollingUpdate", || json!({}));
    strategy.get_mut("rollingUpdate")?.as_object_mut()
}

/// A number of the spec that newer versions keep as an annotation.
fn to_annotation(object: &mut Value, field: &str, annotation: &str) {
    let Some(number) = fields(object, "spec").and_then(|spec| {
        let is_number = spec.get(field).is_some_and(|value| value.is_i64() || value.is_null());
        is_number.then(|| spec.remove(field)).flatten().and_then(|value| value.as_i64())
    }) else {
        return;
    };
    let Some(fields) = object.as_object_mut() else { return };
    let Some(metadata) = fields.entry("metadata").or_insert_with(|| json!({})).as_object_mut() else { return };
    put(metadata, "annotations", || json!({}));
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.insert(annotation.to_owned(), json!(number.to_string()));
    }
}

fn from_annotation(object: &mut Value, field: &str, annotation: &str) {
    let Some(metadata) = fields(object, "metadata") else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    let Some(number) = annotations.get(annotation).and_then(|v| v.as_str()?.parse::<i64>().ok()) else { return };
    annotations.remove(annotation);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    if let Some(spec) = fields(object, "spec") {
        spec.insert(field.to_owned(), json!(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(conversion: &Conversion, spec: Value) -> Value {
        let mut object = json!({"metadata": {"name": "a"}, "spec": spec});
        object["spec"]["template"] = json!({"metadata": {"labels": {"app": "web"}}});
        (conversion.defaults)(&mut object);
        object
    }

    #[test]
    fn older_versions_have_older_defaults() {
        let selector = json!({"matchLabels": {"app": "web"}});
        for (conversion, pointer, expected) in [
            (&DEPLOYMENT_EXTENSIONS, "/spec/selector", selector.clone()),
            (&DEPLOYMENT_EXTENSIONS, "/metadata/labels", json!({"app": "web"})),
            (&DEPLOYMENT_EXTENSIONS, "/spec/revisionHistoryLimit", json!(UNLIMITED)),
            (&DEPLOYMENT_EXTENSIONS, "/spec/strategy/rollingUpdate", json!({"maxUnavailable": 1, "maxSurge": 1})),
            (&DEPLOYMENT_APPS_V1BETA1, "/spec/selector", selector.clone()),
            (&DEPLOYMENT_APPS_V1BETA1, "/spec/revisionHistoryLimit", json!(2)),
            (&REPLICA_SET_EXTENSIONS, "/spec/selector", selector.clone()),
            (&DAEMON_SET_EXTENSIONS, "/spec/selector", selector.clone()),
            (&DAEMON_SET_EXTENSIONS, "/spec/updateStrategy", json!({"type": "OnDelete"})),
            (&STATEFUL_SET_APPS_V1BETA1, "/spec/selector", selector),
            (&STATEFUL_SET_APPS_V1BETA1, "/spec/updateStrategy", json!({"type": "OnDelete"})),
        ] {
            assert_eq!(defaulted(conversion, json!({})).pointer(pointer), Some(&expected), "{pointer}");
        }
        let own = json!({"selector": {"matchLabels": {"x": "y"}}, "strategy": {"type": "Recreate"}});
        let kept = defaulted(&DEPLOYMENT_EXTENSIONS, own.clone());
        assert_eq!((&kept["spec"]["selector"], &kept["spec"]["strategy"]), (&own["selector"], &own["strategy"]));
    }

    #[test]
    fn fields_that_became_annotations_come_back() {
        for (conversion, spec, annotation) in [
            (&DAEMON_SET_EXTENSIONS, json!({"templateGeneration": 3}), TEMPLATE_GENERATION),
            (&DEPLOYMENT_EXTENSIONS, json!({"rollbackTo": {"revision": 3}}), ROLLBACK_TO),
        ] {
            let old = json!({"metadata": {"name": "a"}, "spec": spec});
            let mut object = old.clone();
            (conversion.to_stored)(&mut object);
            assert_eq!(object["metadata"]["annotations"], json!({annotation: "3"}));
            assert_eq!(object["spec"], json!({}));
            (conversion.from_stored)(&mut object);
            assert_eq!(object, old);
        }
    }
}
