//! The gateway: HTTP in both versions, who is believed, watches, bad clients, certificates, health and metrics.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use kubus_tests::cluster::program;
use kubus_tests::https::{Http, Https, Identity, request};
use kubus_tests::{Cluster, nats_available};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const TABLE: &str = "accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const METADATA: &str = "accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json";
const LIMIT: Duration = Duration::from_secs(60);

fn cluster(more: &[&str]) -> Option<Cluster> {
    if !nats_available() {
        return None;
    }
    let mut arguments = vec!["--runtime", "sim", "--nodes", "0"];
    arguments.extend(more);
    Some(Cluster::up(&arguments))
}

fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": value}},
        "data": {"key": value}})
}

/// Nothing of this kind is in a namespace that the test has not put there.
fn secret(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {"app": value}},
        "stringData": {"key": value}})
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("a resourceVersion").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_over_both_versions_of_http() {
    let Some(cluster) = cluster(&[]) else { return };
    for http in [Http::One, Http::Two] {
        let https = cluster.https(1).over(http);
        let mut connection = https.connect().await;
        let one = format!("{CONFIG_MAPS}/a");
        let json = "content-type: application/json";
        let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\ndata:\n  on: \"yes\"\n";
        // Method, path, headers, body; code, and a pointer into the answer with what is there.
        for (method, path, headers, body, code, pointer, expected) in [
            ("POST", CONFIG_MAPS, vec![json], config_map("a", "1").to_string(), 201, "/metadata/name", json!("a")),
            ("POST", CONFIG_MAPS, vec![], config_map("a", "1").to_string(), 409, "/reason", json!("AlreadyExists")),
            ("POST", CONFIG_MAPS, vec!["content-type: application/yaml"], yaml.into(), 201, "/data/on", json!("yes")),
            ("GET", &one, vec![], String::new(), 200, "/data/key", json!("1")),
            ("GET", CONFIG_MAPS, vec![], String::new(), 200, "/kind", json!("ConfigMapList")),
            ("GET", CONFIG_MAPS, vec![TABLE], String::new(), 200, "/kind", json!("Table")),
            ("GET", &one, vec![METADATA], String::new(), 200, "/kind", json!("PartialObjectMetadata")),
            ("PUT", &one, vec![json], config_map("a", "2").to_string(), 200, "/data/key", json!("2")),
            (
                "PATCH",
                &one,
                vec!["content-type: application/merge-patch+json"],
                json!({"data": {"key": "3"}}).to_string(),
                200,
                "/data/key",
                json!("3"),
            ),
            (
                "PATCH",
                &one,
                vec!["content-type: application/json-patch+json"],
                json!([{"op": "replace", "path": "/data/key", "value": "4"}]).to_string(),
                200,
                "/data/key",
                json!("4"),
            ),
            (
                "GET",
                &format!("{CONFIG_MAPS}?labelSelector=app%3D2"),
                vec![],
                String::new(),
                200,
                "/kind",
                json!("ConfigMapList"),
            ),
            (
                "DELETE",
                &one,
                vec![json],
                json!({"kind": "DeleteOptions", "apiVersion": "v1"}).to_string(),
                200,
                "/status",
                json!("Success"),
            ),
            ("DELETE", &one, vec![], String::new(), 404, "/details/name", json!("a")),
            ("DELETE", CONFIG_MAPS, vec![], String::new(), 200, "/kind", json!("ConfigMapList")),
            ("GET", "/version", vec![], String::new(), 200, "/major", json!("1")),
        ] {
            let answer = connection.whole(request(method, path, &headers, body)).await;
            assert_eq!(answer.code, code, "{http:?} {method} {path}: {}", answer.text());
            assert_eq!(answer.header("content-type"), "application/json", "{http:?} {method} {path}");
            assert!(!answer.header("audit-id").is_empty());
            assert_eq!(answer.json().pointer(pointer), Some(&expected), "{method} {path}: {}", answer.text());
        }
        let answer =
            connection.whole(request("GET", "/api/v1/namespaces/default", &["accept: application/yaml"], "")).await;
        assert_eq!(answer.header("content-type"), "application/yaml");
        assert!(answer.text().contains("name: default\n"), "{}", answer.text());
        let answer = connection.whole(request("GET", "/version", &["audit-id: mine"], "")).await;
        assert_eq!(answer.header("audit-id"), "mine");
    }
    warnings_and_large_answers(&cluster.https(1)).await;
}

async fn warnings_and_large_answers(https: &Https) {
    let mut object = config_map("odd", "1");
    object["surprise"] = json!(1);
    let answer = https.ask("POST", &format!("{CONFIG_MAPS}?fieldValidation=Warn"), &[], object.to_string()).await;
    assert_eq!(answer.code, 201, "{}", answer.text());
    assert_eq!(answer.header("warning"), "299 - \"unknown field \\\"surprise\\\"\"");
    for (validation, code, warnings) in [
        ("Strict", 400, vec![]),
        ("Warn", 201, vec!["299 - \"duplicate field \\\"data.key\\\"\""]),
        ("Ignore", 409, vec![]),
    ] {
        let text = r#"{"metadata":{"name":"twice"},"data":{"key":"1","key":"2"}}"#;
        let answer = https.ask("POST", &format!("{CONFIG_MAPS}?fieldValidation={validation}"), &[], text).await;
        let got: Vec<_> = answer.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!((answer.code, got), (code, warnings), "{}", answer.text());
        if code == 400 {
            let expected = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: \
                            duplicate field \"data.key\"";
            assert_eq!(answer.json()["message"], expected);
        }
    }
    for path in ["/apis", "/openapi/v3", "/openapi/v2"] {
        let tag = https.get(path).await.header("etag").to_owned();
        let answer = https.ask("GET", path, &[&format!("if-none-match: {tag}")], "").await;
        assert_eq!((answer.code, answer.body.len()), (304, 0), "{path} {tag}");
    }
    let text = "x".repeat(300_000);
    https.create(CONFIG_MAPS, &json!({"metadata": {"name": "large"}, "data": {"text": text}})).await;
    let path = format!("{CONFIG_MAPS}/large");
    let plain = https.get(&path).await;
    assert_eq!((plain.header("content-encoding"), &plain.json()["data"]["text"]), ("", &json!(text)));
    let packed = https.ask("GET", &path, &["accept-encoding: gzip"], "").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len() / 10);
    let mut unpacked = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_in_kubernetes_words() {
    let Some(cluster) = cluster(&[]) else { return };
    let https = cluster.https(1);
    let signed = |name, group, valid| Identity::signed(https.pki(), name, group, valid);
    let foreign = foreign_authority(&cluster);
    let pods = "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    let nobody = "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    for (what, identity, headers, code, message) in [
        ("a master", Some(signed("root", "system:masters", (-1, 1))), vec![], 200, ""),
        ("a user without rights", Some(signed("jane", "dev", (-1, 1))), vec![], 403, pods),
        ("an expired certificate", Some(signed("root", "system:masters", (-9, -1))), vec![], 401, "Unauthorized"),
        ("a certificate of tomorrow", Some(signed("root", "system:masters", (1, 9))), vec![], 401, "Unauthorized"),
        ("a certificate of another authority", Some(foreign), vec![], 401, "Unauthorized"),
        ("a wrong token", None, vec!["authorization: Bearer nonsense"], 401, "Unauthorized"),
        ("nobody", None, vec![], 403, nobody),
        ("a name and password", None, vec!["authorization: Basic dXNlcjpwYXNz"], 403, nobody),
    ] {
        let answer = https.showing(identity).ask("GET", "/api/v1/pods", &headers, "").await;
        assert_eq!(answer.code, code, "{what}: {}", answer.text());
        if code >= 400 {
            let status = answer.json();
            assert_eq!((&status["kind"], &status["message"]), (&json!("Status"), &json!(message)), "{what}");
            assert_eq!(status["code"], code, "{what}");
        }
    }
    let json = "content-type: application/json";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bombs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                 d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                 g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    for (method, path, headers, body, code, reason) in [
        ("POST", CONFIG_MAPS, vec![json], Bytes::from_static(b"{"), 400, "BadRequest"),
        ("POST", CONFIG_MAPS, vec![json], deep.clone().into(), 400, "BadRequest"),
        ("POST", CONFIG_MAPS, vec!["content-type: application/yaml"], deep.into(), 400, "BadRequest"),
        ("POST", CONFIG_MAPS, vec!["content-type: application/yaml"], bombs.into(), 400, "BadRequest"),
        ("POST", CONFIG_MAPS, vec!["content-type: text/html"], "{}".into(), 415, "UnsupportedMediaType"),
        ("PATCH", "/api/v1/namespaces/default", vec![json], "{}".into(), 415, "UnsupportedMediaType"),
        ("GET", CONFIG_MAPS, vec!["accept: text/html"], "".into(), 406, "NotAcceptable"),
        ("GET", "/api/v1/pods?watch=true", vec!["accept: application/yaml"], "".into(), 406, "NotAcceptable"),
        ("POST", CONFIG_MAPS, vec![json], vec![b' '; 3 * 1024 * 1024 + 1].into(), 413, "RequestEntityTooLarge"),
        ("GET", "/api/v1//pods", vec![], "".into(), 400, "BadRequest"),
        ("GET", "/api/v1/namespaces/default/../../pods", vec![], "".into(), 400, "BadRequest"),
        ("GET", "/api/v1/namespaces/%2e%2e/pods", vec![], "".into(), 400, "BadRequest"),
        ("GET", "/api/v1/namespaces/default%2fpods%2fx/status", vec![], "".into(), 400, "BadRequest"),
        ("OPTIONS", "/api/v1/pods", vec![], "".into(), 405, "MethodNotAllowed"),
        ("POST", "/api/v1/nodes/x", vec![json], "{}".into(), 405, "MethodNotAllowed"),
        ("GET", "/api/v1/nonsense", vec![], "".into(), 404, "NotFound"),
        ("GET", "/nonsense", vec![], "".into(), 404, "NotFound"),
        ("GET", "/api/v1/pods?watch=true&fieldSelector=spec.colour%3Dred", vec![], "".into(), 400, "BadRequest"),
        ("GET", "/api/v1/pods?watch=true&sendInitialEvents=true", vec![], "".into(), 422, "Invalid"),
    ] {
        let answer = https.ask(method, path, &headers, body).await;
        assert_eq!(answer.code, code, "{method} {path} {headers:?}: {}", answer.text());
        assert_eq!(answer.json()["reason"], reason, "{method} {path}: {}", answer.text());
    }
    // What HTTP itself forbids, and what could be read in two ways.
    let head = "Host: localhost\r\n";
    for (what, text) in [
        (
            "two lengths",
            format!("POST {CONFIG_MAPS} HTTP/1.1\r\n{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        ),
        (
            "a length and chunks",
            format!(
                "POST {CONFIG_MAPS} HTTP/1.1\r\n{head}Content-Length: 4\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\nGET /api/v1/secrets HTTP/1.1\r\n{head}\r\n"
            ),
        ),
        ("no HTTP at all", "\x16\x03nonsense\r\n\r\n".to_owned()),
        ("a header with a line break", format!("GET /version HTTP/1.1\r\n{head}X: a\r\n b\r\n\r\n")),
    ] {
        let mut stream = https.tls().await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the connection is ended");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), usize::from(!answer.is_empty()), "{what}: {answer}");
    }
}

/// An identity like the admin user's, but of an authority that nobody here knows.
fn foreign_authority(cluster: &Cluster) -> Identity {
    let folder = cluster.home().join("foreign");
    std::fs::create_dir(&folder).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "kubus-ca");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(folder.join("ca.crt"), authority.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("ca.key"), key.serialize_pem()).unwrap();
    Identity::signed(&folder, "kubernetes-admin", "system:masters", (-1, 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_tell_what_kubernetes_watches_tell() {
    let Some(cluster) = cluster(&[]) else { return };
    for (http, namespace) in [(Http::One, "one"), (Http::Two, "two")] {
        let https = cluster.https(1).over(http);
        https.create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await;
        let all = format!("/api/v1/namespaces/{namespace}/secrets");
        let first = https.create(&all, &secret("a", "x")).await;
        https.create(&all, &secret("b", "y")).await;
        let list = https.get(&all).await.json();
        let now = version(&list);
        let from = format!("resourceVersion={now}");
        let old_path = format!("/api/v1/watch/namespaces/{namespace}/secrets");
        let one_path = format!("{all}/b");
        // Path and query, headers, what is told at once.
        let mut watches = Vec::new();
        for (path, query, header, told) in [
            (&all, "", "", vec!["ADDED a", "ADDED b"]),
            (&all, from.as_str(), "", vec![]),
            (&old_path, "", "", vec!["ADDED a", "ADDED b"]),
            (&one_path, "", "", vec!["ADDED b"]),
            (&all, "fieldSelector=metadata.name%3Db", "", vec!["ADDED b"]),
            (&all, "labelSelector=app%3Dy", "", vec!["ADDED b"]),
            (
                &all,
                "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
                "",
                vec!["ADDED a", "ADDED b", "BOOKMARK "],
            ),
            (&all, "", METADATA, vec!["ADDED a", "ADDED b"]),
        ] {
            let headers: Vec<&str> = Some(header).filter(|h| !h.is_empty()).into_iter().collect();
            let mut lines = https.watch(&format!("{path}?watch=1&{query}"), &headers).await;
            assert_eq!((lines.code, lines.headers["content-type"].to_str().unwrap()), (200, "application/json"));
            assert_eq!(lines.take(told.len()).await, told, "{path} {query}");
            watches.push((format!("{path}?{query}"), lines));
        }
        let mut table = https.watch(&format!("{all}?watch=true"), &[TABLE]).await;
        let shown = table.next().await.unwrap()["object"].clone();
        assert_eq!(shown["kind"], "Table");
        assert_eq!(shown["columnDefinitions"][0]["name"], "Name");
        assert_eq!(shown["rows"][0]["cells"][0], "a");
        assert_eq!(shown["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        let later = table.next().await.unwrap()["object"].clone();
        assert_eq!((&later["columnDefinitions"], &later["rows"][0]["cells"][0]), (&Value::Null, &json!("b")));

        // A change, a label that leaves a selection, a deletion: everyone hears what concerns them.
        let json = ["content-type: application/json"];
        assert_eq!(https.ask("PUT", &format!("{all}/b"), &json, secret("b", "z").to_string()).await.code, 200);
        assert_eq!(https.ask("DELETE", &format!("{all}/a"), &[], "").await.code, 200);
        assert_eq!(https.ask("DELETE", &format!("{all}/b"), &[], "").await.code, 200);
        for (what, lines) in &mut watches {
            let expected: &[&str] = if what.contains("labelSelector") {
                &["DELETED b"]
            } else if what.contains("fieldSelector") || what.contains("secrets/b?") {
                &["MODIFIED b", "DELETED b"]
            } else {
                &["MODIFIED b", "DELETED a", "DELETED b"]
            };
            assert_eq!(lines.take(expected.len()).await, expected, "{what}");
        }
        // What was missed is told to whoever comes with an older revision, each once and in order.
        let mut late = https.watch(&format!("{all}?watch=true&resourceVersion={}", version(&first)), &[]).await;
        assert_eq!(late.take(4).await, ["ADDED b", "MODIFIED b", "DELETED a", "DELETED b"]);
        let mut bounded = https.watch(&format!("{all}?watch=true&timeoutSeconds=1"), &[]).await;
        assert_eq!(bounded.next().await, None, "the end of the time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_slow_or_never_read_harm_nobody() {
    let Some(cluster) = cluster(&[]) else { return };
    let https = cluster.https(1);
    // Requests whose heads never end, and handshakes that never begin.
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut stream = https.tls().await.unwrap();
        stream.write_all(b"GET /api/v1/pods HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
        slow.push(stream);
    }
    let silent: Vec<std::net::TcpStream> =
        (0..60).map(|_| std::net::TcpStream::connect(("127.0.0.1", https.port)).unwrap()).collect();
    // Watches that are opened and never read, with far more to tell than fits into any buffer on the way.
    let text = "x".repeat(500_000);
    for number in 0..40 {
        https.create(CONFIG_MAPS, &config_map(&format!("large-{number}"), "").tap_data(&text)).await;
    }
    let before = memory(&cluster, "gateway-1");
    let mut deaf = Vec::new();
    for _ in 0..10 {
        let mut stream = https.tls().await.unwrap();
        let head = format!("GET {CONFIG_MAPS}?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        deaf.push(stream);
    }
    // Everyone else is served all the while, and hears of every change.
    let mut keen = https.watch("/api/v1/namespaces?watch=true", &[]).await;
    keen.take(4).await;
    for round in 0..50 {
        let name = format!("ns-{round}");
        https.create("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
        assert_eq!(https.get("/api/v1/namespaces/default").await.code, 200);
        loop {
            // The namespace controller writes too.
            let event = keen.next().await.expect("an event");
            if event["type"] == "ADDED" && event["object"]["metadata"]["name"] == name.as_str() {
                break;
            }
        }
    }
    // What the beginning of a watch holds is in memory once a watch, and nothing grows from there.
    let grown = memory(&cluster, "gateway-1").saturating_sub(before);
    assert!(grown < 600 << 20, "the gateway has grown by {grown} bytes");
    // A connection that takes nothing is ended; the gateway counts those that stand.
    let standing = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("kubus_gateway_connections "));
        line.and_then(|count| count.parse::<u64>().ok()).expect("a count of connections")
    };
    let deadline = Instant::now() + 3 * LIMIT;
    loop {
        let metrics = https.get("/metrics").await;
        assert_eq!(metrics.code, 200, "{}", metrics.text());
        // Left are this connection, the keen watch, and slow heads whose time is not up.
        if standing(&metrics.text()) <= 3 + 60 {
            break;
        }
        assert!(Instant::now() < deadline, "connections that take nothing still stand\n{}", metrics.text());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    drop((slow, silent, deaf));
}

trait TapData {
    fn tap_data(self, text: &str) -> Self;
}

impl TapData for Value {
    fn tap_data(mut self, text: &str) -> Self {
        self["data"]["key"] = json!(text);
        self["metadata"]["labels"] = Value::Null;
        self
    }
}

/// Resident memory of a process in bytes.
fn memory(cluster: &Cluster, process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", cluster.pid(process))).expect("a process");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4_096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_while_connections_stand() {
    let Some(cluster) = cluster(&["--gateways", "2"]) else { return };
    // In place of the second gateway one whose certificate lives for seconds.
    cluster.signal("gateway-2", nix::sys::signal::Signal::SIGKILL);
    let pki = cluster.home().join("pki");
    let file = |name: &str| pki.join(name).display().to_string();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let credentials = cluster.home().join("credentials/gateway-2.json").display().to_string();
    let mut short_lived = Command::new(program("kubus-gateway"))
        .args(["--credentials", &credentials, "--listen", &format!("127.0.0.1:{port}")])
        .args(["--authority", &file("ca.crt"), "--authority-key", &file("ca.key")])
        .args(["--certificate", &file("short.crt"), "--key", &file("short.key"), "--certificate-life-s", "6"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let https = cluster.https(1).at(port);
    let deadline = Instant::now() + LIMIT;
    while https.tls().await.is_err() {
        assert!(Instant::now() < deadline, "the gateway does not listen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut kept = https.connect().await;
    while kept.whole(request("GET", "/readyz", &[], "")).await.code != 200 {
        assert!(Instant::now() < deadline, "the gateway is not ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut watch = https.watch(&format!("{CONFIG_MAPS}?watch=true"), &[]).await;
    let mut seen = vec![kept.server_certificate.clone()];
    // New connections come with new certificates, one after the other; the old ones are served on.
    while seen.len() < 3 {
        let fresh = https.connect().await;
        if !seen.contains(&fresh.server_certificate) {
            seen.push(fresh.server_certificate.clone());
            let name = format!("after-{}", seen.len());
            assert_eq!(kept.whole(request("GET", "/api/v1/namespaces/default", &[], "")).await.code, 200);
            https.create(CONFIG_MAPS, &config_map(&name, "x")).await;
            loop {
                let event = watch.next().await.expect("the watch goes on");
                if event["object"]["metadata"]["name"] == name.as_str() {
                    break;
                }
            }
        }
        assert!(Instant::now() < deadline, "the certificate is not renewed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // One that somebody else puts there is taken too.
    let issued = Command::new("cp").args([&file("gateway-1.key"), &file("short.key")]).status().unwrap().success()
        && Command::new("cp").args([&file("gateway-1.crt"), &file("short.crt")]).status().unwrap().success();
    assert!(issued);
    let wanted = cluster.https(1).connect().await.server_certificate;
    while https.connect().await.server_certificate != wanted {
        assert!(Instant::now() < deadline, "the certificate in the file is not taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(kept.whole(request("GET", "/livez", &[], "")).await.code, 200);
    short_lived.kill().unwrap();
    short_lived.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_metrics_and_more_than_one_gateway() {
    let Some(cluster) = cluster(&["--gateways", "2"]) else { return };
    let (first, second) = (cluster.https(1), cluster.https(2));
    first.create(CONFIG_MAPS, &config_map("shared", "x")).await;
    assert_eq!(second.get(&format!("{CONFIG_MAPS}/shared")).await.code, 200);

    for (path, code, body) in [
        ("/livez", 200, "ok"),
        ("/readyz", 200, "ok"),
        ("/healthz", 200, "ok"),
        ("/readyz/ping", 200, "ok"),
        ("/readyz/apiserver", 200, "ok"),
        ("/readyz/nonsense", 404, "404 page not found\n"),
        ("/livez?verbose", 200, "[+]ping ok\n[+]certificate ok\nlivez check passed\n"),
        (
            "/readyz?verbose&exclude=certificate",
            200,
            "[+]ping ok\n[+]bus ok\n[+]apiserver ok\n[+]shutdown ok\nreadyz check passed\n",
        ),
    ] {
        let answer = first.showing(None).get(path).await;
        assert_eq!((answer.code, answer.text().as_str()), (code, body), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }

    assert_eq!(first.showing(None).get("/metrics").await.code, 403);
    let text = first.get("/metrics").await.text();
    for line in [
        "apiserver_request_total{verb=\"POST\",group=\"\",version=\"v1\",resource=\"configmaps\",subresource=\"\",scope=\"namespace\",code=\"201\"} 1",
        "kubus_gateway_tls_handshakes_total{result=\"ok\"} ",
        "kubus_bus_requests_total{route=\"write\",code=\"201\"} 1",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.lines().any(|l| l.starts_with(line)), "{line} is not in\n{text}");
    }
    for (identity, line) in [
        ("gateway-2", "kubus_gateway_connections "),
        ("apiserver-1", "apiserver_request_total{verb=\"POST\""),
        ("scheduler-1", "kubus_bus_requests_total"),
        ("controllers-2", "kubus_bus_requests_total"),
    ] {
        let answer = first.get(&format!("/metrics/{identity}")).await;
        assert!(answer.text().lines().any(|l| l.starts_with(line)), "{identity}: {line} is not in\n{}", answer.text());
    }
    assert_eq!(first.get("/metrics/nobody").await.code, 404);

    // One gateway is gone: the other one serves on; without apiservers it says that it is not ready.
    let mut watch = second.watch(&format!("{CONFIG_MAPS}?watch=true"), &[]).await;
    cluster.signal("gateway-1", nix::sys::signal::Signal::SIGTERM);
    cluster.wait("gateway-1 has ended", LIMIT, || {
        std::net::TcpStream::connect(("127.0.0.1", first.port)).is_err().then_some(())
    });
    second.create(CONFIG_MAPS, &config_map("after", "x")).await;
    while watch.next().await.expect("an event")["object"]["metadata"]["name"] != "after" {}
    cluster.signal("apiserver-1", nix::sys::signal::Signal::SIGKILL);
    let answer = second.get("/readyz").await;
    assert_eq!(answer.code, 500);
    assert!(answer.text().contains("[-]apiserver failed: reason withheld\n"), "{}", answer.text());
    assert_eq!(second.get("/livez").await.code, 200);
}
