//! A pipeline over the in-memory store, asked without a bus.
#![allow(dead_code, reason = "each test file uses a part")]

use futures::future::{BoxFuture, FutureExt};
use kubus_apiserver::bootstrap;
use kubus_apiserver::pipeline::{Api, OpenStreams};
use kubus_apiserver::state::{Limits, State};
use kubus_apiserver::store::{Consensus, Local};
use kubus_proto::request::Method;
use kubus_proto::stream::OpenStream;
use kubus_proto::user::{Credential, OnBehalf, UserInfo};
use kubus_proto::{ApiError, ApiRequest, ApiResponse, codec};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// Remembers the streams it was asked for.
#[derive(Clone, Default)]
pub struct Opened(pub Arc<Mutex<Vec<OpenStream>>>);

impl OpenStreams for Opened {
    fn open(&self, stream: OpenStream) -> BoxFuture<'_, Result<(), ApiError>> {
        async move {
            self.0.lock().expect("streams").push(stream);
            Ok(())
        }
        .boxed()
    }
}

/// A cluster of one apiserver with its first namespaces.
pub struct Cluster {
    pub api: Api,
    pub opened: Opened,
}

/// A request in the making.
pub struct Ask<'a> {
    cluster: &'a Cluster,
    identity: &'static str,
    request: ApiRequest,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub warnings: Vec<String>,
    pub content_type: String,
    pub body: Value,
    pub bytes: bytes::Bytes,
}

impl Cluster {
    pub async fn new() -> Self {
        // What every cluster begins with is made once in a process.
        static BEGINNING: OnceCell<Arc<State>> = OnceCell::const_new();
        let begin = async || {
            let store = Arc::new(Local::new(State::default()));
            let cluster = Self::over(store.clone());
            assert!(bootstrap::ensure(&cluster.api).await, "what every cluster has");
            store.state()
        };
        let state = BEGINNING.get_or_init(begin).await;
        Self::over(Arc::new(Local::new(State::clone(state))))
    }

    pub async fn with_limits(limits: Limits) -> Self {
        let cluster = Self::over(Arc::new(Local::new(State::with_limits(limits))));
        assert!(bootstrap::ensure(&cluster.api).await, "what every cluster has");
        cluster
    }

    fn over(store: Arc<Local>) -> Self {
        let opened = Opened::default();
        Self { api: Api::new(store, Arc::new(opened.clone())), opened }
    }

    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = ApiRequest::new(method, path);
        request.query = query.to_owned();
        Ask { cluster: self, identity: "admin", request }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::Get, path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::Post, path).body(&body).send().await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::Put, path).body(&body).send().await
    }

    pub async fn merge(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::Patch, path).content_type("application/merge-patch+json").body(&body).send().await
    }

    pub async fn delete(&self, path: &str, options: Value) -> Answer {
        self.ask(Method::Delete, path).body(&options).send().await
    }

    /// Creates a ConfigMap that must be accepted.
    pub async fn config_map(&self, name: &str, labels: Value) -> Value {
        let body = json!({"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}});
        self.post(CONFIG_MAPS, body).await.ok(201)
    }

    /// Creates a pod that must be accepted, and binds it if `node` is not empty.
    pub async fn pod(&self, name: &str, node: &str) -> Value {
        let pod = self.post(PODS, pod(name)).await.ok(201);
        if node.is_empty() {
            return pod;
        }
        let binding = json!({"target": {"kind": "Node", "name": node}});
        self.post(&format!("{PODS}/{name}/binding"), binding).await.ok(201);
        self.get(&format!("{PODS}/{name}")).await.ok(200)
    }
}

pub const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const PODS: &str = "/api/v1/namespaces/default/pods";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// A small pod.
pub fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}})
}

/// A small deployment.
pub fn deployment(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"replicas": 3, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}}})
}

impl Ask<'_> {
    pub fn identity(mut self, identity: &'static str) -> Self {
        self.identity = identity;
        self
    }

    /// Through a gateway, for whoever has shown this.
    pub fn on_behalf(mut self, on_behalf: OnBehalf) -> Self {
        self.identity = "gateway-1";
        self.request.on_behalf = Some(on_behalf);
        self
    }

    /// Through a gateway, for a user with a certificate.
    pub fn user(self, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let credential = Credential::Certificate { name: name.to_owned(), groups };
        self.on_behalf(OnBehalf { credential, ..OnBehalf::default() })
    }

    /// Through a gateway, for whoever holds this token.
    pub fn bearer(self, token: &str) -> Self {
        self.on_behalf(OnBehalf { credential: Credential::Bearer(token.to_owned()), ..OnBehalf::default() })
    }

    /// As somebody else; after whatever says who asks.
    pub fn acting_as(mut self, user: UserInfo) -> Self {
        self.request.on_behalf.get_or_insert_default().impersonate = Some(user);
        self
    }

    pub fn id(mut self, id: uuid::Uuid) -> Self {
        self.request.id = id;
        self
    }

    pub fn accept(mut self, accept: &str) -> Self {
        self.request.accept = accept.to_owned();
        self
    }

    pub fn content_type(mut self, content_type: &str) -> Self {
        self.request.content_type = content_type.to_owned();
        self
    }

    pub fn body(mut self, body: &Value) -> Self {
        if !body.is_null() {
            self.request.body = codec::encode(body).expect("encode").into();
        }
        self
    }

    pub fn raw(mut self, body: Vec<u8>) -> Self {
        self.request.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let ApiResponse { code, warnings, content_type, body } =
            self.cluster.api.handle(self.identity, self.request).await;
        // Not every answer is a JSON value: changes hold bytes.
        Answer { code, warnings, content_type, body: codec::decode(&body).unwrap_or_default(), bytes: body }
    }
}

impl Answer {
    /// The body of an answer that must have this code.
    #[track_caller]
    pub fn ok(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.body);
        self.body
    }

    /// The message of a Status that must have this code.
    #[track_caller]
    pub fn fails(self, code: u16) -> String {
        assert_eq!(self.code, code, "{}", self.body);
        assert_eq!(self.body["kind"], "Status", "{}", self.body);
        assert_eq!(self.body["code"], code);
        self.body["message"].as_str().unwrap_or_default().to_owned()
    }
}
