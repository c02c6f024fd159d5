//! What Kubernetes' admission plug-ins add to new objects or refuse in them: one row a plug-in, all of them pure.
//! <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/>

use kubus_proto::{ApiError, KindRow, names};
use serde_json::{Map, Value, json};

/// Where a pod finds its service account's token.
const TOKEN_MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Prefix of the volume that holds the token.
const TOKEN_VOLUME_PREFIX: &str = "kube-api-access-";
/// Lifetime of the token in seconds: an hour and a little, which marks tokens that the server added by itself.
const TOKEN_SECONDS: u64 = 3_607;
/// How long a pod stays on a node that is not ready or cannot be reached, in seconds.
const DEFAULT_TOLERATION_SECONDS: u64 = 300;
/// Taints of such a node.
const NODE_TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
/// Namespaces that cannot be deleted.
pub const IMMORTAL_NAMESPACES: [&str; 3] = ["default", "kube-system", "kube-public"];

/// One plug-in.
struct Plugin {
    /// Plural of the kind it looks at, in the core group.
    resource: &'static str,
    /// Changes or refuses a new object; the number is random.
    admit: fn(&mut Value, u64) -> Result<(), ApiError>,
}

/// In the order they run, after defaulting.
static ON_CREATE: &[Plugin] =
    &[Plugin { resource: "pods", admit: service_account }, Plugin { resource: "pods", admit: default_tolerations }];

/// Runs every plug-in for a new object of `row`'s kind, which has its defaults. `seed` makes names.
pub fn admit_create(row: &KindRow, object: &mut Value, seed: u64) -> Result<(), ApiError> {
    let mine = ON_CREATE.iter().filter(|p| row.group.is_empty() && p.resource == row.plural);
    mine.into_iter().try_for_each(|plugin| (plugin.admit)(object, seed))
}

/// `spec` of an object, made where there is none.
fn spec(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()?.entry("spec").or_insert_with(|| json!({})).as_object_mut()
}

/// A list in a map, made where there is none.
fn list<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Vec<Value>> {
    let slot = map.entry(key).or_insert_with(|| json!([]));
    if slot.is_null() {
        *slot = json!([]);
    }
    slot.as_array_mut()
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// ServiceAccount: names the account, and mounts its token unless the pod does not want it.
fn service_account(pod: &mut Value, seed: u64) -> Result<(), ApiError> {
    let Some(spec) = spec(pod) else { return Ok(()) };
    let account = [text(spec, "serviceAccountName"), text(spec, "serviceAccount"), "default"];
    let account = account.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned();
    for key in ["serviceAccountName", "serviceAccount"] {
        spec.insert(key.to_owned(), json!(account));
    }
    if spec.get("automountServiceAccountToken") == Some(&json!(false)) {
        return Ok(());
    }
    let volumes = list(spec, "volumes").map(|v| &*v).cloned().unwrap_or_default();
    let existing = volumes.iter().find_map(|v| v["name"].as_str().filter(|n| n.starts_with(TOKEN_VOLUME_PREFIX)));
    let volume = existing.map_or_else(|| names::generate(TOKEN_VOLUME_PREFIX, seed), str::to_owned);
    let mut mounted = false;
    for kind in ["initContainers", "containers"] {
        let Some(containers) = spec.get_mut(kind).and_then(Value::as_array_mut) else { continue };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let Some(mounts) = list(container, "volumeMounts") else { continue };
            if !mounts.iter().any(|m| m["mountPath"] == TOKEN_MOUNT_PATH) {
                mounts.push(json!({"name": volume, "readOnly": true, "mountPath": TOKEN_MOUNT_PATH}));
                mounted = true;
            }
        }
    }
    if mounted && existing.is_none() {
        if let Some(volumes) = list(spec, "volumes") {
            volumes.push(token_volume(&volume));
        }
    } else if volumes.is_empty() {
        spec.remove("volumes");
    }
    Ok(())
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

/// DefaultTolerationSeconds: a pod outlives a short failure of its node.
fn default_tolerations(pod: &mut Value, _: u64) -> Result<(), ApiError> {
    let Some(tolerations) = spec(pod).and_then(|spec| list(spec, "tolerations")) else { return Ok(()) };
    for taint in NODE_TAINTS {
        let covers = |key: &str, wanted: &str, value: &Value| {
            let own = value[key].as_str().unwrap_or_default();
            own.is_empty() || own == wanted
        };
        if !tolerations.iter().any(|t| covers("key", taint, t) && covers("effect", "NoExecute", t)) {
            tolerations.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": DEFAULT_TOLERATION_SECONDS}));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds;

    fn admitted(spec: Value) -> Value {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": spec});
        admit_create(&kinds::pod::ROW, &mut pod, 7).expect("admitted");
        pod["spec"].take()
    }

    #[test]
    fn a_plain_pod_gets_account_and_tolerations() {
        let spec = admitted(json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}));
        assert_eq!((&spec["serviceAccountName"], &spec["serviceAccount"]), (&json!("default"), &json!("default")));
        let volume = spec["volumes"][0]["name"].as_str().expect("volume").to_owned();
        assert!(volume.starts_with(TOKEN_VOLUME_PREFIX) && volume.len() == TOKEN_VOLUME_PREFIX.len() + 5);
        let mount = json!([{"name": volume, "readOnly": true, "mountPath": TOKEN_MOUNT_PATH}]);
        assert_eq!(
            (&spec["containers"][0]["volumeMounts"], &spec["initContainers"][0]["volumeMounts"]),
            (&mount, &mount)
        );
        assert_eq!(spec["tolerations"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn what_the_pod_says_itself_stays() {
        for (given, key, expected) in [
            (json!({"serviceAccountName": "robot"}), "serviceAccount", json!("robot")),
            (json!({"serviceAccount": "robot"}), "serviceAccountName", json!("robot")),
            (json!({"automountServiceAccountToken": false, "containers": [{"name": "c"}]}), "volumes", Value::Null),
            (
                json!({"containers": [{"name": "c", "volumeMounts": [{"name": "x", "mountPath": TOKEN_MOUNT_PATH}]}]}),
                "volumes",
                Value::Null,
            ),
            (json!({"tolerations": [{"operator": "Exists"}]}), "tolerations", json!([{"operator": "Exists"}])),
        ] {
            assert_eq!(admitted(given.clone())[key], expected, "{given}");
        }
        let one =
            admitted(json!({"tolerations": [{"key": NODE_TAINTS[0], "effect": "NoExecute", "operator": "Exists"}]}));
        assert_eq!(one["tolerations"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn other_kinds_are_left_alone() {
        let mut object = json!({"metadata": {}});
        admit_create(&kinds::config_map::ROW, &mut object, 7).expect("admitted");
        assert_eq!(object, json!({"metadata": {}}));
    }
}
