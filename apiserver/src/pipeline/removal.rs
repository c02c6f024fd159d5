//! What a delete does to an object: gone at once, marked and left to those who hold it, or nothing new.
//! <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>

use super::metadata::{self, timestamp};
use super::options::{DeleteOptions, Propagation};
use jiff::{SignedDuration, Timestamp};
use kubus_proto::KindRow;
use serde_json::{Value, json};

/// Finalizer of an object whose dependents are to stay.
pub const ORPHAN: &str = "orphan";
/// Finalizer of an object whose dependents go first.
pub const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Removal {
    /// It goes now.
    Now,
    /// It stays for a while, in this form.
    Marked(Value),
    /// It is going already, and this request changes nothing.
    Pending,
}

/// How a pod ends, after what was asked and what it is.
fn grace_of_pod(pod: &Value, asked: Option<i64>) -> i64 {
    let bound = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !bound || ended {
        return 0;
    }
    asked.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(0)
}

fn finalizers(object: &Value) -> Vec<String> {
    let list = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    list.filter_map(|f| f.as_str().map(str::to_owned)).collect()
}

/// The finalizers after the request's wish for the object's dependents.
fn with_propagation(row: &KindRow, object: &Value, asked: Option<Propagation>) -> Vec<String> {
    let before = finalizers(object);
    // Nothing can depend on an Event.
    if row.plural == "events" {
        return before;
    }
    let has = |name: &str| before.iter().any(|f| f == name);
    let wanted = match asked {
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Background) => None,
        None if has(ORPHAN) => Some(ORPHAN),
        None if has(FOREGROUND) => Some(FOREGROUND),
        // As old as v1 itself: who deletes a ReplicationController without a word keeps its pods.
        None if row.plural == "replicationcontrollers" => Some(ORPHAN),
        None => None,
    };
    let mut after: Vec<String> = before.iter().filter(|f| *f != ORPHAN && *f != FOREGROUND).cloned().collect();
    after.extend(wanted.map(str::to_owned));
    if after.len() == before.len() && after.iter().all(|f| before.contains(f)) { before } else { after }
}

/// Whether nothing holds an object that is being deleted: no finalizers, no time left, and for a namespace no contents.
pub fn is_due(row: &KindRow, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let held_by_spec =
        row.plural == "namespaces" && object["spec"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    !metadata["deletionTimestamp"].is_null()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && finalizers(object).is_empty()
        && !held_by_spec
}

/// Decides a delete of `object` as it is now.
pub fn remove(row: &KindRow, object: &Value, options: &DeleteOptions, now: Timestamp) -> Removal {
    let graceful = row.group.is_empty() && row.plural == "pods";
    let deleting = !object["metadata"]["deletionTimestamp"].is_null();
    let mut new = object.clone();
    if graceful && deleting {
        let left = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        match options.grace_seconds {
            _ if left == 0 => {}
            // A time that has begun can only be shortened.
            Some(asked) if asked < left => shorten(&mut new, left, asked),
            _ => return Removal::Pending,
        }
    } else if graceful {
        let grace = grace_of_pod(object, options.grace_seconds);
        mark(&mut new, now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(now), grace);
    } else if !deleting {
        mark(&mut new, now, 0);
    }
    let after = with_propagation(row, object, options.propagation);
    if let Some(metadata) = metadata::of(&mut new) {
        if after.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), json!(after));
        }
    }
    if row.plural == "namespaces" {
        new["status"]["phase"] = json!("Terminating");
    }
    if is_due(row, &new) {
        Removal::Now
    } else if new == *object {
        Removal::Pending
    } else {
        Removal::Marked(new)
    }
}

fn mark(object: &mut Value, when: Timestamp, grace_seconds: i64) {
    object["metadata"]["deletionTimestamp"] = json!(timestamp(when));
    object["metadata"]["deletionGracePeriodSeconds"] = json!(grace_seconds);
    metadata::bump_generation(object);
}

fn shorten(object: &mut Value, left_seconds: i64, asked_seconds: i64) {
    let planned = object["metadata"]["deletionTimestamp"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    if let Some(planned) = planned {
        let earlier = SignedDuration::from_secs(asked_seconds - left_seconds);
        object["metadata"]["deletionTimestamp"] = json!(timestamp(planned.saturating_add(earlier).unwrap_or(planned)));
    }
    object["metadata"]["deletionGracePeriodSeconds"] = json!(asked_seconds);
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn pod(extra: Value) -> Value {
        let mut pod = json!({"metadata": {"name": "p", "generation": 1}, "status": {"phase": "Running"},
            "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 30}});
        json_patch::merge(&mut pod, &extra);
        pod
    }

    fn options(grace: Option<i64>, propagation: Option<Propagation>) -> DeleteOptions {
        DeleteOptions { grace_seconds: grace, propagation, ..DeleteOptions::default() }
    }

    #[test]
    fn pods_get_time_to_end() {
        for (object, grace, expected) in [
            (pod(json!({})), None, Some((30, "1970-01-01T00:00:30Z"))),
            (pod(json!({})), Some(5), Some((5, "1970-01-01T00:00:05Z"))),
            (pod(json!({})), Some(0), None),
            (pod(json!({"spec": {"nodeName": null}})), None, None),
            (pod(json!({"status": {"phase": "Succeeded"}})), None, None),
            (pod(json!({"metadata": {"finalizers": ["a/b"]}})), Some(0), Some((0, "1970-01-01T00:00:00Z"))),
        ] {
            match (remove(&kinds::pod::ROW, &object, &options(grace, None), NOW), expected) {
                (Removal::Now, None) => {}
                (Removal::Marked(new), Some((seconds, when))) => {
                    assert_eq!(new["metadata"]["deletionGracePeriodSeconds"], seconds, "{object}");
                    assert_eq!(new["metadata"]["deletionTimestamp"], when, "{object}");
                    assert_eq!(new["metadata"]["generation"], 2);
                }
                (other, expected) => panic!("{object}: {other:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_time_that_runs_can_only_be_shortened() {
        let ending =
            pod(json!({"metadata": {"deletionTimestamp": "1970-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30}}));
        for (grace, expected) in
            [(None, None), (Some(60), None), (Some(30), None), (Some(10), Some("1970-01-01T00:00:10Z"))]
        {
            match (remove(&kinds::pod::ROW, &ending, &options(grace, None), NOW), expected) {
                (Removal::Pending, None) => {}
                (Removal::Marked(new), Some(when)) => assert_eq!(new["metadata"]["deletionTimestamp"], when),
                (other, _) => panic!("{grace:?}: {other:?}"),
            }
        }
        assert_eq!(remove(&kinds::pod::ROW, &ending, &options(Some(0), None), NOW), Removal::Now);
    }

    #[test]
    fn dependents_decide_by_finalizer() {
        let plain = json!({"metadata": {"name": "x"}});
        for (row, propagation, finalizer) in [
            (&kinds::replica_set::ROW, None, None),
            (&kinds::replica_set::ROW, Some(Propagation::Background), None),
            (&kinds::replica_set::ROW, Some(Propagation::Foreground), Some(FOREGROUND)),
            (&kinds::replica_set::ROW, Some(Propagation::Orphan), Some(ORPHAN)),
            (&kinds::replication_controller::ROW, None, Some(ORPHAN)),
            (&kinds::replication_controller::ROW, Some(Propagation::Background), None),
            (&kinds::event::ROW, Some(Propagation::Foreground), None),
        ] {
            match (remove(row, &plain, &options(None, propagation), NOW), finalizer) {
                (Removal::Now, None) => {}
                (Removal::Marked(new), Some(finalizer)) => {
                    assert_eq!(new["metadata"]["finalizers"], json!([finalizer]));
                    assert_eq!(remove(row, &new, &options(None, propagation), NOW), Removal::Pending);
                }
                (other, _) => panic!("{row:?} {propagation:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_namespace_waits_for_its_contents() {
        let namespace =
            json!({"metadata": {"name": "x"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        let Removal::Marked(marked) = remove(&kinds::namespace::ROW, &namespace, &options(None, None), NOW) else {
            panic!("not marked")
        };
        assert_eq!(marked["status"]["phase"], "Terminating");
        assert_eq!(remove(&kinds::namespace::ROW, &marked, &options(None, None), NOW), Removal::Pending);
        let mut empty = marked.clone();
        empty["spec"]["finalizers"] = json!([]);
        assert!(!is_due(&kinds::namespace::ROW, &marked) && is_due(&kinds::namespace::ROW, &empty));
    }
}
