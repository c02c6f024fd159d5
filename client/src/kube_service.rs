//! The bus as the HTTP service that `kube::Client` expects: JSON on its side, MessagePack on ours.

use crate::stream::{self, Received, StreamError};
use crate::watch::WatchError;
use crate::{Bus, BusError, transcode};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{Either, Full, StreamBody};
use kube::client::Body;
use kubus_proto::codec::JSON;
use kubus_proto::path::{ResourcePath, query_pairs};
use kubus_proto::request::Method;
use kubus_proto::{ApiError, ApiRequest, ApiResponse, Reason};
use std::task::{Context, Poll};
use tower::BoxError;

/// A whole answer, or the lines of a watch as they come.
type AnswerBody = Either<Full<Bytes>, StreamBody<BoxStream<'static, Result<Frame<Bytes>, BoxError>>>>;

/// A tower service over the bus.
#[derive(Clone)]
pub struct KubeService {
    bus: Bus,
}

impl KubeService {
    /// Requests go out under the identity of `bus`.
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }
}

impl tower::Service<Request<Body>> for KubeService {
    type Response = Response<AnswerBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let bus = self.bus.clone();
        Box::pin(async move {
            match carry(&bus, request).await {
                Ok(response) => Ok(response),
                Err(BusError::Api(error)) => refusal(&error),
                Err(error) => Err(error.into()),
            }
        })
    }
}

async fn carry(bus: &Bus, request: Request<Body>) -> Result<Response<AnswerBody>, BusError> {
    let (parts, body) = request.into_parts();
    let bad = |message: String| BusError::Api(ApiError::new(Reason::BadRequest, message));
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    if parts.method == http::Method::GET && wants_watch(query) {
        return watch_answer(bus, path, query).await;
    }
    let mut request = ApiRequest::new(method(&parts.method)?, path);
    let is_log = request.method == Method::Get && ResourcePath::parse(path).is_some_and(|p| p.subresource == "log");
    request.query = query.to_owned();
    request.content_type = text(&parts.headers, header::CONTENT_TYPE);
    request.accept = text(&parts.headers, header::ACCEPT);
    request.user_agent = text(&parts.headers, header::USER_AGENT);
    let body = body.collect_bytes().await.map_err(|error| bad(format!("the body cannot be read: {error}")))?;
    if !body.is_empty() {
        request.body = transcode::json_to_msgpack(&body)
            .map_err(|error| bad(format!("the object provided is unrecognized: {error}")))?;
    }
    if is_log { log_answer(bus, request).await } else { answer(bus.request(request).await?) }
}

/// A container's log as HTTP carries it: bare text, for as long as the node sends.
async fn log_answer(bus: &Bus, request: ApiRequest) -> Result<Response<AnswerBody>, BusError> {
    let (sender, receiver) = stream::open(bus, request).await.map_err(|error| match error {
        StreamError::Bus(error) => error,
        other => ApiError::new(Reason::InternalError, other.to_string()).into(),
    })?;
    let text = futures::stream::unfold(Some((sender, receiver)), |halves| async move {
        let (sender, mut receiver) = halves?;
        loop {
            match receiver.next().await {
                Ok(Received::Data { data, .. }) => return Some((Ok(Frame::data(data)), Some((sender, receiver)))),
                Ok(Received::Close { .. }) => {}
                Ok(Received::End { .. }) => return None,
                Err(error) => return Some((Err(BoxError::from(error)), None)),
            }
        }
    });
    Ok(Response::new(Either::Right(StreamBody::new(text.boxed()))))
}

fn wants_watch(query: &str) -> bool {
    query.contains("watch=")
        && query_pairs(query).iter().any(|(key, value)| key == "watch" && value != "false" && value != "0")
}

async fn watch_answer(bus: &Bus, path: &str, query: &str) -> Result<Response<AnswerBody>, BusError> {
    let lines = crate::watch::lines(bus, path, query).await.map_err(|error| match error {
        WatchError::Expired(error) => BusError::Api(error),
        WatchError::Bus(error) => error,
    })?;
    let body = StreamBody::new(lines.map(|line| Ok(Frame::data(line))).boxed());
    let mut out = Response::new(Either::Right(body));
    out.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(JSON));
    Ok(out)
}

fn method(method: &http::Method) -> Result<Method, ApiError> {
    Ok(match *method {
        http::Method::GET => Method::Get,
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        http::Method::PATCH => Method::Patch,
        http::Method::DELETE => Method::Delete,
        _ => return Err(ApiError::new(Reason::MethodNotAllowed, format!("{method} is not allowed"))),
    })
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn answer(response: ApiResponse) -> Result<Response<AnswerBody>, BusError> {
    let body = transcode::msgpack_to_json(&response.body)
        .map_err(|error| ApiError::new(Reason::InternalError, format!("the answer is damaged: {error}")))?;
    let mut out = Response::new(Either::Left(Full::new(body)));
    *out.status_mut() = StatusCode::from_u16(response.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    out.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(JSON));
    for warning in &response.warnings {
        // As RFC 7234 writes them, and as Kubernetes sends them; text that no header can hold is left out.
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = header::HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            out.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(out)
}

fn refusal(error: &ApiError) -> Result<Response<AnswerBody>, BoxError> {
    let mut out = Response::new(Either::Left(Full::new(serde_json::to_vec(&error.to_status())?.into())));
    *out.status_mut() = StatusCode::from_u16(error.reason.code())?;
    out.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(JSON));
    Ok(out)
}
