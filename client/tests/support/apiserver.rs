//! An apiserver in memory: enough of one to be a client's other side, with faults on demand.

use futures::StreamExt;
use kubus_proto::event::{Bookmark, Change, ChangeType, Changes, ScopeBookmark};
use kubus_proto::path::{ResourcePath, query_pairs};
use kubus_proto::request::Method;
use kubus_proto::selector::{FieldSelector, Selector};
use kubus_proto::subject::{self, Route};
use kubus_proto::{ApiError, ApiRequest, ApiResponse, Reason, chunk, codec};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong on purpose.
#[derive(Default)]
pub struct Faults {
    /// So many requests are not answered.
    pub silent: AtomicU32,
    /// So many requests are carried out and not answered.
    pub forgetful: AtomicU32,
    /// So many requests are answered with 503.
    pub unavailable: AtomicU32,
    /// Of a hundred events, so many are lost, and as many again come twice or late.
    pub lossy_percent: AtomicU32,
}

#[derive(Default)]
struct Store {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<(String, String, String), Value>,
    log: Vec<(String, Change)>,
    answers: HashMap<uuid::Uuid, ApiResponse>,
}

pub struct Apiserver {
    nats: async_nats::Client,
    store: Mutex<Store>,
    pub faults: Faults,
    pub term: AtomicU64,
    pub seen: Mutex<Vec<(String, ApiRequest)>>,
    late: Mutex<Vec<(String, bytes::Bytes)>>,
    random: Mutex<StdRng>,
    stopped: AtomicBool,
}

fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

impl Apiserver {
    /// Connects and listens.
    pub async fn start(port: u16) -> Arc<Self> {
        let options = async_nats::ConnectOptions::new()
            .ping_interval(Duration::from_millis(100))
            .reconnect_delay_callback(|_| Duration::from_millis(20));
        let nats = options.connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
        let server = Arc::new(Self {
            nats,
            store: Mutex::default(),
            faults: Faults::default(),
            term: AtomicU64::new(1),
            seen: Mutex::default(),
            late: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(7)),
            stopped: AtomicBool::new(false),
        });
        for route in [Route::Read, Route::Write] {
            let mut requests =
                server.nats.queue_subscribe(subject::api_all(route), subject::APISERVER_QUEUE.into()).await.unwrap();
            let server = server.clone();
            tokio::spawn(async move {
                while let Some(message) = requests.next().await {
                    server.serve(message).await;
                }
            });
        }
        super::settled(&server.nats).await;
        server
    }

    /// Bookmarks from now on, every `ms` milliseconds.
    pub fn bookmark_every(self: &Arc<Self>, ms: u64) {
        let server = self.clone();
        tokio::spawn(async move {
            while !server.stopped.load(Ordering::SeqCst) {
                server.bookmark().await;
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
        });
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Publishes the bookmarks of all resources and of all scopes.
    pub async fn bookmark(&self) {
        let mut messages = Vec::new();
        {
            let store = self.store.lock().unwrap();
            let (term, revision) = (self.term.load(Ordering::SeqCst), store.revision);
            let mut resources = BTreeMap::new();
            let mut scopes = BTreeMap::new();
            for (resource, change) in &store.log {
                resources.insert(resource.clone(), change.revision);
                if !change.scope.is_empty() {
                    scopes.insert((resource.clone(), change.scope.clone()), change.revision);
                }
            }
            let bookmark = codec::encode(&Bookmark { term, revision, resources }).unwrap();
            messages.push((subject::BOOKMARKS.to_owned(), bookmark));
            for ((resource, scope), last) in scopes {
                let (group, plural) = resource.split_once('/').unwrap();
                let bookmark = codec::encode(&ScopeBookmark { term, revision, last }).unwrap();
                messages.push((subject::scope_bookmark(group, plural, &scope), bookmark));
            }
        }
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for (subject, payload) in late {
            self.nats.publish(subject, payload).await.unwrap();
        }
        for (subject, payload) in messages {
            self.nats.publish(subject, payload.into()).await.unwrap();
        }
    }

    /// Forgets the changes up to now.
    pub fn compact(&self) {
        let mut store = self.store.lock().unwrap();
        store.compacted = store.revision;
    }

    pub fn requests(&self, filter: impl Fn(&ApiRequest) -> bool) -> Vec<ApiRequest> {
        self.seen.lock().unwrap().iter().filter(|(_, r)| filter(r)).map(|(_, r)| r.clone()).collect()
    }

    pub fn objects(&self, plural: &str) -> Vec<Value> {
        let store = self.store.lock().unwrap();
        store.objects.iter().filter(|((p, ..), _)| p == plural).map(|(_, o)| o.clone()).collect()
    }

    /// Creates or changes an object as a client would, at once.
    pub async fn put(&self, path: &str, object: Value) {
        let mut request = ApiRequest::new(Method::Put, path);
        request.body = codec::encode(&object).unwrap().into();
        let (_, events) = self.carry_out(&request).unwrap();
        self.publish(events).await;
    }

    pub async fn delete(&self, path: &str) {
        let (_, events) = self.carry_out(&ApiRequest::new(Method::Delete, path)).unwrap();
        self.publish(events).await;
    }

    async fn serve(&self, message: async_nats::Message) {
        let request = ApiRequest::decode(&message.payload).unwrap();
        let identity = subject::api_identity(&message.subject).unwrap();
        self.seen.lock().unwrap().push((identity, request.clone()));
        if take_one(&self.faults.silent) {
            return;
        }
        let (response, events) = if take_one(&self.faults.unavailable) {
            (refuse(&ApiError::new(Reason::ServiceUnavailable, "no leader")), Vec::new())
        } else {
            let earlier = self.store.lock().unwrap().answers.get(&request.id).cloned();
            match earlier {
                Some(response) => (response, Vec::new()),
                None => self.carry_out(&request).unwrap_or_else(|error| (refuse(&error), Vec::new())),
            }
        };
        if request.method.is_write() && response.code < 500 {
            self.store.lock().unwrap().answers.insert(request.id, response.clone());
        }
        self.publish(events).await;
        if take_one(&self.faults.forgetful) {
            return;
        }
        let Some(reply) = message.reply else { return };
        for part in chunk::split_response(&response).unwrap() {
            self.nats.publish(reply.clone(), part).await.unwrap();
        }
    }

    async fn publish(&self, events: Vec<(String, Change)>) {
        for (resource, change) in events {
            let (group, plural) = resource.split_once('/').unwrap();
            let subject = subject::event(group, plural, &change.namespace, &change.scope, &change.name);
            let payload: bytes::Bytes = codec::encode(&change).unwrap().into();
            let lossy = self.faults.lossy_percent.load(Ordering::SeqCst);
            let dice = self.random.lock().unwrap().random_range(0..100);
            if dice < lossy {
                continue;
            }
            if dice < lossy * 3 / 2 {
                self.late.lock().unwrap().push((subject, payload));
                continue;
            }
            if dice < lossy * 2 {
                self.late.lock().unwrap().push((subject.clone(), payload.clone()));
            }
            self.nats.publish(subject, payload).await.unwrap();
        }
    }

    #[allow(clippy::type_complexity)]
    fn carry_out(&self, request: &ApiRequest) -> Result<(ApiResponse, Vec<(String, Change)>), ApiError> {
        let mut store = self.store.lock().unwrap();
        if request.path == "/echo" {
            return Ok((ApiResponse { code: 200, body: request.body.clone(), ..ApiResponse::default() }, vec![]));
        }
        if request.path == "/large" {
            let body = codec::encode(&json!("x".repeat(request.query.parse().unwrap()))).unwrap();
            return Ok((answer_bytes(200, body), vec![]));
        }
        let path = ResourcePath::parse(&request.path)
            .ok_or_else(|| ApiError::new(Reason::NotFound, "the server could not find the requested resource"))?;
        let row = path.row;
        let pairs: HashMap<String, String> = query_pairs(&request.query).into_iter().collect();
        let key = (row.plural.to_owned(), path.namespace.clone(), path.name.clone());
        let body = || codec::decode::<Value>(&request.body).unwrap();
        let not_found = || ApiError::not_found(row.group, row.plural, &path.name);
        match request.method {
            Method::Get if pairs.contains_key("watch") && !pairs.contains_key("resourceVersion") => {
                let fields = FieldSelector::parse(pairs.get("fieldSelector").map_or("", String::as_str)).unwrap();
                let scope = row.scope_field().and_then(|field| fields.required(field));
                let change = |((_, namespace, name), object): (&(String, String, String), &Value)| Change {
                    revision: object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap(),
                    previous: 0,
                    previous_in_scope: 0,
                    change: ChangeType::Added,
                    namespace: namespace.clone(),
                    name: name.clone(),
                    scope: (row.scope)(object),
                    before: None,
                    object: codec::encode(object).unwrap().into(),
                };
                let own = store.objects.iter().filter(|((plural, _, _), _)| plural == row.plural);
                let changes = own.map(change).filter(|c| scope.is_none_or(|scope| scope == c.scope)).collect();
                let changes = Changes { changes, revision: store.revision, more: false };
                Ok((answer_bytes(200, codec::encode(&changes).unwrap()), vec![]))
            }
            Method::Get if pairs.contains_key("watch") => {
                let from: u64 = pairs["resourceVersion"].parse().unwrap();
                if from < store.compacted {
                    let message = format!("too old resource version: {from} ({})", store.compacted);
                    return Err(ApiError::new(Reason::Expired, message));
                }
                let fields = FieldSelector::parse(pairs.get("fieldSelector").map_or("", String::as_str)).unwrap();
                let scope = row.scope_field().and_then(|field| fields.required(field)).map(str::to_owned);
                let resource = row.resource_key();
                let all: Vec<Change> = store
                    .log
                    .iter()
                    .filter(|(r, c)| *r == resource && c.revision > from)
                    .filter(|(_, c)| scope.as_ref().is_none_or(|s| *s == c.scope))
                    .map(|(_, c)| c.clone())
                    .collect();
                let more = all.len() > 5;
                let changes: Vec<Change> = all.into_iter().take(5).collect();
                let revision = if more { changes[4].revision } else { store.revision };
                Ok((answer_bytes(200, codec::encode(&Changes { changes, revision, more }).unwrap()), vec![]))
            }
            Method::Get if path.name.is_empty() => {
                let labels = Selector::parse(pairs.get("labelSelector").map_or("", String::as_str)).unwrap();
                let fields = FieldSelector::parse(pairs.get("fieldSelector").map_or("", String::as_str)).unwrap();
                let matching: Vec<Value> = store
                    .objects
                    .iter()
                    .filter(|((plural, ns, _), _)| {
                        plural == row.plural && (path.namespace.is_empty() || *ns == path.namespace)
                    })
                    .filter(|(_, object)| {
                        let selectable = row.selectable(object);
                        labels.matches(&selectable.labels) && fields.matches(&selectable.fields)
                    })
                    .map(|(_, object)| object.clone())
                    .collect();
                let start: usize = pairs.get("continue").map_or(0, |token| token.parse().unwrap());
                let limit = pairs.get("limit").and_then(|l| l.parse().ok()).filter(|l| *l > 0).unwrap_or(usize::MAX);
                let end = matching.len().min(start.saturating_add(limit));
                let mut metadata = json!({"resourceVersion": store.revision.to_string()});
                if end < matching.len() {
                    metadata["continue"] = json!(end.to_string());
                }
                let list = json!({"kind": format!("{}List", row.kind), "apiVersion": row.api_version(),
                    "metadata": metadata, "items": matching[start..end]});
                Ok((answer(200, &list), vec![]))
            }
            Method::Get => Ok((answer(200, store.objects.get(&key).ok_or_else(not_found)?), vec![])),
            Method::Post => {
                let mut object = body();
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                let key = (key.0, key.1, name.clone());
                if store.objects.contains_key(&key) {
                    return Err(ApiError::already_exists(row.group, row.plural, &name));
                }
                object["metadata"]["namespace"] = json!(path.namespace);
                let event = store.commit(row, key, Some(object.clone()));
                Ok((answer(201, &event.2), vec![(event.0, event.1)]))
            }
            Method::Put => {
                let mut object = body();
                let given = object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
                let have = store.objects.get(&key).map(|o| o["metadata"]["resourceVersion"].clone());
                if let (Some(given), Some(have)) = (&given, &have)
                    && *have != json!(given)
                {
                    return Err(ApiError::conflict(row.group, row.plural, &path.name, "the object has been modified"));
                }
                object["metadata"]["name"] = json!(path.name);
                object["metadata"]["namespace"] = json!(path.namespace);
                let event = store.commit(row, key, Some(object));
                Ok((answer(200, &event.2), vec![(event.0, event.1)]))
            }
            Method::Patch => {
                assert_eq!(request.content_type, "application/merge-patch+json");
                let mut object = store.objects.get(&key).ok_or_else(not_found)?.clone();
                merge(&mut object, &body());
                let event = store.commit(row, key, Some(object));
                Ok((answer(200, &event.2), vec![(event.0, event.1)]))
            }
            Method::Delete => {
                store.objects.get(&key).ok_or_else(not_found)?;
                let event = store.commit(row, key, None);
                Ok((answer(200, &event.2), vec![(event.0, event.1)]))
            }
        }
    }
}

impl Store {
    fn commit(
        &mut self,
        row: &'static kubus_proto::KindRow,
        key: (String, String, String),
        object: Option<Value>,
    ) -> (String, Change, Value) {
        self.revision += 1;
        let before = self.objects.remove(&key);
        let resource = row.resource_key();
        let deleted = object.is_none();
        let mut state = object.or_else(|| before.clone()).unwrap();
        state["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        state["kind"] = json!(row.kind);
        state["apiVersion"] = json!(row.api_version());
        let scope = (row.scope)(&state);
        let last = |same_scope: bool| {
            let found = self.log.iter().rev().find(|(r, c)| *r == resource && (!same_scope || c.scope == scope));
            found.map_or(0, |(_, c)| c.revision)
        };
        let change = Change {
            revision: self.revision,
            previous: last(false),
            previous_in_scope: last(true),
            change: match (&before, deleted) {
                (_, true) => ChangeType::Deleted,
                (None, false) => ChangeType::Added,
                (Some(_), false) => ChangeType::Modified,
            },
            namespace: key.1.clone(),
            name: key.2.clone(),
            scope,
            before: before.as_ref().map(|before| row.selectable(before)),
            object: codec::encode(&state).unwrap().into(),
        };
        if !deleted {
            self.objects.insert(key, state.clone());
        }
        self.log.push((resource.clone(), change.clone()));
        (resource, change, state)
    }
}

fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) if target.is_object() => {
            for (key, value) in fields {
                merge(&mut target[key], value);
            }
        }
        other => *target = other.clone(),
    }
}

fn answer(code: u16, value: &Value) -> ApiResponse {
    answer_bytes(code, codec::encode(value).unwrap())
}

fn answer_bytes(code: u16, body: Vec<u8>) -> ApiResponse {
    ApiResponse { code, body: body.into(), ..ApiResponse::default() }
}

fn refuse(error: &ApiError) -> ApiResponse {
    answer(error.reason.code(), &error.to_status())
}
