//! A cluster for tests of commands: objects in a map, every request remembered.

use crate::console::Console;
use crate::context::Context;
use crate::error::Result;
use crate::server::{Changes, Duplex, Server, StreamReader, StreamWriter, WatchedChange};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use kubus_client::stream::Received;
use kubus_proto::path::{ResourcePath, query_pairs};
use kubus_proto::request::Method;
use kubus_proto::selector::{FieldSelector, Selector};
use kubus_proto::stream::{STREAM_ACCEPT, StreamTicket};
use kubus_proto::{ApiError, ApiRequest, ApiResponse, codec, table};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// The time in every test: 2022-09-28 17:17:09 in the zone of the first user document.
pub(crate) const NOW: &str = "2022-09-28T09:17:09Z";

/// The fake cluster.
#[derive(Default)]
pub(crate) struct FakeServer {
    objects: Mutex<BTreeMap<String, Value>>,
    /// Requests as `METHOD path?query body`.
    pub(crate) requests: Mutex<Vec<String>>,
    /// Refusals that are given instead of the store's answers, by method and path.
    pub(crate) refusals: Mutex<HashMap<(Method2, String), ApiError>>,
    /// Answers that are given without touching the store.
    pub(crate) answers: Mutex<HashMap<(Method2, String), Value>>,
    /// What the next stream says.
    pub(crate) received: Mutex<Vec<Received>>,
    /// What watches see.
    pub(crate) changes: Mutex<Vec<WatchedChange>>,
}

/// `Method` without `Hash` as a key.
type Method2 = &'static str;

fn method_name(method: Method) -> Method2 {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("buffer").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What one command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl FakeServer {
    pub(crate) fn with(objects: &[Value]) -> Arc<Self> {
        let server = Self::default();
        for object in objects {
            server.put(object);
        }
        Arc::new(server)
    }

    pub(crate) fn put(&self, object: &Value) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let row = kubus_proto::kinds::by_kind(&text(&object["apiVersion"]), &text(&object["kind"])).expect("kind");
        let path =
            ResourcePath::of(row, &text(&object["metadata"]["namespace"]), &text(&object["metadata"]["name"]), "");
        self.objects.lock().expect("objects").insert(path, object.clone());
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }

    /// What commands are given, with nowhere to print to.
    pub(crate) fn context(self: &Arc<Self>) -> Context {
        let console =
            Console::new(Box::new(std::io::sink()), Box::new(std::io::sink()), Box::new(std::io::empty()), false);
        self.context_with(console)
    }

    fn context_with(self: &Arc<Self>, console: Console) -> Context {
        Context {
            server: self.clone(),
            console: Arc::new(console),
            kinds: Arc::default(),
            explicit_namespace: None,
            clock: || NOW.parse().expect("time"),
            zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(8)),
        }
    }

    /// Runs `kubus <line>` with `input` as stdin.
    pub(crate) async fn run_with_input(self: &Arc<Self>, words: &[&str], input: &str) -> Outcome {
        let (out, err) = (Buffer::default(), Buffer::default());
        let input = std::io::Cursor::new(input.as_bytes().to_vec());
        let console = Console::new(Box::new(out.clone()), Box::new(err.clone()), Box::new(input), false);
        let context = self.context_with(console);
        let words = std::iter::once("kubus").chain(words.iter().copied());
        let code = crate::run::run_words(words, context).await;
        let text = |buffer: &Buffer| String::from_utf8(buffer.0.lock().expect("buffer").clone()).expect("utf-8");
        Outcome { out: text(&out), err: text(&err), code }
    }

    pub(crate) async fn run(self: &Arc<Self>, line: &str) -> Outcome {
        self.run_with_input(&line.split_whitespace().collect::<Vec<_>>(), "").await
    }

    fn answer(&self, request: &ApiRequest) -> std::result::Result<Value, ApiError> {
        let method = method_name(request.method);
        let body: Value =
            if request.body.is_empty() { Value::Null } else { codec::decode(&request.body).expect("body") };
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let shown = if body.is_null() { String::new() } else { format!(" {body}") };
        self.requests.lock().expect("requests").push(format!("{method} {}{query}{shown}", request.path));
        if let Some(error) = self.refusals.lock().expect("refusals").get(&(method, request.path.clone())) {
            return Err(error.clone());
        }
        if let Some(answer) = self.answers.lock().expect("answers").get(&(method, request.path.clone())) {
            return Ok(answer.clone());
        }
        let mut objects = self.objects.lock().expect("objects");
        if request.accept == STREAM_ACCEPT {
            return Ok(json!({"node": "n", "identity": "admin", "session": "s"}));
        }
        let Some(path) = ResourcePath::parse(&request.path) else {
            return Ok(json!({"gitVersion": kubus_proto::VERSION, "leader": 1, "members": [1]}));
        };
        let key = ResourcePath::of(path.row, &path.namespace, &path.name, "");
        let missing = || ApiError::not_found(path.row.group, path.row.plural, &path.name);
        let as_table = request.accept.contains("as=Table");
        let now = NOW.parse().expect("time");
        let row_of = |object: &Value| ((path.row.cells)(object, now), json!({"metadata": object["metadata"]}));
        let dry_run = request.query.contains("dryRun");
        match request.method {
            Method::Get if path.name.is_empty() => {
                let pairs: HashMap<String, String> = query_pairs(&request.query).into_iter().collect();
                let selector =
                    Selector::parse(pairs.get("labelSelector").map_or("", String::as_str)).expect("selector");
                let fields =
                    FieldSelector::parse(pairs.get("fieldSelector").map_or("", String::as_str)).expect("fields");
                let items: Vec<Value> = objects
                    .values()
                    .filter(|object| {
                        let of_kind = object["kind"] == path.row.kind;
                        let here = path.namespace.is_empty() || object["metadata"]["namespace"] == path.namespace;
                        let selectable = path.row.selectable(object);
                        of_kind && here && selector.matches(&selectable.labels) && fields.matches(&selectable.fields)
                    })
                    .cloned()
                    .collect();
                if as_table {
                    return Ok(table::table(path.row.columns, items.iter().map(row_of).collect(), "7", json!({})));
                }
                let kind = format!("{}List", path.row.kind);
                let items: Vec<Value> = items
                    .into_iter()
                    .map(|mut item| {
                        // As in Kubernetes, the items of a list say neither kind nor version.
                        let map = item.as_object_mut().expect("object");
                        map.remove("kind");
                        map.remove("apiVersion");
                        item
                    })
                    .collect();
                Ok(
                    json!({"apiVersion": path.row.api_version(), "kind": kind, "metadata": {"resourceVersion": "7"}, "items": items}),
                )
            }
            Method::Get => {
                let object = objects.get(&key).ok_or_else(missing)?.clone();
                Ok(if as_table {
                    table::table(path.row.columns, vec![row_of(&object)], "7", json!({}))
                } else {
                    object
                })
            }
            Method::Post if path.name.is_empty() => {
                let name = body["metadata"]["name"].as_str().unwrap_or("generated").to_owned();
                let key = ResourcePath::of(path.row, &path.namespace, &name, "");
                if objects.contains_key(&key) {
                    return Err(ApiError::already_exists(path.row.group, path.row.plural, &name));
                }
                let mut object = body;
                if path.row.namespaced {
                    object["metadata"]["namespace"] = json!(path.namespace);
                }
                if !dry_run {
                    objects.insert(key, object.clone());
                }
                Ok(object)
            }
            Method::Patch => {
                let mut object = objects.get(&key).ok_or_else(missing)?.clone();
                if !body.is_array() {
                    merge(&mut object, &body);
                }
                if !dry_run {
                    objects.insert(key, object.clone());
                }
                Ok(object)
            }
            Method::Put | Method::Post => {
                let object = objects.get_mut(&key).ok_or_else(missing)?;
                if path.subresource.is_empty() {
                    *object = body;
                }
                Ok(object.clone())
            }
            Method::Delete => objects.remove(&key).ok_or_else(missing),
        }
    }
}

/// RFC 7386, which is near enough to the server's patches for what tests look at.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        if value.is_null() {
            target.as_object_mut().expect("map").remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

impl Server for FakeServer {
    fn request(&self, request: ApiRequest) -> BoxFuture<'_, Result<ApiResponse>> {
        let (code, value) = match self.answer(&request) {
            Ok(value) => (200, value),
            Err(error) => (error.reason.code(), error.to_status()),
        };
        let body = Bytes::from(codec::encode(&value).expect("answer"));
        Box::pin(async move { Ok(ApiResponse { code, body, ..ApiResponse::default() }) })
    }

    fn watch(&self, path: String, query: String) -> BoxFuture<'_, Result<Changes>> {
        self.requests.lock().expect("requests").push(format!("WATCH {path}?{query}"));
        let changes: Vec<WatchedChange> = std::mem::take(&mut *self.changes.lock().expect("changes"));
        Box::pin(async move { Ok(futures::stream::iter(changes.into_iter().map(Ok)).boxed()) })
    }

    fn stream(&self, _ticket: StreamTicket) -> BoxFuture<'_, Result<Duplex>> {
        let mut received = std::mem::take(&mut *self.received.lock().expect("received"));
        received.reverse();
        Box::pin(async move { Ok((Box::new(Nowhere) as Box<dyn StreamWriter>, Box::new(Script(received)) as _)) })
    }
}

/// Takes what is sent and forgets it.
struct Nowhere;

impl StreamWriter for Nowhere {
    fn send(&mut self, _channel: u8, _data: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
    fn close(&mut self, _channel: u8) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
    fn end(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// Gives what stands in it, the last first.
struct Script(Vec<Received>);

impl StreamReader for Script {
    fn next(&mut self) -> BoxFuture<'_, Result<Received>> {
        let next = self.0.pop().unwrap_or(Received::End { exit_code: None });
        Box::pin(async move { Ok(next) })
    }
}
