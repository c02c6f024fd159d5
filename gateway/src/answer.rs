//! Answers: MessagePack from the bus becomes JSON, errors become `Status` objects, warnings become headers.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kubus_client::transcode;
use kubus_proto::codec::{self, JSON};
use kubus_proto::{ApiError, ApiResponse, Reason};
use sha2::{Digest, Sha256};
use std::io::Write;

/// An error of a body that is sent while it is made.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Body of every answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Content type of YAML.
const YAML: &str = "application/yaml";
/// Larger answers are compressed for clients that take that, as in Kubernetes: 128 KiB.
const GZIP_BYTES: usize = 128 * 1024;
/// Larger ones are written aside.
const INLINE_BYTES: usize = 256 * 1024;
/// Most texts that become `Warning` headers.
const WARNINGS_LIMIT: usize = 64;
/// Most bytes of one of them.
const WARNING_BYTES: usize = 4_096;

/// What an answer is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Whatever the apiserver makes (OpenAPI in protobuf, texts).
    AsIs,
}

impl Form {
    /// The form a client accepts for what is at `path`: the first of its list that is known. Objects have no other
    /// forms than those known here; other documents may have.
    pub fn of(accept: &str, path: &str) -> Result<Self, ApiError> {
        if accept.trim().is_empty() {
            return Ok(Form::Json);
        }
        for alternative in accept.split(',') {
            match alternative.split(';').next().unwrap_or_default().trim() {
                "application/json" | "*/*" | "application/*" => return Ok(Form::Json),
                YAML => return Ok(Form::Yaml),
                _ => {}
            }
        }
        if is_object(path) { Err(not_acceptable("application/json, application/yaml")) } else { Ok(Form::AsIs) }
    }

    /// Watches are told in JSON alone.
    pub fn of_watch(self) -> Result<(), ApiError> {
        match self {
            Form::Json => Ok(()),
            Form::Yaml | Form::AsIs => Err(not_acceptable(JSON)),
        }
    }
}

/// Whether a path leads below a group's version, where objects are.
fn is_object(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').splitn(5, '/').collect();
    matches!(parts.as_slice(), ["api", _, _, ..] | ["apis", _, _, _, ..])
}

/// 406 with what would have been acceptable.
fn not_acceptable(known: &str) -> ApiError {
    ApiError::new(Reason::NotAcceptable, format!("only the following media types are accepted: {known}"))
}

/// A body that is there already.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The same answer, which keeps `counted` until its body has been sent or given up.
pub fn counted<T: Send + 'static>(answer: Response<Body>, counted: T) -> Response<Body> {
    answer.map(|body| {
        body.map_frame(move |frame| {
            let _kept = &counted;
            frame
        })
        .boxed_unsync()
    })
}

/// The answer of an apiserver, for a client that sent `headers`.
///
/// `tagged` answers (documents that many clients ask for again and again) have a tag by their content, and are not sent
/// to a client that has them already.
pub async fn of(
    response: ApiResponse,
    form: Form,
    headers: &HeaderMap,
    tagged: bool,
) -> Result<Response<Body>, ApiError> {
    let tag = (tagged && response.code == 200).then(|| tag(&response.body));
    if let Some(tag) = tag.as_ref().filter(|tag| has(headers, tag)) {
        let mut out = Response::new(full(""));
        *out.status_mut() = StatusCode::NOT_MODIFIED;
        out.headers_mut().insert(header::ETAG, tag.clone());
        return Ok(out);
    }
    let code = StatusCode::from_u16(response.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (warnings, gzip) = (response.warnings.clone(), takes_gzip(headers));
    let retry_after = retry_after(&response);
    // Other requests must not wait for a large answer to be written.
    let written = if response.body.len() > INLINE_BYTES {
        tokio::task::spawn_blocking(move || write(response, form, gzip)).await.map_err(|error| damaged(&error))??
    } else {
        write(response, form, gzip)?
    };
    let mut out = Response::new(full(written.body));
    *out.status_mut() = code;
    set_type(&mut out, &written.content_type);
    if written.gzip {
        out.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        out.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(tag) = tag {
        out.headers_mut().insert(header::ETAG, tag);
        out.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    }
    if let Some(seconds) = retry_after {
        out.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    warn(&mut out, &warnings);
    Ok(out)
}

/// A tag by the content before it is compressed or turned into another form, in quotes as HTTP wants it.
fn tag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    let text: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    HeaderValue::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether a client says that it has what `tag` stands for.
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|one| one.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
}

struct Written {
    body: Bytes,
    content_type: String,
    gzip: bool,
}

fn write(response: ApiResponse, form: Form, gzip: bool) -> Result<Written, ApiError> {
    let (body, content_type) = if !response.content_type.is_empty() {
        (response.body, response.content_type)
    } else if form == Form::Yaml {
        let value: serde_json::Value = codec::decode(&response.body).map_err(|error| damaged(&error))?;
        (serde_saphyr::to_string(&value).map_err(|error| damaged(&error))?.into(), YAML.to_owned())
    } else {
        let mut json = Vec::with_capacity(response.body.len() + response.body.len() / 4 + 1);
        if !response.body.is_empty() {
            transcode::append_json(&response.body, &mut json).map_err(|error| damaged(&error))?;
            json.push(b'\n');
        }
        (json.into(), JSON.to_owned())
    };
    let gzip = gzip && body.len() > GZIP_BYTES;
    let body = if gzip { compress(&body).map_err(|error| damaged(&error))? } else { body };
    Ok(Written { body, content_type, gzip })
}

fn compress(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 6), Compression::fast());
    encoder.write_all(body)?;
    Ok(encoder.finish()?.into())
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts.next() == Some("gzip") && parts.all(|parameter| parameter != "q=0")
        })
    })
}

/// When to try again, in the answers that may say so.
fn retry_after(response: &ApiResponse) -> Option<u32> {
    if !matches!(response.code, 429 | 500 | 503 | 504) {
        return None;
    }
    let status: serde_json::Value = codec::decode(&response.body).ok()?;
    ApiError::from_status(&status).retry_after_seconds
}

fn damaged(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(Reason::InternalError, format!("Internal error occurred: the answer is damaged: {error}"))
}

/// An error as Kubernetes sends it.
pub fn refusal(error: &ApiError) -> Response<Body> {
    let mut text = error.to_status().to_string();
    text.push('\n');
    let mut out = Response::new(full(text));
    *out.status_mut() = StatusCode::from_u16(error.reason.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set_type(&mut out, JSON);
    if let Some(seconds) = error.retry_after_seconds {
        out.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    out
}

/// Names what the body is.
pub fn set_type(response: &mut Response<Body>, content_type: &str) {
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    // Answers differ by who asks and change at any time.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
}

/// Adds texts as `Warning` headers, each once; a text that no header can hold is left out.
pub fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for (position, warning) in warnings.iter().enumerate().take(WARNINGS_LIMIT) {
        if warning.len() > WARNING_BYTES || warnings[..position].contains(warning) {
            continue;
        }
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_form_wins() {
        let (object, document) = ("/api/v1/pods", "/openapi/v2");
        for (accept, path, expected) in [
            ("", object, Some(Form::Json)),
            ("*/*", object, Some(Form::Json)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", object, Some(Form::Json)),
            ("application/vnd.kubernetes.protobuf,application/json", object, Some(Form::Json)),
            ("application/vnd.kubernetes.protobuf, */*", object, Some(Form::Json)),
            ("application/yaml", object, Some(Form::Yaml)),
            ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", document, Some(Form::AsIs)),
            ("text/plain", "/apis/apps/v1", Some(Form::AsIs)),
            ("text/plain", "/apis/apps/v1/deployments", None),
            ("application/vnd.kubernetes.protobuf", object, None),
        ] {
            let got = Form::of(accept, path);
            assert_eq!(got.as_ref().ok(), expected.as_ref(), "{accept}");
            assert!(got.err().is_none_or(|error| error.reason == Reason::NotAcceptable));
        }
    }

    #[tokio::test]
    async fn large_answers_are_compressed_for_those_who_take_it() {
        let headers =
            |value: &'static str| HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        for (size, accept, compressed) in [
            (200_000, "gzip", true),
            (600_000, "deflate, gzip;q=1.0", true),
            (200_000, "gzip;q=0", false),
            (200_000, "br", false),
            (1_000, "gzip", false),
        ] {
            let text = "x".repeat(size);
            let body = codec::encode(&text).expect("encode").into();
            let response = ApiResponse { code: 200, body, ..ApiResponse::default() };
            let answer = of(response, Form::Json, &headers(accept), false).await.expect("answer");
            assert_eq!(answer.headers().contains_key(header::CONTENT_ENCODING), compressed, "{size} {accept}");
            let mut sent = answer.into_body().collect().await.expect("body").to_bytes().to_vec();
            if compressed {
                assert!(sent.len() < size / 10);
                let mut plain = Vec::new();
                std::io::copy(&mut flate2::read::GzDecoder::new(&sent[..]), &mut plain).expect("gzip");
                sent = plain;
            }
            assert_eq!(sent, format!("\"{text}\"\n").into_bytes());
        }
    }

    #[tokio::test]
    async fn documents_are_not_sent_to_those_who_have_them() {
        let response =
            || ApiResponse { code: 200, content_type: "x/y".into(), body: "text".into(), ..ApiResponse::default() };
        let first = of(response(), Form::AsIs, &HeaderMap::new(), true).await.expect("answer");
        let tag = first.headers()[header::ETAG].clone();
        for (known, code) in [(tag.clone(), 304), (HeaderValue::from_static("\"other\""), 200)] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, known)]);
            let answer = of(response(), Form::AsIs, &headers, true).await.expect("answer");
            assert_eq!((answer.status().as_u16(), &answer.headers()[header::ETAG]), (code, &tag));
        }
        let failed = of(ApiResponse { code: 403, ..response() }, Form::AsIs, &HeaderMap::new(), true).await;
        assert!(!failed.expect("answer").headers().contains_key(header::ETAG));
    }

    #[tokio::test]
    async fn an_answer_says_when_to_come_again() {
        let error = ApiError { retry_after_seconds: Some(3), ..ApiError::new(Reason::TooManyRequests, "busy") };
        let body = codec::encode(&error.to_status()).expect("encode").into();
        let response = ApiResponse { code: 429, body, ..ApiResponse::default() };
        let answer = of(response, Form::Json, &HeaderMap::new(), false).await.expect("answer");
        assert_eq!((answer.status().as_u16(), &answer.headers()[header::RETRY_AFTER]), (429, &HeaderValue::from(3)));
    }

    #[test]
    fn warnings_are_quoted_once_and_bounded() {
        let mut response = Response::new(full(""));
        let texts = ["unknown field \"spec.x\"", "a\\b", "unknown field \"spec.x\"", "line\nbreak"].map(str::to_owned);
        warn(&mut response, &texts);
        let got: Vec<_> = response.headers().get_all(header::WARNING).iter().collect();
        assert_eq!(got, ["299 - \"unknown field \\\"spec.x\\\"\"", "299 - \"a\\\\b\""]);
    }
}
