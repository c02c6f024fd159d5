//! Pod on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/pods/>

use super::causes::forbidden;
use super::defaulting::put_empty;
use super::metadata::{check, typed};
use super::path::FieldPath;
use super::pod_spec::{
    default_pod_only, default_pod_spec, qos_class, validate_images_of_pod, validate_pod_spec, validate_pod_update,
};
use super::{Behaviour, PLAIN, prepare, schema_of, warnings};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of Pod.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::pod::ROW,
    schema: schema_of!(Pod),
    defaults,
    prepare_create,
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    spec_changed: prepare::spec_differs,
    rules: |pod, causes| check(pod, causes, validate_pod),
    create_rules: |pod, causes| check(pod, causes, validate_new_pod),
    update_rules,
    warnings: |pod| {
        let mut all = warnings::of_pods_name(pod, "the Pod's hostname");
        warnings::of_pod_spec(&pod["spec"], &FieldPath::root("spec"), &mut all);
        all
    },
    ..PLAIN
};

fn defaults(pod: &mut Value) {
    if let Some(pod) = pod.as_object_mut() {
        put_empty(pod, "spec");
    }
    if let Some(spec) = pod.get_mut("spec") {
        default_pod_spec(spec);
        default_pod_only(spec);
    }
}

fn prepare_create(pod: &mut Value) {
    let mut status = json!({"phase": "Pending", "qosClass": qos_class(&pod["spec"])});
    if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        status["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates"}]);
    }
    prepare::first_generation(pod, status);
}

fn validate_pod(pod: &Pod, causes: &mut Vec<Cause>) {
    validate_spec_of_pod(pod.spec.as_ref().unwrap_or(&PodSpec::default()), &FieldPath::root("spec"), causes);
}

fn validate_new_pod(pod: &Pod, causes: &mut Vec<Cause>) {
    let (path, Some(spec)) = (FieldPath::root("spec"), &pod.spec) else { return };
    if spec.ephemeral_containers.as_ref().is_some_and(|all| !all.is_empty()) {
        causes.push(forbidden(path.field("ephemeralContainers"), "cannot be set on create"));
    }
    let gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    if gated && spec.node_name.as_ref().is_some_and(|name| !name.is_empty()) {
        let detail = "cannot be set until all schedulingGates have been cleared";
        causes.push(forbidden(path.field("nodeName"), detail));
    }
}

/// What is checked of a pod's spec beyond what is checked of a template's.
fn validate_spec_of_pod(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_pod_spec(spec, path, causes);
    if spec.service_account_name.as_ref().is_none_or(String::is_empty) {
        for (i, volume) in spec.volumes.iter().flatten().enumerate() {
            let sources = volume.projected.iter().flat_map(|p| p.sources.iter().flatten()).enumerate();
            for (j, _) in sources.filter(|(_, source)| source.service_account_token.is_some()) {
                let (volumes, detail) =
                    (path.field("volumes"), "must not be specified when serviceAccountName is not set");
                let path = volumes.index(i);
                let path = path.field("projected");
                causes.push(forbidden(path.field("sources").index(j).field("serviceAccountToken"), detail));
            }
        }
    }
    validate_images_of_pod(&spec.containers, &path.field("containers"), causes);
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    validate_images_of_pod(inits, &path.field("initContainers"), causes);
}

fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let (Some(new), Some(old)) = (typed::<Pod>(new, causes), typed::<Pod>(old, causes)) else { return };
    validate_pod_update(&new.spec.unwrap_or_default(), &old.spec.unwrap_or_default(), causes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gated_pod_says_so_and_has_no_node() {
        let mut pod = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"nodeName": "n",
            "schedulingGates": [{"name": "a.b/c"}], "containers": [{"name": "c", "image": " x"}]}, "status": {"phase": "Running"}});
        BEHAVIOUR.default(&mut pod);
        prepare_create(&mut pod);
        assert_eq!(pod["status"]["conditions"][0]["reason"], "SchedulingGated");
        assert_eq!((&pod["status"]["phase"], &pod["metadata"]["generation"]), (&json!("Pending"), &json!(1)));
        let fields: Vec<String> = BEHAVIOUR.validate(&pod).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields, ["spec.containers[0].image", "spec.nodeName"]);
    }

    #[test]
    fn a_label_may_change_and_a_command_may_not() {
        let mut old = json!({"metadata": {"name": "a", "namespace": "b", "uid": "u"},
            "spec": {"containers": [{"name": "c", "image": "x"}]}});
        BEHAVIOUR.default(&mut old);
        prepare_create(&mut old);
        let mut new = old.clone();
        new["metadata"]["labels"] = json!({"a": "b"});
        new["spec"]["containers"][0]["image"] = json!("y");
        new["status"] = json!({});
        prepare::keep_status(&mut new, &old);
        assert_eq!(new["status"], old["status"]);
        assert_eq!(BEHAVIOUR.validate_update(&new, &old), Vec::new());
        assert!(prepare::spec_differs(&new, &old));
        new["spec"]["containers"][0]["command"] = json!(["z"]);
        let causes = BEHAVIOUR.validate_update(&new, &old);
        assert_eq!(
            (causes.len(), causes[0].reason.as_str(), causes[0].field.as_str()),
            (1, "FieldValueForbidden", "spec")
        );
        assert!(causes[0].message.ends_with("\n+ spec.containers[0].command: [\"z\"]"), "{}", causes[0].message);
    }
}
