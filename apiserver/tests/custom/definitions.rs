//! The story of the CronTab: defined, used, changed, taken away.

use super::common::{Answer, Cluster};
use super::{CRONTABS, DEFINITIONS, cluster, crontab, eventually, my_crontab};
use kubus_proto::request::Method;
use serde_json::{Value, json};

async fn defined() -> Cluster {
    let cluster = cluster().await;
    cluster.post(DEFINITIONS, crontab()).await.ok(201);
    cluster
}

fn causes(answer: &Answer) -> Vec<String> {
    let causes = answer.body["details"]["causes"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    causes.map(|cause| format!("{}: {}", text(&cause["field"]), text(&cause["message"]))).collect()
}

#[tokio::test]
async fn a_definition_is_established_and_its_objects_are_served() {
    let cluster = cluster().await;
    let unknown = cluster.get(CRONTABS).await;
    assert_eq!(unknown.fails(404), "the server could not find the requested resource");
    let definition = cluster.post(DEFINITIONS, crontab()).await.ok(201);
    let conditions: Vec<(&str, &str)> = definition["status"]["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .map(|c| (c["type"].as_str().expect("type"), c["status"].as_str().expect("status")))
        .collect();
    assert_eq!(conditions, [("NamesAccepted", "True"), ("Established", "True")]);
    assert_eq!(definition["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(definition["metadata"]["generation"], 1);

    let created = cluster.post(CRONTABS, my_crontab()).await.ok(201);
    assert_eq!(created["spec"]["replicas"], 1, "defaults");
    assert_eq!((&created["metadata"]["generation"], &created["status"]), (&json!(1), &Value::Null));
    let path = format!("{CRONTABS}/my-new-cron-object");
    assert_eq!(cluster.get(&path).await.ok(200), created);
    let list = cluster.get(CRONTABS).await.ok(200);
    assert_eq!((&list["kind"], &list["items"][0]), (&json!("CronTabList"), &created));

    let patched = cluster.merge(&path, json!({"spec": {"replicas": 3}, "status": {"replicas": 9}})).await.ok(200);
    assert_eq!((&patched["spec"]["replicas"], &patched["status"]), (&json!(3), &Value::Null));
    assert_eq!(patched["metadata"]["generation"], 2);
    let status = json!({"spec": {"replicas": 5}, "status": {"replicas": 2, "labelSelector": "a=b"}});
    let patched = cluster.merge(&format!("{path}/status"), status).await.ok(200);
    assert_eq!((&patched["spec"]["replicas"], &patched["status"]["replicas"]), (&json!(3), &json!(2)));
    assert_eq!(patched["metadata"]["generation"], 2, "the status is not counted");

    let scale = cluster.get(&format!("{path}/scale")).await.ok(200);
    assert_eq!(
        (&scale["spec"], &scale["status"]),
        (&json!({"replicas": 3}), &json!({"replicas": 2, "selector": "a=b"}))
    );
    cluster.merge(&format!("{path}/scale"), json!({"spec": {"replicas": 7}})).await.ok(200);
    assert_eq!(cluster.get(&path).await.ok(200)["spec"]["replicas"], 7);

    let strategic = cluster
        .ask(Method::Patch, &path)
        .content_type("application/strategic-merge-patch+json")
        .body(&json!({"spec": {}}))
        .send()
        .await;
    assert!(strategic.fails(415).contains("accepted media types include: application/json-patch+json"));
    cluster.delete(&path, Value::Null).await.ok(200);
    cluster.get(&path).await.fails(404);
}

#[tokio::test]
async fn objects_are_held_against_the_schema() {
    let cluster = defined().await;
    let with = |pointer: &str, value: Value| {
        let mut object = my_crontab();
        match object.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => {
                let (holder, key) = pointer.rsplit_once('/').expect("pointer");
                object.pointer_mut(holder).expect("holder")[key] = value;
            }
        }
        object
    };
    for (object, expected) in [
        (
            with("/spec/replicas", json!(15)),
            vec!["spec.replicas: Invalid value: 15: spec.replicas in body should be less than or equal to 10"],
        ),
        (
            with("/spec/cronSpec", json!("* * * *")),
            vec![
                "spec.cronSpec: Invalid value: \"* * * *\": spec.cronSpec in body should match \
                 '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'",
            ],
        ),
        (
            with("/spec", json!({"replicas": "three"})),
            vec![
                "spec.cronSpec: Required value",
                "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"",
                "<nil>: Invalid value: \"null\": some validation rules were not checked because the object was \
                 invalid; correct the existing errors to complete validation",
            ],
        ),
        (
            with("/spec/minReplicas", json!(5)),
            vec!["spec: Invalid value: \"object\": replicas should be greater than or equal to minReplicas."],
        ),
    ] {
        let answer = cluster.post(CRONTABS, object).await;
        assert_eq!(answer.code, 422, "{}", answer.body);
        assert_eq!(causes(&answer), expected);
        let message = answer.body["message"].as_str().expect("message");
        assert!(message.starts_with("CronTab.stable.example.com \"my-new-cron-object\" is invalid: "), "{message}");
    }

    let odd = with("/spec/someRandomField", json!(42));
    let strict = cluster.post(&format!("{CRONTABS}?fieldValidation=Strict"), odd.clone()).await;
    assert_eq!(
        strict.fails(400),
        "CronTab in version \"v1\" cannot be handled as a CronTab: strict decoding error: unknown field \
         \"spec.someRandomField\""
    );
    let answer = cluster.post(CRONTABS, odd).await;
    assert_eq!(answer.warnings, ["unknown field \"spec.someRandomField\""]);
    assert_eq!(answer.ok(201)["spec"].get("someRandomField"), None, "pruned");
}

#[tokio::test]
async fn tables_selectors_and_watches_know_the_kind() {
    let cluster = defined().await;
    cluster.post(CRONTABS, my_crontab()).await.ok(201);
    let mut other = my_crontab();
    other["metadata"]["name"] = json!("other");
    other["spec"]["image"] = json!("other-image");
    cluster.post(CRONTABS, other).await.ok(201);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let answer = cluster.ask(Method::Get, CRONTABS).accept(table).send().await.ok(200);
    let names: Vec<&str> = answer["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| column["name"].as_str().expect("name"))
        .collect();
    assert_eq!(names, ["Name", "Spec", "Replicas", "Age"]);
    assert_eq!(
        &answer["rows"][0]["cells"].as_array().expect("cells")[..3],
        [json!("my-new-cron-object"), json!("* * * * */5"), json!(1)]
    );
    let chosen = cluster.get(&format!("{CRONTABS}?fieldSelector=spec.image%3Dother-image")).await.ok(200);
    let items = chosen["items"].as_array().expect("items");
    assert_eq!(items.iter().map(|item| &item["metadata"]["name"]).collect::<Vec<_>>(), [&json!("other")]);
    let refused = cluster.get(&format!("{CRONTABS}?fieldSelector=spec.cronSpec%3Dx")).await;
    assert_eq!(refused.fails(400), "field label not supported: spec.cronSpec");
    let definition = cluster.get("/kubus/v1/kinds/stable.example.com/v1/crontabs").await.ok(200);
    assert_eq!((&definition["kind"], &definition["columns"][0]["path"]), (&json!("CronTab"), &json!(".spec.cronSpec")));
    assert_eq!(cluster.get("/kubus/v1/kinds").await.ok(200).as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn discovery_and_openapi_know_the_kind_at_once() {
    let cluster = defined().await;
    let groups = cluster.get("/apis").await.ok(200);
    let group = groups["groups"].as_array().expect("groups").iter().find(|group| group["name"] == "stable.example.com");
    assert_eq!(group.expect("the group")["preferredVersion"]["version"], "v1");
    let resources = cluster.get("/apis/stable.example.com/v1").await.ok(200);
    let named: Vec<&str> =
        resources["resources"].as_array().expect("list").iter().map(|r| r["name"].as_str().expect("name")).collect();
    assert_eq!(named, ["crontabs", "crontabs/scale", "crontabs/status"]);
    assert_eq!(resources["resources"][0]["shortNames"], json!(["ct"]));
    let document = cluster.get("/openapi/v3/apis/stable.example.com/v1").await;
    assert_eq!(document.code, 200);
    let text = String::from_utf8_lossy(&document.bytes).into_owned();
    assert!(text.contains("cronSpec"), "the schema is in the document");
}

#[tokio::test]
async fn a_definition_takes_its_objects_along() {
    let cluster = defined().await;
    cluster.post(CRONTABS, my_crontab()).await.ok(201);
    let mut held = my_crontab();
    held["metadata"] = json!({"name": "held", "finalizers": ["example.com/wait"]});
    cluster.post(CRONTABS, held).await.ok(201);
    let path = format!("{DEFINITIONS}/crontabs.stable.example.com");
    let going = cluster.delete(&path, Value::Null).await.ok(200);
    assert_eq!(going["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let terminating =
        going["status"]["conditions"].as_array().expect("list").iter().find(|c| c["type"] == "Terminating");
    assert_eq!(terminating.expect("condition")["status"], "True");
    let refused = cluster.post(CRONTABS, my_crontab()).await;
    assert_eq!(refused.fails(405), "create not allowed while custom resource definition is terminating");
    eventually(&cluster, &format!("{CRONTABS}/my-new-cron-object"), |answer| answer.code == 404).await;
    assert_eq!(cluster.get(&path).await.code, 200, "it waits for the object that is held");
    cluster.merge(&format!("{CRONTABS}/held"), json!({"metadata": {"finalizers": null}})).await.ok(200);
    eventually(&cluster, &path, |answer| answer.code == 404).await;
    assert_eq!(cluster.get(CRONTABS).await.code, 404);
    cluster.post(DEFINITIONS, crontab()).await.ok(201);
    assert_eq!(cluster.get(CRONTABS).await.ok(200)["items"], json!([]));
}

#[tokio::test]
async fn a_name_belongs_to_the_first_who_took_it() {
    let cluster = defined().await;
    let mut rival = crontab();
    rival["metadata"]["name"] = json!("cronlists.stable.example.com");
    rival["spec"]["names"] = json!({"plural": "cronlists", "kind": "CronList", "shortNames": ["ct"]});
    let refused = cluster.post(DEFINITIONS, rival).await.ok(201);
    let condition = &refused["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["status"], &condition["reason"], &condition["message"]),
        (&json!("NamesAccepted"), &json!("False"), &json!("ShortNamesConflict"), &json!("\"ct\" is already in use"))
    );
    let lists = "/apis/stable.example.com/v1/namespaces/default/cronlists";
    assert_eq!(cluster.get(lists).await.code, 404);
    cluster.delete(&format!("{DEFINITIONS}/crontabs.stable.example.com"), Value::Null).await.ok(200);
    eventually(&cluster, lists, |answer| answer.code == 200).await;
}

#[tokio::test]
async fn old_objects_follow_a_changed_definition() {
    let cluster = defined().await;
    cluster.post(CRONTABS, my_crontab()).await.ok(201);
    let path = format!("{DEFINITIONS}/crontabs.stable.example.com");
    let properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let change = json!([
        {"op": "add", "path": format!("{properties}/suspend"), "value": {"type": "boolean", "default": false}},
        {"op": "remove", "path": format!("{properties}/image")},
        {"op": "remove", "path": "/spec/versions/0/selectableFields"},
    ]);
    let answer =
        cluster.ask(Method::Patch, &path).content_type("application/json-patch+json").body(&change).send().await;
    assert_eq!(answer.ok(200)["metadata"]["generation"], 2);
    let object = cluster.get(&format!("{CRONTABS}/my-new-cron-object")).await.ok(200);
    assert_eq!((&object["spec"]["suspend"], object["spec"].get("image")), (&json!(false), None));
    let listed = cluster.get(CRONTABS).await.ok(200);
    assert_eq!(listed["items"][0], object);
    let wrong = json!([{"op": "replace", "path": "/spec/scope", "value": "Cluster"}]);
    let answer =
        cluster.ask(Method::Patch, &path).content_type("application/json-patch+json").body(&wrong).send().await;
    assert!(answer.fails(422).contains("spec.scope: Invalid value: \"Cluster\": field is immutable"));
}

#[tokio::test]
async fn server_side_apply_follows_the_schemas_lists() {
    let cluster = cluster().await;
    let mut definition = crontab();
    let properties =
        &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    properties["jobs"] = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "run": {"type": "string"}}}});
    cluster.post(DEFINITIONS, definition).await.ok(201);
    let apply = |manager: &str, job: &str| {
        let mut object = my_crontab();
        object["spec"]["jobs"] = json!([{"name": job, "run": "x"}]);
        let path = format!("{CRONTABS}/my-new-cron-object?fieldManager={manager}&force=true");
        let ask = cluster.ask(Method::Patch, &path).content_type("application/apply-patch+yaml");
        ask.body(&object).send()
    };
    apply("one", "a").await.ok(201);
    let both = apply("two", "b").await.ok(200);
    let names: Vec<&Value> = both["spec"]["jobs"].as_array().expect("jobs").iter().map(|job| &job["name"]).collect();
    assert_eq!(names.len(), 2, "each manager keeps its item: {names:?}");
}
