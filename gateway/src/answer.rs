//! Answers: MessagePack from the bus becomes JSON, errors become `Status` objects, warnings become headers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kubus_client::transcode;
use kubus_proto::codec::JSON;
use kubus_proto::{ApiError, ApiResponse, Reason};

/// An error of a body that is sent while it is made.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Body of every answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Content type of YAML.
const YAML: &str = "application/yaml";
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
    /// The form a client accepts: the first of its list that is known.
    pub fn of(accept: &str) -> Result<Self, ApiError> {
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
        Ok(Form::AsIs)
    }
}

impl Form {
    /// Watches are told in JSON alone.
    pub fn of_watch(self) -> Result<(), ApiError> {
        match self {
            Form::Json => Ok(()),
            Form::Yaml | Form::AsIs => Err(not_acceptable("application/json")),
        }
    }
}

/// 406 with what would have been acceptable.
pub fn not_acceptable(known: &str) -> ApiError {
    ApiError::new(Reason::NotAcceptable, format!("only the following media types are accepted: {known}"))
}

/// A body that is there already.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The answer of an apiserver.
pub fn of(response: ApiResponse, form: Form) -> Result<Response<Body>, ApiError> {
    let mut out = if response.content_type.is_empty() {
        structured(&response.body, form)?
    } else {
        let mut out = Response::new(full(response.body.clone()));
        set_type(&mut out, &response.content_type);
        out
    };
    *out.status_mut() = StatusCode::from_u16(response.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    warn(&mut out, &response.warnings);
    Ok(out)
}

fn structured(body: &[u8], form: Form) -> Result<Response<Body>, ApiError> {
    let damaged = |error: &dyn std::fmt::Display| {
        ApiError::new(Reason::InternalError, format!("Internal error occurred: the answer is damaged: {error}"))
    };
    let mut json = Vec::with_capacity(body.len() + body.len() / 4 + 1);
    if !body.is_empty() {
        transcode::append_json(body, &mut json).map_err(|error| damaged(&error))?;
        json.push(b'\n');
    }
    if form != Form::Yaml {
        let mut out = Response::new(full(json));
        set_type(&mut out, JSON);
        return Ok(out);
    }
    let value: serde_json::Value = serde_json::from_slice(&json).map_err(|error| damaged(&error))?;
    let mut out = Response::new(full(serde_saphyr::to_string(&value).map_err(|error| damaged(&error))?));
    set_type(&mut out, YAML);
    Ok(out)
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
        for (accept, expected) in [
            ("", Form::Json),
            ("*/*", Form::Json),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Form::Json),
            ("application/vnd.kubernetes.protobuf,application/json", Form::Json),
            ("application/yaml", Form::Yaml),
            ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", Form::AsIs),
        ] {
            assert_eq!(Form::of(accept).expect(accept), expected, "{accept}");
        }
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
