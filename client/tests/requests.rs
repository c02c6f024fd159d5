//! Connecting and asking, over a real NATS server.
#![allow(clippy::unwrap_used)]

mod support;

use kubus_client::{Bus, BusError, Credentials};
use kubus_proto::request::{CHUNK_BYTES, Method, OBJECT_LIMIT_BYTES};
use kubus_proto::{ApiRequest, Reason, codec};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::apiserver::Apiserver;
use support::{Nats, eventually, soon};

fn create(name: &str) -> ApiRequest {
    let mut request = ApiRequest::new(Method::Post, "/api/v1/namespaces/default/configmaps");
    request.body = codec::encode(&json!({"metadata": {"name": name}, "data": {"a": "b"}})).unwrap().into();
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_whatever_its_code_and_size() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let bus = nats.connect("admin").await;
    assert_eq!(bus.request(create("a")).await.unwrap().code, 201);
    let again = bus.request(create("a")).await.unwrap();
    assert_eq!(again.code, 409);
    let error = bus.request_ok(create("a")).await.unwrap_err();
    assert!(matches!(&error, BusError::Api(error) if error.reason == Reason::AlreadyExists), "{error}");
    assert_eq!(error.to_string(), "configmaps \"a\" already exists");
    for size in [0, CHUNK_BYTES - 100, CHUNK_BYTES, 5 * CHUNK_BYTES + 3] {
        let mut request = ApiRequest::new(Method::Get, "/large");
        request.query = size.to_string();
        let body = bus.request_ok(request).await.unwrap();
        assert_eq!(codec::decode::<String>(&body).unwrap().len(), size);
    }
    let mut request = ApiRequest::new(Method::Post, "/echo");
    request.body = vec![0; OBJECT_LIMIT_BYTES + 1].into();
    let error = bus.request(request).await.unwrap_err();
    assert!(matches!(&error, BusError::Api(error) if error.reason == Reason::RequestEntityTooLarge), "{error}");
    let seen = server.seen.lock().unwrap();
    assert!(seen.iter().all(|(identity, _)| identity == "admin"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_keep_the_id_so_that_nothing_happens_twice() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let bus = nats.connect("node:n1").await;
    for (what, fault) in [
        ("no answer", &server.faults.silent),
        ("done, and no answer", &server.faults.forgetful),
        ("not now", &server.faults.unavailable),
    ] {
        fault.store(1, Ordering::SeqCst);
        let request = create(&what.replace([' ', ','], "-"));
        let id = request.id;
        let response = soon(what, bus.request(request)).await.unwrap();
        assert_eq!(response.code, 201, "{what}");
        assert_eq!(server.requests(|r| r.id == id).len(), 2, "{what}");
    }
    assert_eq!(server.objects("configmaps").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_leader_a_request_waits_for_one_or_says_so() {
    let Some(nats) = Nats::start() else { return };
    let bus = nats.connect("admin").await;
    let begun = Instant::now();
    let error = bus.with_deadline(Duration::from_millis(300)).request(create("a")).await.unwrap_err();
    assert!(matches!(error, BusError::NoLeader { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.request(create("a")).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _server = Apiserver::start(nats.port).await;
    assert_eq!(soon("the leader is here", waiting).await.unwrap().unwrap().code, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_outlives_its_connection() {
    let Some(mut nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let bus = nats.connect("admin").await;
    bus.request(create("a")).await.unwrap();
    server.faults.silent.store(1, Ordering::SeqCst);
    let hanging = tokio::spawn({
        let bus = bus.clone();
        async move { bus.request(create("b")).await }
    });
    eventually("the request is on its way", || server.seen.lock().unwrap().len() == 2).await;
    nats.kill();
    let error = bus.with_deadline(Duration::from_millis(1_500)).request(create("c")).await.unwrap_err();
    assert!(matches!(error, BusError::Unreachable { .. } | BusError::NoLeader { .. }), "{error}");
    nats.restart();
    assert_eq!(soon("the request is asked again", hanging).await.unwrap().unwrap().code, 201);
    assert_eq!(soon("a new request", bus.request(create("d"))).await.unwrap().code, 201);
}

#[tokio::test]
async fn a_bus_that_is_not_there_is_named() {
    let credentials = Credentials {
        identity: "admin".into(),
        servers: vec!["nats://127.0.0.1:1".into(), "nats://127.0.0.1:2".into()],
        certificate_authority: String::new(),
        seed: String::new(),
    };
    let begun = Instant::now();
    let error = Bus::connect(&credentials).await.err().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let text = error.to_string();
    assert!(text.starts_with("cannot reach the bus at nats://127.0.0.1:1,nats://127.0.0.1:2: "), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_waits_for_its_bus() {
    let Some(mut nats) = Nats::start() else { return };
    nats.kill();
    let credentials = nats.credentials("scheduler-1");
    let connecting = tokio::spawn(async move { Bus::connect_patiently(&credentials).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!connecting.is_finished());
    nats.restart();
    assert_eq!(soon("the bus is here", connecting).await.unwrap().identity(), "scheduler-1");
}

/// A server with TLS and one key, and the credentials for it.
struct Guarded {
    nats: Nats,
    credentials: Credentials,
    _folder: tempfile::TempDir,
}

fn guarded() -> Option<Guarded> {
    let folder = tempfile::tempdir().unwrap();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let user = nkeys::KeyPair::new_user();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    let config = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}\nauthorization {{ users: [ {{ nkey: {}, permissions: {{
            publish: [\"kubus.api.node:n1.*\"], subscribe: [\"_INBOX.node:n1.>\"] }} }},
            {{ user: apiserver, password: x }} ] }}\n",
        path("cert.pem"),
        path("key.pem"),
        user.public_key()
    );
    std::fs::write(path("nats.conf"), config).unwrap();
    let nats = Nats::start_with(&["-c".to_owned(), path("nats.conf")])?;
    let credentials = Credentials {
        identity: "node:n1".into(),
        servers: vec![format!("tls://127.0.0.1:{}", nats.port)],
        certificate_authority: authority_certificate.pem(),
        seed: user.seed().unwrap(),
    };
    Some(Guarded { nats, credentials, _folder: folder })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_key_gets_in_and_only_to_the_right_server() {
    let Some(guarded) = guarded() else { return };
    let right = guarded.credentials.clone();
    let bus = Bus::connect(&right).await.unwrap();
    let error = bus.with_deadline(Duration::from_millis(200)).request(create("a")).await.unwrap_err();
    assert!(matches!(error, BusError::NoLeader { .. }), "no apiserver is here, and the inbox is heard: {error}");

    let other = nkeys::KeyPair::new_user().seed().unwrap();
    let error = Bus::connect(&Credentials { seed: other, ..right.clone() }).await.err().unwrap();
    assert!(matches!(&error, BusError::Refused { identity } if identity == "node:n1"), "{error}");

    let stranger = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap().cert.pem();
    let error = Bus::connect(&Credentials { certificate_authority: stranger, ..right.clone() }).await.err().unwrap();
    assert!(error.to_string().contains("certificate"), "{error}");

    let plain = vec![format!("nats://127.0.0.1:{}", guarded.nats.port)];
    assert!(Bus::connect(&Credentials { servers: plain, seed: String::new(), ..right }).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_find_their_way_among_many() {
    let Some(nats) = Nats::start() else { return };
    let _server = Apiserver::start(nats.port).await;
    let bus = nats.connect("admin").await;
    let asks = (0..400).map(|i| {
        let bus = bus.clone();
        async move {
            let mut request = ApiRequest::new(Method::Post, "/echo");
            request.body = codec::encode(&json!(i)).unwrap().into();
            (i, codec::decode::<Value>(&bus.request_ok(request).await.unwrap()).unwrap())
        }
    });
    for (i, answer) in soon("all answers", futures::future::join_all(asks)).await {
        assert_eq!(answer, json!(i));
    }
}
