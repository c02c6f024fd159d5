//! Objects of a custom kind on their way into the store: what a behaviour is for built-in kinds, as the definition has it.

use super::kind::Custom;
use super::schema::{check_embedded, check_lists, check_values, fill_in};
use crate::behaviour::{FieldValidation, NameRule, check_metadata, prepare, validate_metadata_update};
use crate::schema::{UnknownField, check, learn};
use k8s_openapi::api::core::v1::ConfigMap;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, Reason};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// What is told when rules cannot be asked.
const UNASKED: &str = "some validation rules were not checked because the object was invalid; correct the existing \
    errors to complete validation";
/// Causes that make it useless to ask rules.
const BLOCKING: [&str; 5] =
    ["FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"];

static METADATA: LazyLock<crate::schema::Schema> =
    LazyLock::new(|| learn::<ConfigMap>().expect("a test learns every schema"));

impl Custom {
    /// Reads an object that was sent: drops the fields that nobody declared, and tells of them as is asked for.
    pub fn receive(&self, object: &mut Value, validation: FieldValidation) -> Result<Vec<String>, ApiError> {
        let row = self.row();
        let refused = |why: String| {
            let (kind, version) = (row.kind, row.version);
            let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}");
            ApiError::new(Reason::BadRequest, message)
        };
        let mut unknown = self.version().prune(object);
        // The metadata of every kind has the same fields.
        let metadata = json!({"metadata": object["metadata"]});
        let odd = check(&METADATA, "v1", &metadata).map_err(|error| refused(error.to_string()))?;
        for UnknownField { path, .. } in odd {
            remove(object, &path);
            unknown.push(path);
        }
        let told: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        match validation {
            FieldValidation::Strict if !told.is_empty() => {
                Err(refused(format!("strict decoding error: {}", told.join(", "))))
            }
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Strict | FieldValidation::Warn => Ok(told),
        }
    }

    /// Fills in what was left out.
    pub fn default(&self, object: &mut Value) {
        fill_in(&self.version().schema, object);
    }

    /// A new object's first generation; its status is not its writer's where it is a subresource.
    pub fn prepare_create(&self, object: &mut Value) {
        if self.version().has_status
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        object["metadata"]["generation"] = json!(1);
    }

    /// Takes over what an update of the object may not touch.
    pub fn prepare_update(&self, new: &mut Value, old: &Value) {
        if self.version().has_status {
            prepare::keep_status(new, old);
        } else {
            prepare::keep_metadata(new, old);
        }
    }

    /// Whether an update changes what `metadata.generation` counts: everything but metadata, and the status where that is
    /// a subresource.
    pub fn spec_changed(&self, new: &Value, old: &Value) -> bool {
        let has_status = self.version().has_status;
        let counted = |object: &Value| -> Map<String, Value> {
            let fields = object.as_object().into_iter().flatten();
            let counts = |key: &str| key != "metadata" && !(has_status && key == "status");
            fields.filter(|(key, _)| counts(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        counted(new) != counted(old)
    }

    /// What is wrong with a new object, after defaulting and preparation.
    pub fn validate(&self, object: &Value) -> Vec<Cause> {
        let mut causes = check_metadata(&object["metadata"], self.row().namespaced, NameRule::DnsSubdomain);
        self.check(object, None, &mut causes);
        causes
    }

    /// What is wrong with an update, of the object or of its status. What was wrong before and was not touched is no
    /// obstacle.
    pub fn validate_update(&self, new: &Value, old: &Value) -> Vec<Cause> {
        let mut causes = validate_metadata_update(new, old);
        let mut own = Vec::new();
        self.check(new, Some(old), &mut own);
        if !own.is_empty() {
            let mut before = Vec::new();
            self.check(old, None, &mut before);
            own.retain(|cause| !before.contains(cause));
        }
        causes.append(&mut own);
        causes
    }

    fn check(&self, object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
        let version = self.version();
        let schema = &version.schema;
        let start = causes.len();
        check_embedded(schema, "", object, causes);
        check_values(schema, "", object, causes);
        check_lists(schema, "", object, causes);
        if version.rules.is_empty() {
            return;
        }
        if causes[start..].iter().any(|cause| BLOCKING.contains(&cause.reason.as_str())) {
            let message = format!("Invalid value: \"null\": {UNASKED}");
            let cause = Cause { reason: "FieldValueInvalid".to_owned(), message, field: "<nil>".to_owned() };
            causes.push(cause);
            return;
        }
        causes.extend(version.rules.check(schema, object, old));
    }

    /// A stored object as this version has it, where it may have been stored before the definition became what it is.
    pub fn refresh(&self, object: &mut Value) {
        self.version().prune(object);
        self.default(object);
    }
}

/// Takes away the field at a path of plain names.
fn remove(object: &mut Value, path: &str) {
    let (holder, name) = path.rsplit_once('.').unwrap_or(("", path));
    let pointer: String = holder.split('.').filter(|step| !step.is_empty()).map(|step| format!("/{step}")).collect();
    if let Some(map) = object.pointer_mut(&pointer).and_then(Value::as_object_mut) {
        map.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custom::CustomKind;
    use std::sync::Arc;

    fn custom(has_status: bool) -> Custom {
        let subresources = if has_status { json!({"status": {}}) } else { json!({}) };
        let definition = json!({
            "metadata": {"name": "crontabs.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "crontabs", "kind": "CronTab"},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": subresources,
                    "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
                        "spec": {"type": "object", "required": ["cron"], "properties": {
                            "cron": {"type": "string", "minLength": 3}, "replicas": {"type": "integer", "default": 1,
                                "x-kubernetes-validations": [{"rule": "self < 10", "message": "too many"}]}}},
                        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}}}]},
        });
        Custom::new(Arc::new(CustomKind::read(&definition, 1).expect("kind")), "v1").expect("version")
    }

    fn object(spec: Value) -> Value {
        json!({"apiVersion": "example.com/v1", "kind": "CronTab", "metadata": {"name": "a", "namespace": "b"}, "spec": spec})
    }

    #[test]
    fn unknown_fields_are_dropped_warned_of_or_refused() {
        let mut sent = object(json!({"cron": "* * *", "odd": 1}));
        sent["metadata"]["odd"] = json!(1);
        let warnings = custom(true).receive(&mut sent.clone(), FieldValidation::Warn).expect("taken");
        assert_eq!(warnings, ["unknown field \"spec.odd\"", "unknown field \"metadata.odd\""]);
        let error = custom(true).receive(&mut sent.clone(), FieldValidation::Strict).expect_err("strict");
        assert_eq!(
            error.message,
            "CronTab in version \"v1\" cannot be handled as a CronTab: strict decoding error: unknown field \"spec.odd\", \
             unknown field \"metadata.odd\""
        );
        let mut taken = sent;
        assert_eq!(custom(true).receive(&mut taken, FieldValidation::Ignore), Ok(Vec::new()));
        assert_eq!(taken, object(json!({"cron": "* * *"})));
        let mut wrong = object(json!({}));
        wrong["metadata"]["labels"] = json!({"a": 1});
        let error = custom(true).receive(&mut wrong, FieldValidation::Warn).expect_err("labels are text");
        assert!(error.message.contains("cannot unmarshal number into Go struct field"), "{}", error.message);
    }

    #[test]
    fn rules_wait_for_a_valid_object() {
        let said = |spec: Value| {
            let causes = custom(true).validate(&object(spec));
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect::<Vec<_>>()
        };
        assert_eq!(said(json!({"cron": "* * *", "replicas": 3})), Vec::<String>::new());
        assert_eq!(
            said(json!({"cron": "* * *", "replicas": 30})),
            ["spec.replicas: Invalid value: \"integer\": too many"]
        );
        assert_eq!(
            said(json!({"replicas": 30})),
            ["spec.cron: Required value".to_owned(), format!("<nil>: Invalid value: \"null\": {UNASKED}")]
        );
    }

    #[test]
    fn what_was_wrong_before_is_no_obstacle() {
        let old = object(json!({"cron": "x", "replicas": 3}));
        let mut new = old.clone();
        new["metadata"]["labels"] = json!({"a": "b"});
        assert_eq!(custom(true).validate_update(&new, &old), Vec::new());
        new["spec"]["cron"] = json!("y");
        assert_eq!(custom(true).validate_update(&new, &old).len(), 1);
    }

    #[test]
    fn generations_count_all_but_metadata_and_status() {
        let old = object(json!({"cron": "* * *"}));
        let mut status = old.clone();
        status["status"] = json!({"replicas": 1});
        assert!(!custom(true).spec_changed(&status, &old) && custom(false).spec_changed(&status, &old));
        let mut labels = old.clone();
        labels["metadata"]["labels"] = json!({"a": "b"});
        assert!(!custom(false).spec_changed(&labels, &old));
        let mut created = status.clone();
        custom(true).prepare_create(&mut created);
        assert_eq!((&created["status"], &created["metadata"]["generation"]), (&Value::Null, &json!(1)));
        custom(false).prepare_create(&mut status);
        assert_eq!(status["status"], json!({"replicas": 1}));
    }
}
