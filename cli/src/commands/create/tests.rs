//! Every generator against the objects kubectl makes of the same words.

use crate::fake::FakeServer;
use serde_json::{Value, json};

#[tokio::test]
async fn generators_make_what_kubectl_makes() {
    let container = json!({"name": "pi", "image": "perl", "command": ["perl", "-e", "1"], "resources": {}});
    let cases: Vec<(&str, Value)> = vec![
        (
            "job pi --image=perl -- perl -e 1",
            json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "pi"}, "spec": {"template":
                {"metadata": {}, "spec": {"containers": [container], "restartPolicy": "Never"}}}}),
        ),
        (
            "cronjob hello --image=busybox --schedule=*/1",
            json!({"kind": "CronJob", "apiVersion": "batch/v1", "metadata": {"name": "hello"}, "spec": {
                "schedule": "*/1", "jobTemplate": {"metadata": {"name": "hello"}, "spec": {"template": {"metadata": {},
                "spec": {"containers": [{"name": "hello", "image": "busybox", "resources": {}}],
                    "restartPolicy": "OnFailure"}}}}}}),
        ),
        (
            "service clusterip a --tcp=80:8080 --tcp=443",
            json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"app": "a"}}, "spec": {
                "ports": [{"name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080},
                    {"name": "443", "protocol": "TCP", "port": 443, "targetPort": 443}],
                "selector": {"app": "a"}, "type": "ClusterIP"}}),
        ),
        (
            "service nodeport a --tcp=80:8080 --node-port=30080",
            json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"app": "a"}}, "spec": {
                "ports": [{"name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080}],
                "selector": {"app": "a"}, "type": "NodePort"}}),
        ),
        (
            "service externalname a --external-name=b.c",
            json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"app": "a"}}, "spec": {
                "selector": {"app": "a"}, "type": "ExternalName", "externalName": "b.c"}}),
        ),
        (
            "quota q --hard=cpu=1,pods=2 --scopes=BestEffort",
            json!({"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}, "spec":
                {"hard": {"cpu": "1", "pods": "2"}, "scopes": ["BestEffort"]}}),
        ),
        (
            "priorityclass high --value=1000 --description=x --global-default",
            json!({"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": "high"},
                "value": 1000, "globalDefault": true, "description": "x", "preemptionPolicy": "PreemptLowerPriority"}),
        ),
        (
            "pdb p --selector=app=x --min-available=50%",
            json!({"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": {"name": "p"}, "spec":
                {"minAvailable": "50%", "selector": {"matchLabels": {"app": "x"}}}}),
        ),
        (
            "ingress i --rule=foo.com/bar=svc1:8080,tls=my-cert --rule=/p*=s:http --class=c --default-backend=d:80 \
             --annotation a=b",
            json!({"kind": "Ingress", "apiVersion": "networking.k8s.io/v1",
                "metadata": {"name": "i", "annotations": {"a": "b"}},
                "spec": {"ingressClassName": "c", "defaultBackend": {"service": {"name": "d", "port": {"number": 80}}},
                    "tls": [{"hosts": ["foo.com"], "secretName": "my-cert"}],
                    "rules": [{"host": "foo.com", "http": {"paths": [{"path": "/bar", "pathType": "Exact",
                            "backend": {"service": {"name": "svc1", "port": {"number": 8080}}}}]}},
                        {"http": {"paths": [{"path": "/p", "pathType": "Prefix",
                            "backend": {"service": {"name": "s", "port": {"name": "http"}}}}]}}]}}),
        ),
        (
            "secret docker-registry r --docker-username=u --docker-password=p --docker-email=e",
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "r"},
                "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eyJhdXRocyI6eyJodHRwczovL2luZGV4LmRvY2tlci5pby92MS8iOnsidXNlcm5hbWUiOiJ1IiwicGFzc3dvcmQiOiJwIiwiZW1haWwiOiJlIiwiYXV0aCI6ImRUcHcifX19"}}),
        ),
    ];
    for (words, expected) in cases {
        let server = FakeServer::with(&[]);
        let line = words.replacen(" -- ", " --dry-run=client -o json -- ", 1);
        let line = if line == words { format!("{words} --dry-run=client -o json") } else { line };
        let outcome = server.run(&format!("create {line}")).await;
        let mut made: Value =
            serde_json::from_str(&outcome.out).unwrap_or_else(|e| panic!("{words}: {e}: {}", outcome.err));
        let mut expected = expected;
        // The order of keys in the embedded file does not matter.
        for object in [&mut made, &mut expected] {
            if let Some(text) = object["data"][".dockerconfigjson"].as_str() {
                use base64::Engine;
                let file = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
                object["data"] = serde_json::from_slice(&file).expect("JSON");
            }
        }
        assert_eq!(made, expected, "{words}");
    }
}

#[tokio::test]
async fn what_is_missing_is_said() {
    for (words, error) in [
        ("job a", "error: either --image or --from must be specified"),
        ("pdb p", "error: a selector must be specified"),
        ("pdb p --selector=a=b", "error: one of min-available or max-unavailable must be specified"),
        ("service clusterip a", "error: at least one tcp port specifier must be provided"),
        ("service clusterip a --tcp=x", "error: invalid port \"x\": must be a number between 1 and 65535, inclusive"),
        (
            "ingress i --rule=a",
            "error: rule a is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]",
        ),
    ] {
        let outcome = FakeServer::with(&[]).run(&format!("create {words} --dry-run=client")).await;
        assert_eq!((outcome.err.trim_end(), outcome.code), (error, 1), "{words}");
    }
}
