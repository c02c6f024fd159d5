//! Objects of one version made those of another: by name alone, or by the kind's webhook.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion>

use super::kind::{Conversion, CustomKind};
use crate::pipeline::consult::{Memo, Stop};
use crate::webhook::{Endpoint, Question};
use kubus_proto::{ApiError, Reason};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long a conversion may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most objects sent in one review.
pub const BATCH_LIMIT: usize = 500;
/// What of the metadata a conversion may change.
const CHANGEABLE: [&str; 2] = ["labels", "annotations"];

/// Makes objects of any version those of `version`, in their order. Stops to ask where a webhook must be asked.
pub fn convert(kind: &CustomKind, objects: Vec<Value>, version: &str, memo: &Memo) -> Result<Vec<Value>, Stop> {
    let wanted = format!("{}/{version}", kind.group);
    let Conversion::Webhook { client, review_versions } = &kind.conversion else {
        let renamed = objects.into_iter().map(|mut object| {
            object["apiVersion"] = json!(wanted);
            object
        });
        return Ok(renamed.collect());
    };
    let other = |object: &Value| object["apiVersion"] != wanted.as_str();
    let foreign: Vec<Value> = objects.iter().filter(|object| other(object)).cloned().collect();
    if foreign.is_empty() {
        return Ok(objects);
    }
    let spoken = review_versions.iter().find(|version| matches!(version.as_str(), "v1" | "v1beta1"));
    let spoken = spoken.map_or("v1", String::as_str);
    let questions: Vec<Question> = foreign
        .chunks(BATCH_LIMIT)
        .map(|batch| {
            let request = json!({"uid": id_of(batch, &wanted), "desiredAPIVersion": wanted, "objects": batch});
            let api_version = format!("apiextensions.k8s.io/{spoken}");
            let body = json!({"kind": "ConversionReview", "apiVersion": api_version, "request": request});
            Question { endpoint: Endpoint::of(client), body, timeout: TIMEOUT }
        })
        .collect();
    let answers = memo.answers(questions.clone())?;
    let mut converted = Vec::with_capacity(foreign.len());
    for (question, answer) in questions.iter().zip(answers) {
        let batch = answer.map_err(|error| error.to_string()).and_then(|answer| read(question, &answer));
        converted.extend(batch.map_err(|why| failed(kind, &foreign[0], &why))?);
    }
    let mut converted = converted.into_iter();
    let take = |object: Value| if other(&object) { converted.next().unwrap_or(object) } else { object };
    Ok(objects.into_iter().map(take).collect())
}

fn failed(kind: &CustomKind, object: &Value, why: &str) -> ApiError {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let name = object["kind"].as_str().unwrap_or_default();
    tracing::warn!(definition = kind.name, why, "a conversion webhook failed");
    ApiError::new(Reason::InternalError, format!("conversion webhook for {version}, Kind={name} failed: {why}"))
}

/// An id made of what is asked, so that the same is asked under the same id.
fn id_of(batch: &[Value], wanted: &str) -> String {
    let mut hash = Sha256::new().chain_update(wanted);
    for object in batch {
        let metadata = &object["metadata"];
        for key in ["uid", "resourceVersion", "name"] {
            hash.update(metadata[key].as_str().unwrap_or_default());
            hash.update([0]);
        }
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The objects of an answer, if they are those that were asked for.
fn read(question: &Question, answer: &Value) -> Result<Vec<Value>, String> {
    let request = &question.body["request"];
    let response = &answer["response"];
    if response["uid"] != request["uid"] {
        let (found, expected) = (&response["uid"], &request["uid"]);
        return Err(format!("expected response.uid={expected}, got {found}"));
    }
    let result = &response["result"];
    if result["status"] != "Success" {
        let told = result["message"].as_str().filter(|text| !text.is_empty()).unwrap_or("no message given");
        return Err(told.to_owned());
    }
    let sent = request["objects"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = response["convertedObjects"].as_array().cloned().unwrap_or_default();
    if found.len() != sent.len() {
        return Err(format!("webhook returned {} objects, expected {}", found.len(), sent.len()));
    }
    let pairs = sent.iter().zip(found).enumerate();
    pairs.map(|(i, (sent, found))| checked(i, sent, found, &request["desiredAPIVersion"])).collect()
}

/// A converted object with the metadata it had, of which only labels and annotations may be changed.
fn checked(i: usize, sent: &Value, mut found: Value, wanted: &Value) -> Result<Value, String> {
    if found["apiVersion"] != *wanted {
        return Err(format!(
            "returned object {i} has wrong apiVersion: expected {wanted}, got {}",
            found["apiVersion"]
        ));
    }
    for key in ["kind"] {
        if found[key] != sent[key] {
            return Err(format!("returned object {i} has wrong {key}: expected {}, got {}", sent[key], found[key]));
        }
    }
    for key in ["uid", "name", "namespace"] {
        let (before, after) = (&sent["metadata"][key], &found["metadata"][key]);
        if before != after {
            return Err(format!("invalid metadata of object {i}: {key} must not be changed: {before} to {after}"));
        }
    }
    let mut metadata = sent["metadata"].clone();
    for key in CHANGEABLE {
        let Some(map) = metadata.as_object_mut() else { break };
        match found["metadata"].get(key) {
            Some(value) => map.insert(key.to_owned(), value.clone()),
            None => map.remove(key),
        };
    }
    found["metadata"] = metadata;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(conversion: Conversion) -> CustomKind {
        CustomKind {
            revision: 1,
            name: "as.example.com".into(),
            group: "example.com".into(),
            storage: "v1".into(),
            conversion,
            terminating: false,
            versions: Vec::new(),
        }
    }

    fn object(version: &str, name: &str) -> Value {
        json!({"apiVersion": format!("example.com/{version}"), "kind": "A", "metadata": {"name": name, "uid": name}})
    }

    #[test]
    fn without_a_webhook_only_the_name_changes() {
        let converted = convert(&kind(Conversion::None), vec![object("v1", "a")], "v2", &Memo::default());
        assert_eq!(converted.expect("converted"), [object("v2", "a")]);
    }

    #[test]
    fn a_webhook_is_asked_for_what_is_of_another_version() {
        let client = json!({"url": "https://convert.example.com"});
        let kind = kind(Conversion::Webhook { client, review_versions: vec!["v1".into()] });
        let memo = Memo::default();
        let all = vec![object("v2", "a"), object("v1", "b")];
        let Err(Stop::Ask(inquiry)) = convert(&kind, all.clone(), "v2", &memo) else { panic!("asks") };
        let question = inquiry.questions[0].clone();
        assert_eq!(question.body["request"]["objects"], json!([object("v1", "b")]));
        let mut found = object("v2", "b");
        found["metadata"]["labels"] = json!({"new": "label"});
        let uid = question.body["request"]["uid"].clone();
        let answer = |objects: Value| json!({"response": {"uid": uid, "result": {"status": "Success"}, "convertedObjects": objects}});
        for (objects, expected) in [
            (json!([found]), Ok(())),
            (json!([]), Err("webhook returned 0 objects, expected 1")),
            (json!([object("v1", "b")]), Err("returned object 0 has wrong apiVersion")),
            (json!([object("v2", "c")]), Err("invalid metadata of object 0: uid must not be changed")),
        ] {
            let memo = Memo::default();
            memo.keep(question.clone(), Ok(answer(objects)));
            match (convert(&kind, all.clone(), "v2", &memo), expected) {
                (Ok(converted), Ok(())) => assert_eq!(converted, [object("v2", "a"), found.clone()]),
                (Err(Stop::Refused(error)), Err(expected)) => {
                    let start = "conversion webhook for example.com/v1, Kind=A failed: ";
                    assert!(error.message.starts_with(&format!("{start}{expected}")), "{}", error.message);
                }
                (other, expected) => panic!("{other:?}, not {expected:?}"),
            }
        }
    }
}
