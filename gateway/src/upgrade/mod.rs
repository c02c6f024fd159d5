//! Streams over HTTP: logs, and connections that change their protocol (exec, attach, port-forward, proxy).

use crate::Gateway;
use crate::answer::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, Reason};

/// Answers a request for a stream.
pub async fn answer(_: &Gateway, _: OnBehalf, _: Request<Incoming>) -> Result<Response<Body>, ApiError> {
    Err(ApiError::new(Reason::NotFound, "the server could not find the requested resource"))
}
