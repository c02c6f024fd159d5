//! Reading an object: right types, and what to do about fields that its kind does not have.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation>

use crate::schema::{Schema, UnknownField, check};
use kubus_proto::{ApiError, KindRow, Reason};
use serde_json::Value;

/// What to do about unknown fields, the `fieldValidation` parameter of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// Refuse the object.
    Strict,
    /// Take it and warn.
    Warn,
    /// Take it.
    Ignore,
}

/// Checks `object` against its kind's schema. Gives the warnings; 400 for a value of the wrong type and, if strict, for
/// fields that the kind does not have. Fields given twice are gone before an object gets here.
pub fn decode(row: &KindRow, object: &Value, validation: FieldValidation) -> Result<Vec<String>, ApiError> {
    decode_as((super::of(row).schema)(), row.kind, row.version, object, validation)
}

/// The same for an object of a version that has a schema or a name of its own.
pub fn decode_as(
    schema: &Schema,
    kind: &str,
    version: &str,
    object: &Value,
    validation: FieldValidation,
) -> Result<Vec<String>, ApiError> {
    let refused = |why: String| {
        let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}");
        ApiError::new(Reason::BadRequest, message)
    };
    let unknown = check(schema, version, object).map_err(|error| refused(error.to_string()))?;
    let found: Vec<String> = unknown.iter().map(told).collect();
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(found),
        FieldValidation::Strict if found.is_empty() => Ok(found),
        FieldValidation::Strict => Err(refused(format!("strict decoding error: {}", found.join(", ")))),
    }
}

/// Kubernetes' words for an unknown field, which clients know, and then the word that was meant.
fn told(unknown: &UnknownField) -> String {
    match unknown.suggestion {
        Some(meant) => format!("unknown field {:?} (did you mean {meant:?}?)", unknown.path),
        None => format!("unknown field {:?}", unknown.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::{config_map, deployment, pod, secret};
    use serde_json::json;

    #[test]
    fn wrong_objects_are_refused_in_kubernetes_words() {
        for (row, object, expected) in [
            (
                &pod::ROW,
                json!({"spec": {"containers": "x"}}),
                "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
            ),
            (
                &pod::ROW,
                json!({"spec": {"contaners": [], "containers": [{"imag": "x"}, {"zzzzzzzz": 1}]}}),
                "strict decoding error: unknown field \"spec.containers[0].imag\" (did you mean \"image\"?), unknown field \
                 \"spec.containers[1].zzzzzzzz\", unknown field \"spec.contaners\" (did you mean \"containers\"?)",
            ),
            (
                &deployment::ROW,
                json!({"spec": {"replicas": "3"}}),
                "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                &deployment::ROW,
                json!({"spec": {"replicas": 1.5}}),
                "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                &deployment::ROW,
                json!({"spec": {"replicas": 4_294_967_296_i64}}),
                "json: cannot unmarshal number 4294967296 into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                &pod::ROW,
                json!({"metadata": {"labels": {"a": 1}}}),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
            ),
            (
                &pod::ROW,
                json!({"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}}),
                "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
            ),
            (
                &pod::ROW,
                json!({"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": true}}}]}}),
                "json: cannot unmarshal bool into Go value of type int32",
            ),
            (
                &pod::ROW,
                json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "lots"}}}]}}),
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' \
                 (at spec.containers[0].resources.requests[cpu])",
            ),
            (&secret::ROW, json!({"data": {"k": "not base64!"}}), "illegal base64 data at input byte 3 (at data[k])"),
            (&config_map::ROW, json!([]), "json: cannot unmarshal array into Go value of type v1.ConfigMap"),
        ] {
            let error = decode(row, &object, FieldValidation::Strict).expect_err(expected);
            let kind = row.kind;
            assert_eq!(error.message, format!("{kind} in version \"v1\" cannot be handled as a {kind}: {expected}"));
            assert_eq!(error.reason, Reason::BadRequest);
        }
    }

    #[test]
    fn unknown_fields_may_be_warned_of_or_ignored() {
        let object = json!({"dat": {}});
        let warnings = vec!["unknown field \"dat\" (did you mean \"data\"?)".to_owned()];
        assert_eq!(decode(&config_map::ROW, &object, FieldValidation::Warn), Ok(warnings));
        assert_eq!(decode(&config_map::ROW, &object, FieldValidation::Ignore), Ok(Vec::new()));
        assert_eq!(decode(&config_map::ROW, &json!({"data": null}), FieldValidation::Strict), Ok(Vec::new()));
    }
}
