//! ValidatingAdmissionPolicies of Kubernetes' documents.

use super::common::{CONFIG_MAPS, Cluster, DEPLOYMENTS, deployment};
use super::{DEFINITIONS, cluster};
use serde_json::{Value, json};

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";

fn policy(spec: Value) -> Value {
    let mut whole = json!({"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [
        {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}]}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    json!({"metadata": {"name": "demo-policy.example.com"}, "spec": whole})
}

fn binding(spec: Value) -> Value {
    let mut whole = json!({"policyName": "demo-policy.example.com", "validationActions": ["Deny"]});
    for (key, value) in spec.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    json!({"metadata": {"name": "demo-binding.example.com"}, "spec": whole})
}

async fn with(policy_spec: Value, binding_spec: Value) -> Cluster {
    let cluster = cluster().await;
    cluster.post(POLICIES, policy(policy_spec)).await.ok(201);
    cluster.post(BINDINGS, binding(binding_spec)).await.ok(201);
    cluster
}

fn replicas(count: u64) -> Value {
    let mut deployment = deployment("nginx");
    deployment["spec"]["replicas"] = json!(count);
    deployment
}

const DENIED: &str = "deployments.apps \"nginx\" is forbidden: ValidatingAdmissionPolicy 'demo-policy.example.com' with \
    binding 'demo-binding.example.com' denied request: ";

#[tokio::test]
async fn a_policy_counts_where_it_is_bound() {
    let cluster = cluster().await;
    cluster.post(POLICIES, policy(json!({"validations": [{"expression": "object.spec.replicas <= 5"}]}))).await.ok(201);
    cluster.post(&format!("{DEPLOYMENTS}?dryRun=All"), replicas(6)).await.ok(201);
    let mut bound = binding(json!({}));
    bound["spec"]["matchResources"] = json!({"namespaceSelector": {"matchLabels": {"environment": "test"}}});
    cluster.post(BINDINGS, bound).await.ok(201);
    cluster.post(&format!("{DEPLOYMENTS}?dryRun=All"), replicas(6)).await.ok(201);
    cluster.merge("/api/v1/namespaces/default", json!({"metadata": {"labels": {"environment": "test"}}})).await.ok(200);
    let answer = cluster.post(DEPLOYMENTS, replicas(6)).await;
    assert_eq!(
        (&answer.body["reason"], &answer.body["details"]["causes"][0]["message"]),
        (
            &json!("Invalid"),
            &json!(
                "ValidatingAdmissionPolicy 'demo-policy.example.com' with binding 'demo-binding.example.com' denied \
            request: failed expression: object.spec.replicas <= 5"
            ),
        )
    );
    assert_eq!(answer.fails(422), format!("{DENIED}failed expression: object.spec.replicas <= 5"));
    cluster.post(DEPLOYMENTS, replicas(5)).await.ok(201);
    let scaled = cluster.merge(&format!("{DEPLOYMENTS}/nginx"), json!({"spec": {"replicas": 7}})).await;
    assert_eq!(scaled.code, 422);
    cluster.post(CONFIG_MAPS, json!({"metadata": {"name": "a"}})).await.ok(201);
}

#[tokio::test]
async fn messages_variables_and_conditions() {
    for (spec, count, expected) in [
        (
            json!({"validations": [{"expression": "object.spec.replicas <= 5", "message": "too many", "reason": "Forbidden"}]}),
            6,
            Some((403, "too many")),
        ),
        (
            json!({"validations": [{"expression": "object.spec.replicas <= 5",
                "messageExpression": "'at most 5, not ' + string(object.spec.replicas)"}]}),
            6,
            Some((422, "at most 5, not 6")),
        ),
        (
            json!({"variables": [{"name": "limit", "expression": "2 + 3"}, {"name": "double", "expression": "variables.limit * 2"}],
                "validations": [{"expression": "object.spec.replicas <= variables.double"}]}),
            11,
            Some((422, "failed expression: object.spec.replicas <= variables.double")),
        ),
        (
            json!({"variables": [{"name": "limit", "expression": "object.nothing"}],
                "validations": [{"expression": "object.spec.replicas <= variables.limit"}]}),
            1,
            Some((
                422,
                "expression 'object.spec.replicas <= variables.limit' resulted in error: composited variable \
                \"limit\" fails to evaluate: no such key: nothing",
            )),
        ),
        (json!({"failurePolicy": "Ignore", "validations": [{"expression": "object.nothing == 1"}]}), 1, None),
        (
            json!({"matchConditions": [{"name": "big", "expression": "object.spec.replicas > 100"}],
                "validations": [{"expression": "false"}]}),
            6,
            None,
        ),
        (
            json!({"validations": [{"expression": "request.operation == 'CREATE' && oldObject == null && \
                request.userInfo.username == 'admin' && namespaceObject.metadata.name == request.namespace"}]}),
            1,
            None,
        ),
        (
            json!({"validations": [{"expression": "object.metadata.namespace == 'default' && \
                object.spec.template.spec.containers.all(c, c.image.contains(':'))"}]}),
            1,
            None,
        ),
    ] {
        let cluster = with(spec.clone(), json!({})).await;
        let answer = cluster.post(DEPLOYMENTS, replicas(count)).await;
        match expected {
            Some((code, message)) => assert_eq!(answer.fails(code), format!("{DENIED}{message}"), "{spec}"),
            None => {
                answer.ok(201);
            }
        }
    }
}

#[tokio::test]
async fn a_binding_may_only_warn() {
    let validations = json!({"validations": [{"expression": "object.spec.replicas <= 5"}]});
    let cluster = with(validations, json!({"validationActions": ["Warn", "Audit"]})).await;
    let answer = cluster.post(DEPLOYMENTS, replicas(6)).await;
    assert_eq!(
        answer.warnings,
        ["Validation failed for ValidatingAdmissionPolicy 'demo-policy.example.com' with binding \
             'demo-binding.example.com': failed expression: object.spec.replicas <= 5"]
    );
    answer.ok(201);
}

#[tokio::test]
async fn parameters_come_from_objects_of_any_kind() {
    let limits = json!({"metadata": {"name": "replicalimits.rules.example.com"},
        "spec": {"group": "rules.example.com", "scope": "Namespaced",
            "names": {"plural": "replicalimits", "kind": "ReplicaLimit"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "properties": {"maxReplicas": {"type": "integer"}}}}}]}});
    for (kind, definition, path, object, expression) in [
        (
            json!({"apiVersion": "rules.example.com/v1", "kind": "ReplicaLimit"}),
            Some(limits),
            "/apis/rules.example.com/v1/namespaces/default/replicalimits",
            json!({"metadata": {"name": "limit"}, "maxReplicas": 3}),
            "object.spec.replicas <= params.maxReplicas",
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap"}),
            None,
            CONFIG_MAPS,
            json!({"metadata": {"name": "limit"}, "data": {"max": "3"}}),
            "object.spec.replicas <= int(params.data.max)",
        ),
    ] {
        let cluster = cluster().await;
        if let Some(definition) = definition {
            cluster.post(DEFINITIONS, definition).await.ok(201);
        }
        let spec = json!({"paramKind": kind, "validations": [{"expression": expression}]});
        cluster.post(POLICIES, policy(spec)).await.ok(201);
        let reference =
            json!({"paramRef": {"name": "limit", "namespace": "default", "parameterNotFoundAction": "Deny"}});
        cluster.post(BINDINGS, binding(reference)).await.ok(201);
        assert_eq!(
            cluster.post(DEPLOYMENTS, replicas(1)).await.fails(422),
            format!(
                "{DENIED}failed to configure binding: no params found for policy binding with `Deny` \
                parameterNotFoundAction"
            )
        );
        cluster.post(path, object).await.ok(201);
        cluster.post(DEPLOYMENTS, replicas(4)).await.fails(422);
        cluster.post(DEPLOYMENTS, replicas(3)).await.ok(201);
    }
}
