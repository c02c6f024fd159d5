//! One API request and its answer as they travel on the bus: Kubernetes' REST semantics in MessagePack.

use crate::codec::CodecError;
use crate::user::OnBehalf;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// HTTP method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// get, list, watch
    Get,
    /// create
    Post,
    /// update
    Put,
    /// patch
    Patch,
    /// delete, deletecollection
    Delete,
}

impl Method {
    /// Whether the request changes state and so belongs to the leader.
    pub fn is_write(self) -> bool {
        !matches!(self, Method::Get)
    }
}

/// How long an apiserver may take for one attempt before the client asks again, in milliseconds.
pub const ATTEMPT_TIMEOUT_MS: u64 = 1_500;
/// How long a client keeps trying before it gives up, in milliseconds.
pub const REQUEST_TIMEOUT_MS: u64 = 30_000;
/// The largest stored object in bytes: as with Kubernetes over etcd, about 1.5 MiB.
pub const OBJECT_LIMIT_BYTES: usize = 1_536 * 1024;
/// The largest message put on the bus at once in bytes; everything larger is sent in chunks.
pub const CHUNK_BYTES: usize = 512 * 1024;

/// A request: published on [`crate::subject::api`]; who asks is in the subject and never in here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiRequest {
    /// Identifies the request over all its retries: a retried write is answered, not repeated.
    pub id: uuid::Uuid,
    /// What is asked for, with `path` and `query`, in Kubernetes' REST terms.
    pub method: Method,
    /// Path such as `/api/v1/namespaces/default/pods/web-1/status`.
    pub path: String,
    /// Query string without `?`, percent-encoded.
    #[serde(default)]
    pub query: String,
    /// What the body is (`application/merge-patch+json`, …). Its bytes are MessagePack in any case.
    #[serde(default)]
    pub content_type: String,
    /// What the client wants back, as in HTTP (`application/json;as=Table;v=v1;g=meta.k8s.io`). Answers are MessagePack.
    #[serde(default)]
    pub accept: String,
    /// Client's name, for field managers and audit.
    #[serde(default)]
    pub user_agent: String,
    /// Joins the log lines of one request over all processes.
    #[serde(default)]
    pub trace_id: u64,
    /// The user a gateway speaks for; none where the sender speaks for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<OnBehalf>,
    /// Paths of fields that the client gave twice, which nobody can see in the body any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicate_fields: Vec<String>,
    /// MessagePack, empty where there is none.
    #[serde(default)]
    pub body: Bytes,
}

impl ApiRequest {
    /// A request with a fresh id and no body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            id: uuid::Uuid::new_v4(),
            method,
            path: path.into(),
            query: String::new(),
            content_type: String::new(),
            accept: String::new(),
            user_agent: String::new(),
            trace_id: 0,
            on_behalf: None,
            duplicate_fields: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// Decodes a request; its body stays a part of `message` and is not copied.
    pub fn decode(message: &Bytes) -> Result<Self, CodecError> {
        #[derive(Deserialize)]
        struct Borrowed<'a> {
            id: uuid::Uuid,
            method: Method,
            path: String,
            #[serde(default)]
            query: String,
            #[serde(default)]
            content_type: String,
            #[serde(default)]
            accept: String,
            #[serde(default)]
            user_agent: String,
            #[serde(default)]
            trace_id: u64,
            #[serde(default)]
            on_behalf: Option<OnBehalf>,
            #[serde(default)]
            duplicate_fields: Vec<String>,
            #[serde(borrow, default, with = "serde_bytes")]
            body: &'a [u8],
        }
        let read: Borrowed = rmp_serde::from_slice(message)?;
        Ok(Self {
            id: read.id,
            method: read.method,
            path: read.path,
            query: read.query,
            content_type: read.content_type,
            accept: read.accept,
            user_agent: read.user_agent,
            trace_id: read.trace_id,
            on_behalf: read.on_behalf,
            duplicate_fields: read.duplicate_fields,
            body: message.slice_ref(read.body),
        })
    }
}

/// An answer: an object, a list, a Table, a [`crate::event::Changes`] or a `Status`, in MessagePack.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ApiResponse {
    /// HTTP status code.
    pub code: u16,
    /// Texts for `Warning:` headers.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What the body is where it is not MessagePack (an OpenAPI document in protobuf, say); empty where it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_type: String,
    /// MessagePack, unless `content_type` says otherwise. A large body comes in several messages, see [`Chunk`].
    pub body: Bytes,
}

impl ApiResponse {
    /// Decodes an answer; its body stays a part of `payload` and is not copied.
    pub fn decode(payload: &Bytes) -> Result<Self, CodecError> {
        #[derive(Deserialize)]
        struct Borrowed<'a> {
            code: u16,
            #[serde(default)]
            warnings: Vec<String>,
            #[serde(default)]
            content_type: String,
            #[serde(borrow, with = "serde_bytes")]
            body: &'a [u8],
        }
        let read: Borrowed = rmp_serde::from_slice(payload)?;
        Ok(Self {
            code: read.code,
            warnings: read.warnings,
            content_type: read.content_type,
            body: payload.slice_ref(read.body),
        })
    }
}

/// One message of an answer or of any large payload: `index` of `count`, glued together by the receiver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chunk {
    /// Position, from 0.
    pub index: u32,
    /// How many there are in all.
    pub count: u32,
    /// This part of the payload.
    pub data: Bytes,
}
