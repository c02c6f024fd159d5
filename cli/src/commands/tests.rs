//! Commands against the fake cluster: what is printed, what is sent, what the exit code is.

use crate::fake::{FakeServer, Outcome};
use crate::server::WatchedChange;
use kubus_client::stream::Received;
use kubus_proto::ApiError;
use kubus_proto::event::ChangeType;
use kubus_proto::status::{Cause, Reason};
use kubus_proto::stream::channel;
use serde_json::{Value, json};

const NGINX: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: nginx-deployment
  labels:
    app: nginx
spec:
  replicas: 3
  selector:
    matchLabels:
      app: nginx
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx:1.14.2
";

fn pod(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": labels, "resourceVersion": "5",
            "creationTimestamp": "2022-09-27T09:17:09Z"},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "c", "ready": true, "restartCount": 0, "state": {"running": {}}}]}})
}

fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {}}, "spec": {}, "status": {}})
}

fn deployment() -> Value {
    let mut object = crate::yaml::parse_documents(NGINX).expect("yaml").remove(0);
    object["metadata"]["namespace"] = json!("default");
    object["metadata"]["uid"] = json!("d1");
    object
}

fn said(outcome: &Outcome) -> (&str, &str, i32) {
    (&outcome.out, &outcome.err, outcome.code)
}

#[tokio::test]
async fn a_deployment_goes_the_way_of_the_document() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("nginx.yml");
    std::fs::write(&file, NGINX).expect("file");
    let file_name = file.display().to_string();
    let server = FakeServer::with(&[]);
    let apply = ["apply", "-f", &file_name];
    for (text, expected) in [
        (NGINX.to_owned(), "deployment.apps/nginx-deployment created\n"),
        (NGINX.to_owned(), "deployment.apps/nginx-deployment unchanged\n"),
        (NGINX.replace("replicas: 3", "replicas: 5"), "deployment.apps/nginx-deployment configured\n"),
    ] {
        std::fs::write(&file, text).expect("file");
        assert_eq!(said(&server.run_with_input(&apply, "").await), (expected, "", 0));
    }
    for (line, expected) in [
        ("scale deployment/nginx-deployment --replicas=10", "deployment.apps/nginx-deployment scaled\n"),
        (
            "set image deployment/nginx-deployment nginx=nginx:1.16.1",
            "deployment.apps/nginx-deployment image updated\n",
        ),
        ("set image deployment/nginx-deployment *=nginx:1.16.2", "deployment.apps/nginx-deployment image updated\n"),
        (
            "get deployment nginx-deployment -o jsonpath={.spec.template.spec.containers}",
            "{\"image\":\"nginx:1.16.2\"}",
        ),
        ("rollout pause deployment/nginx-deployment", "deployment.apps/nginx-deployment paused\n"),
        ("rollout resume deployment nginx-deployment", "deployment.apps/nginx-deployment resumed\n"),
        ("rollout restart deployment nginx-deployment", "deployment.apps/nginx-deployment restarted\n"),
        ("delete deployment nginx-deployment", "deployment.apps \"nginx-deployment\" deleted\n"),
    ] {
        let outcome = server.run(line).await;
        if line.contains("jsonpath") {
            assert!(outcome.out.contains("nginx:1.16.2"), "{outcome:?}");
        } else {
            assert_eq!(said(&outcome), (expected, "", 0), "{line}");
        }
    }
    let requests = server.requests();
    let sent = |part: &str| assert!(requests.iter().any(|r| r.contains(part)), "{part} in {requests:#?}");
    sent("deployments/nginx-deployment/scale {\"spec\":{\"replicas\":10}}");
    sent("\"propagationPolicy\":\"Background\"");
    sent("\"$setElementOrder/containers\":[{\"name\":\"nginx\"}]");
    sent("fieldValidation=Strict");
    sent("2022-09-28T09:17:09Z");
}

#[tokio::test]
async fn create_deployment_by_command() {
    let server = FakeServer::with(&[]);
    let line = "create deployment nginx-deployment --image=nginx --replicas=2";
    assert_eq!(said(&server.run(line).await), ("deployment.apps/nginx-deployment created\n", "", 0));
    let again = server.run(line).await;
    let expected = "Error from server (AlreadyExists): deployments.apps \"nginx-deployment\" already exists\n";
    assert_eq!(said(&again), ("", expected, 1));
    let dry = server.run("create deployment web --image=a/b:1 --port=80 --dry-run=client -o yaml -- sh -c ls").await;
    let expected = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app: web
  name: web
spec:
  replicas: 1
  selector:
    matchLabels:
      app: web
  strategy: {}
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - command:
        - sh
        - -c
        - ls
        image: a/b:1
        name: b
        ports:
        - containerPort: 80
        resources: {}
";
    assert_eq!(said(&dry), (expected, "", 0));
    for (line, expected) in [
        ("create namespace x", "namespace/x created\n"),
        ("create ns y --dry-run=server", "namespace/y created (server dry run)\n"),
        ("create configmap c --from-literal=a=1 --from-literal=b=2", "configmap/c created\n"),
        ("create secret generic s --from-literal=password=secret", "secret/s created\n"),
        ("get secret s -o jsonpath={.data.password}", "c2VjcmV0"),
    ] {
        assert_eq!(said(&server.run(line).await), (expected, "", 0), "{line}");
    }
}

#[tokio::test]
async fn tables_are_the_servers() {
    let server = FakeServer::with(&[
        pod("kubia-m9zfv", json!({"run": "kubia"})),
        pod("kubia-manual", json!({"creation_method": "manual", "env": "prod"})),
        deployment(),
        node("minikube"),
    ]);
    for (line, expected) in [
        (
            "get po",
            "NAME           READY   STATUS    RESTARTS   AGE\n\
             kubia-m9zfv    1/1     Running   0          24h\n\
             kubia-manual   1/1     Running   0          24h\n",
        ),
        ("get po kubia-manual --no-headers", "kubia-manual   1/1   Running   0     24h\n"),
        (
            "get po -l creation_method=manual -L creation_method,env",
            "NAME           READY   STATUS    RESTARTS   AGE   CREATION_METHOD   ENV\n\
             kubia-manual   1/1     Running   0          24h   manual            prod\n",
        ),
        (
            "get po -l !env --show-labels",
            "NAME          READY   STATUS    RESTARTS   AGE   LABELS\n\
             kubia-m9zfv   1/1     Running   0          24h   run=kubia\n",
        ),
        (
            "get deploy,po kubia-manual",
            "NAME               READY   STATUS    RESTARTS   AGE\npod/kubia-manual   1/1     Running   0          24h\n",
        ),
        (
            "get all -A",
            "NAMESPACE   NAME               READY   STATUS    RESTARTS   AGE\n\
             default     pod/kubia-m9zfv    1/1     Running   0          24h\n\
             default     pod/kubia-manual   1/1     Running   0          24h\n\
             \n\
             NAMESPACE   NAME                               READY   UP-TO-DATE   AVAILABLE   AGE\n\
             default     deployment.apps/nginx-deployment   0/3     0            0           <unknown>\n",
        ),
        ("get po -o name", "pod/kubia-m9zfv\npod/kubia-manual\n"),
        ("get pod/kubia-m9zfv node/minikube -o name", "pod/kubia-m9zfv\nnode/minikube\n"),
        ("get po --sort-by=.metadata.name -o jsonpath={.items[*].metadata.name}", "kubia-m9zfv kubia-manual"),
        (
            "get po -o custom-columns=NAME:.metadata.name --field-selector metadata.name=kubia-manual",
            "NAME\nkubia-manual\n",
        ),
    ] {
        let outcome = server.run(line).await;
        assert_eq!(outcome.out, expected, "{line}: {}", outcome.err);
    }
}

#[tokio::test]
async fn a_watch_prints_rows_as_they_change() {
    let server = FakeServer::with(&[pod("a", json!({}))]);
    let mut changed = pod("a", json!({}));
    changed["metadata"]["deletionTimestamp"] = json!("2022-09-28T09:17:09Z");
    let change = |change, object| WatchedChange { change, object };
    *server.changes.lock().expect("changes") =
        vec![change(ChangeType::Modified, changed.clone()), change(ChangeType::Added, pod("b", json!({})))];
    let outcome = server.run("get pods -w").await;
    let expected = "NAME   READY   STATUS    RESTARTS   AGE\n\
                    a      1/1     Running   0          24h\n\
                    a      1/1     Terminating   0          24h\n\
                    b      1/1     Running       0          24h\n";
    assert_eq!(said(&outcome), (expected, "", 0));
    assert!(server.requests().iter().any(|r| r.starts_with("WATCH") && r.contains("resourceVersion=7")));
}

#[tokio::test]
async fn labels_and_annotations_change() {
    let server = FakeServer::with(&[node("minikube-m02"), pod("p", json!({"env": "prod"}))]);
    for (line, out, err) in [
        ("label node minikube-m02 disktype=ssd", "node/minikube-m02 labeled\n", ""),
        ("label node minikube-m02 disktype-", "node/minikube-m02 labeled\n", ""),
        ("label node minikube-m02 disktype-", "label \"disktype\" not found.\nnode/minikube-m02 not labeled\n", ""),
        ("label po p env=debug", "", "error: 'env' already has a value (prod), and --overwrite is false\n"),
        ("label po p env=debug --overwrite", "pod/p labeled\n", ""),
        ("label po --all tier=x", "pod/p labeled\n", ""),
        ("label po p --list", "Listing labels for pod/p:\n env=debug\n tier=x\n", ""),
        ("annotate pod p mycompany.com/note=foo", "pod/p annotated\n", ""),
        (
            "annotate pod p mycompany.com/note=bar",
            "",
            "error: --overwrite is false but found the following declared annotation(s): 'mycompany.com/note' already has a value (foo)\n",
        ),
        ("annotate pod p mycompany.com/note-", "pod/p annotated\n", ""),
        ("cordon minikube-m02", "node/minikube-m02 cordoned\n", ""),
        ("cordon minikube-m02", "node/minikube-m02 already cordoned\n", ""),
        ("uncordon minikube-m02", "node/minikube-m02 uncordoned\n", ""),
    ] {
        let outcome = server.run(line).await;
        assert_eq!((outcome.out.as_str(), outcome.err.as_str()), (out, err), "{line}");
    }
}

#[tokio::test]
async fn deleting_says_what_kubectl_says() {
    let all = [pod("a", json!({})), pod("b", json!({"x": "1"})), pod("c", json!({})), deployment()];
    let server = FakeServer::with(&all);
    for (line, out, err, code) in [
        ("delete po a", "pod \"a\" deleted\n", "", 0),
        ("delete po a", "", "Error from server (NotFound): pods \"a\" not found\n", 1),
        ("delete po a --ignore-not-found", "", "", 0),
        ("delete po -l x", "pod \"b\" deleted\n", "", 0),
        ("delete po -l x", "No resources found\n", "", 0),
        ("delete po", "", "error: resource(s) were provided, but no name was specified\n", 1),
        ("delete po c --all", "", "error: name cannot be provided when a selector is specified\n", 1),
        (
            "delete po c --force --grace-period=0",
            "pod \"c\" force deleted\n",
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. \
             The resource may continue to run on the cluster indefinitely.\n",
            0,
        ),
        ("delete all --all --cascade=orphan", "deployment.apps \"nginx-deployment\" deleted\n", "", 0),
    ] {
        assert_eq!(said(&server.run(line).await), (out, err, code), "{line}");
    }
    let requests = server.requests();
    assert!(requests.iter().any(|r| r.contains("\"gracePeriodSeconds\":0")), "{requests:#?}");
    assert!(requests.iter().any(|r| r.contains("\"propagationPolicy\":\"Orphan\"")), "{requests:#?}");
    let outcome = server.run_with_input(&["delete", "-f", "-"], NGINX).await;
    let expected = "Error from server (NotFound): error when deleting \"STDIN\": deployments.apps \"nginx-deployment\" not found\n";
    assert_eq!(said(&outcome), ("", expected, 1));
}

#[tokio::test]
async fn a_delete_waits_until_the_object_is_gone() {
    let server = FakeServer::with(&[pod("a", json!({}))]);
    // The apiserver says yes, but the node still has to stop the containers.
    let path = "/api/v1/namespaces/default/pods/a".to_owned();
    server.answers.lock().expect("answers").insert(("DELETE", path), pod("a", json!({})));
    let gone = WatchedChange { change: ChangeType::Deleted, object: pod("a", json!({})) };
    *server.changes.lock().expect("changes") = vec![gone];
    assert_eq!(said(&server.run("delete po a").await), ("pod \"a\" deleted\n", "", 0));
    let watched = server.requests().into_iter().find(|r| r.starts_with("WATCH")).expect("watch");
    assert!(watched.contains("fieldSelector=metadata.name%3Da") && watched.contains("resourceVersion=5"), "{watched}");
    let late = server.run("delete po a --timeout=300ms").await;
    let expected = "error: timed out waiting for the condition on pods/a\n";
    assert_eq!(said(&late), ("pod \"a\" deleted\n", expected, 1));
}

#[tokio::test]
async fn wrong_words_are_explained() {
    let server = FakeServer::with(&[]);
    for (line, part) in [
        ("get foo", "error: the server doesn't have a resource type \"foo\""),
        ("get pods x", "Error from server (NotFound): pods \"x\" not found"),
        ("get pods", "No resources found in default namespace."),
        ("get pods -n kube-system", "No resources found in kube-system namespace."),
        ("get pods -A", "No resources found\n"),
        ("get nodes", "No resources found\n"),
        ("get pods -o xml", "error: unable to match a printer suitable for the output format \"xml\""),
        ("get", "You must specify the type of resource to get."),
        ("get pods -l a=b=c", "error: unable to parse requirement"),
        ("apply -f /no/such/file.yml", "error: the path \"/no/such/file.yml\" does not exist"),
        ("scale deploy x --replicas=-1", "COUNT must be greater than or equal to 0"),
        ("label pod x", "error: at least one label update is required"),
        ("logs", "POD or TYPE/NAME is a required argument for the logs command"),
        ("rollout status rc/x", "not found"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("get pods --frobnicate", "unexpected argument '--frobnicate'"),
    ] {
        let outcome = server.run(line).await;
        assert!(outcome.err.contains(part), "{line}: {outcome:?}");
        assert_eq!(outcome.out, "", "{line}");
    }
}

#[tokio::test]
async fn refusals_of_the_server_read_as_kubectls() {
    let server = FakeServer::with(&[]);
    let cause = |field: &str, message: &str| Cause {
        reason: "FieldValueInvalid".into(),
        message: message.into(),
        field: field.into(),
    };
    let error = ApiError::invalid(
        "apps",
        "Deployment",
        "nginx-deployment",
        vec![cause("spec.template.metadata.labels", "Invalid value: {}"), cause("spec.replicas", "Invalid value: -1")],
    );
    let path = "/apis/apps/v1/namespaces/default/deployments".to_owned();
    server.refusals.lock().expect("refusals").insert(("POST", path.clone()), error);
    let expected = "The Deployment \"nginx-deployment\" is invalid: \n\
                    * spec.template.metadata.labels: Invalid value: {}\n* spec.replicas: Invalid value: -1\n";
    assert_eq!(said(&server.run_with_input(&["apply", "-f", "-"], NGINX).await), ("", expected, 1));
    let error = ApiError::new(Reason::BadRequest, "strict decoding error: unknown field \"spec.foo\"");
    server.refusals.lock().expect("refusals").insert(("POST", path), error);
    let expected = "Error from server (BadRequest): error when creating \"STDIN\": strict decoding error: unknown \
                    field \"spec.foo\"\n";
    assert_eq!(said(&server.run_with_input(&["create", "-f", "-"], NGINX).await), ("", expected, 1));
}

fn revision(number: i64, image: &str) -> Value {
    let hash = format!("h{number}");
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": format!("nginx-deployment-{hash}"), "namespace": "default", "uid": hash,
            "labels": {"app": "nginx", "pod-template-hash": hash},
            "annotations": {"deployment.kubernetes.io/revision": number.to_string(), "note": "of the revision"},
            "ownerReferences": [{"kind": "Deployment", "name": "nginx-deployment", "uid": "d1", "controller": true}]},
        "spec": {"replicas": 0, "template": {
            "metadata": {"labels": {"app": "nginx", "pod-template-hash": hash}},
            "spec": {"containers": [{"name": "nginx", "image": image}]}}}})
}

#[tokio::test]
async fn revisions_are_listed_and_put_back() {
    let server = FakeServer::with(&[deployment(), revision(1, "nginx:1.16.1"), revision(2, "nginx:1.14.2")]);
    let outcome = server.run("rollout history deployment/nginx-deployment").await;
    let expected = "deployment.apps/nginx-deployment \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n";
    assert_eq!(said(&outcome), (expected, "", 0));
    let outcome = server.run("rollout history deployment/nginx-deployment --revision=1").await;
    assert!(
        outcome.out.starts_with("deployment.apps/nginx-deployment with revision #1\nPod Template:\n"),
        "{outcome:?}"
    );
    assert!(outcome.out.contains("    Image:        nginx:1.16.1\n"), "{}", outcome.out);
    for (line, out, err) in [
        ("rollout undo deployment/nginx-deployment", "deployment.apps/nginx-deployment rolled back\n", ""),
        (
            "rollout undo deployment/nginx-deployment --to-revision=2",
            "deployment.apps/nginx-deployment skipped rollback (current template already matches revision 2)\n",
            "",
        ),
        (
            "rollout undo deployment/nginx-deployment --to-revision=9",
            "",
            "error: unable to find specified revision 9 in history\n",
        ),
    ] {
        let outcome = server.run(line).await;
        assert_eq!((outcome.out.as_str(), outcome.err.as_str()), (out, err), "{line}");
    }
    let patch = server.requests().into_iter().find(|r| r.starts_with("PATCH")).expect("patch");
    assert!(patch.contains("nginx:1.16.1") && patch.contains("of the revision"), "{patch}");
    assert!(!patch.contains("pod-template-hash"), "{patch}");
}

#[tokio::test]
async fn a_rollout_is_followed_to_its_end() {
    let mut object = deployment();
    let state = |updated: i64, available: i64| json!({"replicas": 3, "updatedReplicas": updated, "availableReplicas": available});
    object["status"] = state(1, 3);
    let server = FakeServer::with(std::slice::from_ref(&object));
    let mut changes = Vec::new();
    for (updated, available) in [(3, 2), (3, 2), (3, 3)] {
        object["status"] = state(updated, available);
        changes.push(WatchedChange { change: ChangeType::Modified, object: object.clone() });
    }
    *server.changes.lock().expect("changes") = changes;
    let outcome = server.run("rollout status deployment/nginx-deployment").await;
    let expected = "\
Waiting for deployment \"nginx-deployment\" rollout to finish: 1 out of 3 new replicas have been updated...
Waiting for deployment \"nginx-deployment\" rollout to finish: 2 of 3 updated replicas are available...
deployment \"nginx-deployment\" successfully rolled out
";
    assert_eq!(said(&outcome), (expected, "", 0));
}

#[tokio::test]
async fn waiting_ends_when_the_condition_is_met() {
    let server = FakeServer::with(&[pod("a", json!({}))]);
    let mut ready = pod("a", json!({}));
    ready["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    *server.changes.lock().expect("changes") = vec![WatchedChange { change: ChangeType::Modified, object: ready }];
    for (line, out, err, code) in [
        ("wait --for=condition=Ready pod/a", "pod/a condition met\n", "", 0),
        ("wait --for=jsonpath={.status.phase}=Running pod a", "pod/a condition met\n", "", 0),
        ("wait --for=delete pod/gone", "", "", 0),
        (
            "wait --for=condition=Other pod/a --timeout=300ms",
            "",
            "error: timed out waiting for the condition on pods/a\n",
            1,
        ),
        ("wait --for=condition=Ready pod -l none=x", "", "error: no matching resources found\n", 1),
    ] {
        assert_eq!(said(&server.run(line).await), (out, err, code), "{line}");
    }
}

#[tokio::test]
async fn logs_and_exec_go_through_streams() {
    let mut two = pod("two", json!({"app": "x"}));
    two["spec"]["containers"] = json!([{"name": "a"}, {"name": "b"}]);
    let mut workload = deployment();
    workload["spec"]["selector"] = json!({"matchLabels": {"app": "x"}});
    let server = FakeServer::with(&[pod("one", json!({})), two, workload]);
    let data = |channel: u8, text: &'static str| Received::Data { channel, data: text.into() };
    let log = || vec![data(channel::STDOUT, "hello k8s job!\n"), Received::End { exit_code: None }];
    let exec = || {
        let end = Received::End { exit_code: Some(7) };
        vec![data(channel::STDOUT, "out\n"), data(channel::STDERR, "err\n"), end]
    };
    let defaulted = "Defaulted container \"a\" out of: a, b\n";
    for (line, said_before, out, err, code) in [
        ("logs one --tail=5 --since=1m", log(), "hello k8s job!\n", "", 0),
        ("logs two", log(), "hello k8s job!\n", defaulted, 0),
        ("logs two -c b --prefix", log(), "[pod/two/b] hello k8s job!\n", "", 0),
        ("logs deployment/nginx-deployment b", log(), "hello k8s job!\n", "", 0),
        ("logs one -c z", log(), "", "error: container z is not valid for pod one (it has c)\n", 1),
        ("exec one -- sh -c ls", exec(), "out\n", "err\ncommand terminated with exit code 7\n", 7),
        ("exec one env", exec(), "out\n", "err\ncommand terminated with exit code 7\n", 7),
        ("exec one", exec(), "", "error: you must specify at least one command for the container\n", 1),
    ] {
        *server.received.lock().expect("received") = said_before;
        assert_eq!(said(&server.run(line).await), (out, err, code), "{line}");
    }
    let requests = server.requests();
    let sent = |part: &str| assert!(requests.iter().any(|r| r.contains(part)), "{part} in {requests:#?}");
    sent("pods/one/log?container=c&tailLines=5&sinceSeconds=60");
    sent(
        "POST /api/v1/namespaces/default/pods/one/exec?container=c&stdout=true&stderr=true&command=sh&command=-c&command=ls",
    );
}

#[tokio::test]
async fn versions_are_told_and_shells_complete() {
    let server = FakeServer::with(&[]);
    let version = kubus_proto::VERSION;
    let expected = format!("Client Version: {version}\nServer Version: {version}\n");
    assert_eq!(said(&server.run("version").await), (expected.as_str(), "", 0));
    for shell in ["bash", "zsh", "fish"] {
        assert!(server.run(&format!("completion {shell}")).await.out.contains("kubus"), "{shell}");
    }
    let help = server.run("--help").await;
    assert!(help.out.contains("Basic commands:") && help.code == 0, "{help:?}");
}

#[tokio::test]
async fn an_edit_goes_through_the_editor() {
    let folder = tempfile::tempdir().expect("folder");
    let script = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
        path.display().to_string()
    };
    let server = FakeServer::with(&[deployment()]);
    // The second time round the file is put right.
    let twice = format!(
        "if [ -e {0}/once ]; then sed -i 's/replicas: oops: x/replicas: 5/' \"$1\"; cp \"$1\" {0}/seen; else touch {0}/once; sed -i 's/replicas: 3/replicas: oops: x/' \"$1\"; fi",
        folder.path().display()
    );
    for (name, text, expected) in [
        ("same", "true", "Edit cancelled, no changes made.\n"),
        ("twice", twice.as_str(), "deployment.apps/nginx-deployment edited\n"),
        ("empty", "echo > \"$1\"", "Edit cancelled, saved file was empty.\n"),
    ] {
        let editor = script(name, text);
        let outcome = crate::commands::edit::with_editor(&editor, server.run("edit deployment/nginx-deployment")).await;
        // What was cancelled is no result, so it is told on stderr.
        let (out, err) = if name == "twice" { (expected, "") } else { ("", expected) };
        assert_eq!(said(&outcome), (out, err, 0), "{name}");
    }
    let seen = std::fs::read_to_string(folder.path().join("seen")).expect("the file as it was opened again");
    assert!(seen.contains("# error: error converting YAML to JSON: yaml: line"), "{seen}");
    assert!(server.requests().iter().any(|r| r.starts_with("PATCH") && r.contains("{\"spec\":{\"replicas\":5}}")));
}

#[tokio::test]
async fn old_manifests_are_sent_in_their_own_version() {
    let server = FakeServer::with(&[]);
    let old = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n";
    for words in [["create", "-f", "-"], ["apply", "-f", "-"]] {
        server.run_with_input(&words, old).await;
    }
    let paths: Vec<String> =
        server.requests().iter().map(|line| line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ")).collect();
    let collection = "/apis/extensions/v1beta1/namespaces/default/deployments";
    assert_eq!(paths[0], format!("POST {collection}"));
    assert!(paths[1..].iter().all(|path| path.ends_with(&format!("{collection}/web"))), "{paths:?}");
}
