//! Secret on its way into the store.
//! <https://kubernetes.io/docs/concepts/configuration/secret/>

use super::causes::{invalid, required, too_long};
use super::config_map::{DATA_LIMIT_BYTES, validate_frozen};
use super::defaulting::{object_or_new, put_filled};
use super::metadata::check;
use super::names::config_key;
use super::path::FieldPath;
use super::workload::immutable;
use super::{Behaviour, PLAIN, schema_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of Secret.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::secret::ROW,
    schema: schema_of!(Secret),
    defaults,
    rules: |secret, causes| check(secret, causes, validate_data),
    update_rules: |new, old, causes| {
        immutable(&new["type"], &old["type"], &FieldPath::root("type"), causes);
        validate_frozen(new, old, &["data"], causes);
    },
    ..PLAIN
};

/// The account a token Secret belongs to.
const ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

fn defaults(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else { return };
    put_filled(fields, "type", "Opaque");
    // stringData is a way to write data, never read back.
    let Some(Value::Object(plain)) = fields.remove("stringData") else { return };
    if let (false, Some(data)) = (plain.is_empty(), object_or_new(fields, "data")) {
        let encoded = plain.into_iter().filter_map(|(key, value)| Some((key, STANDARD.encode(value.as_str()?))));
        data.extend(encoded.map(|(key, text)| (key, json!(text))));
    }
}

fn validate_data(secret: &Secret, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("data");
    let data = secret.data.clone().unwrap_or_default();
    for key in data.keys() {
        causes.extend(config_key(key).iter().map(|problem| invalid(path.key(key), key.as_str(), problem)));
    }
    if data.values().map(|value| value.0.len()).sum::<usize>() > DATA_LIMIT_BYTES {
        causes.push(too_long(path, DATA_LIMIT_BYTES));
    }
    let mut need = |key: &str| {
        if !data.contains_key(key) {
            causes.push(required(path.key(key), ""));
        }
    };
    match secret.type_.as_deref().unwrap_or_default() {
        "kubernetes.io/service-account-token" => {
            let annotations = secret.metadata.annotations.as_ref();
            if annotations.and_then(|a| a.get(ACCOUNT_ANNOTATION)).is_none_or(String::is_empty) {
                let metadata = FieldPath::root("metadata");
                causes.push(required(metadata.field("annotations").key(ACCOUNT_ANNOTATION), ""));
            }
        }
        "kubernetes.io/dockercfg" => need_json(&data, ".dockercfg", &path, causes),
        "kubernetes.io/dockerconfigjson" => need_json(&data, ".dockerconfigjson", &path, causes),
        "kubernetes.io/basic-auth" if !data.contains_key("username") && !data.contains_key("password") => {
            need("username");
            need("password");
        }
        "kubernetes.io/ssh-auth" if data.get("ssh-privatekey").is_none_or(|key| key.0.is_empty()) => {
            causes.push(required(path.key("ssh-privatekey"), ""));
        }
        "kubernetes.io/tls" => {
            need("tls.crt");
            need("tls.key");
        }
        _ => {}
    }
}

type Data = std::collections::BTreeMap<String, k8s_openapi::ByteString>;

/// A key that must hold JSON; what it holds is not told.
fn need_json(data: &Data, key: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match data.get(key).map(|value| serde_json::from_slice::<Value>(&value.0)) {
        None => causes.push(required(path.key(key), "")),
        Some(Err(error)) => causes.push(invalid(path.key(key), "<secret contents redacted>", error.to_string())),
        Some(Ok(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_their_keys() {
        for (kind, data, fields) in [
            ("Opaque", json!({}), vec![]),
            ("kubernetes.io/tls", json!({"tls.crt": "eA=="}), vec!["data[tls.key]"]),
            ("kubernetes.io/basic-auth", json!({}), vec!["data[username]", "data[password]"]),
            ("kubernetes.io/basic-auth", json!({"username": "eA=="}), vec![]),
            ("kubernetes.io/ssh-auth", json!({"ssh-privatekey": ""}), vec!["data[ssh-privatekey]"]),
            ("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "eA=="}), vec!["data[.dockerconfigjson]"]),
            ("kubernetes.io/dockercfg", json!({".dockercfg": "e30="}), vec![]),
            (
                "kubernetes.io/service-account-token",
                json!({}),
                vec!["metadata.annotations[kubernetes.io/service-account.name]"],
            ),
        ] {
            let secret = json!({"metadata": {"name": "a", "namespace": "b"}, "type": kind, "data": data});
            let found: Vec<String> = BEHAVIOUR.validate(&secret).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, fields, "{kind}");
        }
    }

    #[test]
    fn a_type_stays_and_plain_data_is_encoded() {
        let mut old = json!({"metadata": {"name": "a", "namespace": "b"}, "stringData": {"k": "v"}, "data": {"k": "", "l": "eA=="}});
        BEHAVIOUR.default(&mut old);
        assert_eq!((&old["data"], &old["type"]), (&json!({"k": "dg==", "l": "eA=="}), &json!("Opaque")));
        let mut new = old.clone();
        new["type"] = json!("x");
        let causes = BEHAVIOUR.validate_update(&new, &old);
        assert_eq!((causes.len(), causes[0].message.as_str()), (1, "Invalid value: \"x\": field is immutable"));
    }
}
