//! scale: the number of replicas as an object of its own, `autoscaling/v1` Scale.
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/scale-v1/>

use super::call::{Call, decode};
use super::options::Freshness;
use super::ownership::{New, Owners};
use super::patch::Language;
use super::revise::Part;
use super::{Api, answer, metadata, patch};
use crate::behaviour::causes;
use crate::patch::apply_patch;
use bytes::Bytes;
use kubus_proto::kinds::custom::ScalePaths;
use kubus_proto::selector::Selector;
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::{Value, json};

/// Where the parts of a Scale stand in the objects of a kind.
#[derive(Clone, Copy)]
enum Places<'a> {
    /// Where workloads have them.
    Workload,
    /// Where the definition of a custom kind says.
    Custom(&'a ScalePaths),
}

/// What a path of plain names such as `.spec.replicas` leads to.
fn follow<'v>(object: &'v Value, path: &str) -> &'v Value {
    path.split('.').filter(|step| !step.is_empty()).fold(object, |value, step| &value[step])
}

/// Sets what such a path leads to.
fn put(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step];
    }
    *place = value;
}

impl Call {
    fn places(&self) -> Places<'_> {
        let paths = self.custom.as_ref().and_then(|custom| custom.version().scale.as_ref());
        paths.map_or(Places::Workload, Places::Custom)
    }
}

impl Places<'_> {
    /// The Scale of an object; 500 for a custom one that does not say how many it wants.
    fn view(self, object: &Value) -> Result<Value, ApiError> {
        let Places::Custom(paths) = self else { return Ok(view(object)) };
        let replicas = follow(object, &paths.spec).as_i64().ok_or_else(|| {
            let message = format!("Internal error occurred: the spec replicas field {:?} does not exist", paths.spec);
            ApiError::new(Reason::InternalError, message)
        })?;
        let mut scale = bare(object);
        scale["spec"]["replicas"] = json!(replicas);
        scale["status"]["replicas"] = json!(follow(object, &paths.status).as_i64().unwrap_or(0));
        if !paths.selector.is_empty() {
            scale["status"]["selector"] = json!(follow(object, &paths.selector).as_str().unwrap_or_default());
        }
        Ok(scale)
    }

    /// An object with so many wanted replicas, or the part of one that says so.
    fn with(self, mut object: Value, replicas: Value) -> Value {
        let path = match self {
            Places::Workload => ".spec.replicas",
            Places::Custom(paths) => &paths.spec,
        };
        put(&mut object, path, replicas);
        object
    }
}

/// A Scale of nothing, with the metadata of an object.
fn bare(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {}, "spec": {}, "status": {}});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if !metadata[key].is_null() {
            scale["metadata"][key] = metadata[key].clone();
        }
    }
    scale
}

/// The Scale of a workload.
fn view(object: &Value) -> Value {
    let mut scale = bare(object);
    // A ReplicationController without a word about replicas has one.
    scale["spec"]["replicas"] = json!(object["spec"]["replicas"].as_i64().unwrap_or(1));
    scale["status"]["replicas"] = json!(object["status"]["replicas"].as_i64().unwrap_or(0));
    let selector = &object["spec"]["selector"];
    let parsed = match serde_json::from_value(selector.clone()) {
        Ok(selector) if object["kind"] != "ReplicationController" => Selector::from_label_selector(&selector).ok(),
        _ => serde_json::from_value(selector.clone()).ok().map(|labels| Selector::from_map(&labels)),
    };
    scale["status"]["selector"] = json!(parsed.map(|s| s.to_string()).unwrap_or_default());
    scale
}

/// The object with the replicas of a Scale; 422 for a Scale that is none.
fn with_replicas(call: &Call, old: &Value, scale: &Value) -> Result<Value, ApiError> {
    let bad = |message: String| ApiError::new(Reason::BadRequest, message);
    let kind = scale["kind"].as_str().unwrap_or("Scale");
    if kind != "Scale" {
        return Err(bad(format!("{kind} cannot be handled as a Scale")));
    }
    let sent = |key: &str| scale["metadata"][key].as_str().unwrap_or_default();
    let name = call.path.name.as_str();
    if !sent("name").is_empty() && sent("name") != name {
        let text = format!("the name of the object ({}) does not match the name on the URL ({name})", sent("name"));
        return Err(bad(text));
    }
    metadata::preconditions(call.row(), name, sent("uid"), sent("resourceVersion"), old)?;
    let replicas = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        number => number.as_i64().ok_or_else(|| bad("spec.replicas is not a number".to_owned()))?,
    };
    if replicas < 0 {
        let cause = causes::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
        return Err(ApiError::invalid("autoscaling", "Scale", name, vec![cause]));
    }
    Ok(call.places().with(old.clone(), json!(replicas)))
}

impl Api {
    /// Answers with the Scale of an object.
    pub(super) async fn get_scale(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let state = self.state(Freshness::of_get(&call.query)?).await?;
        call.authorize(&state)?;
        let object = state.get(&call.key()).ok_or_else(|| call.not_found())?;
        let items = self.shown(call, vec![object.bytes.clone()], object.revision).await?;
        answer::value(200, &call.places().view(&decode(items.first().map(Bytes::as_ref).unwrap_or_default())?)?)
    }

    /// Takes the replicas of the Scale that is sent.
    pub(super) async fn update_scale(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let body = call.value()?;
        self.change_scale(call, |_| Ok(body.clone())).await
    }

    /// Takes the replicas of the patched Scale.
    pub(super) async fn patch_scale(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let patch = call.value()?;
        match patch::language(call)? {
            Language::Apply => self.apply_scale(call, &patch).await,
            Language::Patch(kind) => {
                self.change_scale(call, |old| apply_patch(kind, call.row(), &call.places().view(old)?, &patch)).await
            }
        }
    }

    /// Applies a Scale: its replicas are the object's.
    async fn apply_scale(&self, call: &Call, config: &Value) -> Result<ApiResponse, ApiError> {
        let (revision, force) = (call.revision(Part::Whole, true)?, call.query.flag("force"));
        let make = |old: &Value, stored: &Value| {
            // The checks of a Scale are made of the whole one; only what it says of replicas is owned.
            with_replicas(call, old, config)?;
            let replicas = config["spec"].get("replicas");
            let said = replicas.map(|replicas| call.places().with(json!({}), replicas.clone()));
            let applied = revision.ownership.applied((old, stored), &said.unwrap_or_else(|| json!({})), force)?;
            let object = call.path.shown(&applied.object).into_owned();
            Ok(New { object, owners: Owners::Applied(applied.managed) })
        };
        let (written, _) = self.revise(call, &revision, make).await?;
        self.scale_of(call, &written)
    }

    /// The Scale of an object that was written.
    fn scale_of(&self, call: &Call, written: &[u8]) -> Result<ApiResponse, ApiError> {
        // Written objects are of the stored version, whose Scale may stand elsewhere.
        let stored = call.custom.as_ref().and_then(|custom| custom.kind.version(&custom.kind.storage)?.scale.as_ref());
        let places = stored.map_or(Places::Workload, Places::Custom);
        answer::value(200, &places.view(&decode(written)?)?)
    }

    async fn change_scale(
        &self,
        call: &Call,
        scale: impl Fn(&Value) -> Result<Value, ApiError> + Send + Sync,
    ) -> Result<ApiResponse, ApiError> {
        let revision = call.revision(Part::Whole, false)?;
        let make = |old: &Value, _: &Value| Ok(New::made(with_replicas(call, &call.path.shown(old), &scale(old)?)?));
        let (written, _) = self.revise(call, &revision, make).await?;
        self.scale_of(call, &written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_replicas_and_selector() {
        for (object, selector) in [
            (
                json!({"kind": "Deployment", "metadata": {"name": "web", "uid": "u"}, "status": {"replicas": 2},
                    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}}}),
                "app=web",
            ),
            (
                json!({"kind": "ReplicationController", "metadata": {"name": "web", "uid": "u"},
                    "status": {"replicas": 2}, "spec": {"replicas": 3, "selector": {"a": "b", "c": "d"}}}),
                "a=b,c=d",
            ),
        ] {
            assert_eq!(
                view(&object),
                json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "uid": "u"},
                    "spec": {"replicas": 3}, "status": {"replicas": 2, "selector": selector}})
            );
        }
    }
}
