//! One request from its first attempt to its answer or its deadline.

use super::dial::Connection;
use super::replies::Answer;
use super::{BusError, api_error, retry};
use crate::metrics;
use async_nats::connection::State;
use bytes::Bytes;
use kubus_proto::request::{ATTEMPT_TIMEOUT_MS, OBJECT_LIMIT_BYTES};
use kubus_proto::{ApiError, ApiRequest, ApiResponse, Reason, codec};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Why the last attempt gave no final answer.
enum Failure {
    /// Nobody listens, or nobody answered in time.
    Silence,
    /// The connection is down.
    Disconnected,
    /// An apiserver answered that it cannot now.
    Refusal(ApiResponse),
}

/// What a part of Kubus calls itself where a request does not: by the name that the same part of Kubernetes has, since
/// those who look at field managers know those names.
fn user_agent(identity: &str) -> &str {
    let role = identity.split(['-', ':']).next().unwrap_or_default();
    match role {
        "node" => "kubelet",
        "scheduler" => "kube-scheduler",
        "controllers" => "kube-controller-manager",
        "apiserver" => "kube-apiserver",
        other => other,
    }
}

/// Asks until there is an answer or `deadline` has passed. Every attempt carries the same id, so a write that was
/// carried out already is answered and not repeated.
pub(super) async fn send(
    connection: &Connection,
    mut request: ApiRequest,
    deadline: Duration,
) -> Result<ApiResponse, BusError> {
    let started = Instant::now();
    if request.user_agent.is_empty() {
        request.user_agent = user_agent(&connection.identity).to_owned();
    }
    let route = if request.method.is_write() { "write" } else { "read" };
    let answer = ask(connection, request, deadline, started).await;
    let code = answer.as_ref().map_or(0, |answer| answer.code);
    metrics::BUS.duration.observe(started.elapsed().as_secs_f64());
    metrics::BUS.requests.get_or_create(&metrics::BusLabels { route, code }).inc();
    answer
}

async fn ask(
    connection: &Connection,
    request: ApiRequest,
    deadline: Duration,
    started: Instant,
) -> Result<ApiResponse, BusError> {
    let subject = if request.method.is_write() { &connection.write_subject } else { &connection.read_subject };
    let payload: Bytes = codec::encode(&request)?.into();
    check_size(request.body.len(), payload.len(), connection.nats.max_payload())?;
    let place = connection.replies.register();
    let mut attempt = 0;
    loop {
        let failure = if wait_connected(connection, started + deadline).await {
            let (reply, answer) = place.attempt(attempt);
            let left = deadline.saturating_sub(started.elapsed());
            let patience = left.min(Duration::from_millis(ATTEMPT_TIMEOUT_MS));
            let exchange = async {
                connection.nats.publish_with_reply(subject.clone(), reply, payload.clone()).await.ok()?;
                answer.await.ok()
            };
            match timeout(patience, exchange).await {
                Ok(Some(Answer::Payload(payload))) => {
                    let response = ApiResponse::decode(&payload)?;
                    if response.code < 400 {
                        return Ok(response);
                    }
                    Failure::Refusal(response)
                }
                // The connection is new: ask again at once.
                Ok(Some(Answer::Interrupted)) => {
                    attempt += 1;
                    continue;
                }
                Ok(Some(Answer::NoResponders)) | Err(_) => Failure::Silence,
                Ok(None) => Failure::Disconnected,
            }
        } else {
            Failure::Disconnected
        };
        let mut pause = retry::pause(attempt, rand::random());
        if let Failure::Refusal(response) = &failure {
            match again_after(response) {
                Some(told) => pause = pause.max(told),
                None => return finish(failure, connection, started),
            }
        }
        if started.elapsed() + pause >= deadline {
            return finish(failure, connection, started);
        }
        tokio::time::sleep(pause).await;
        metrics::BUS.retries.inc();
        attempt += 1;
    }
}

/// How long a refused request should wait at least, `None` where the refusal is final.
fn again_after(response: &ApiResponse) -> Option<Duration> {
    match retry::verdict(response.code) {
        retry::Verdict::Final => None,
        retry::Verdict::Again => Some(Duration::from_secs(api_error(response).retry_after_seconds.unwrap_or(0).into())),
        retry::Verdict::AgainIfTold => {
            api_error(response).retry_after_seconds.map(|seconds| Duration::from_secs(seconds.into()))
        }
    }
}

fn finish(failure: Failure, connection: &Connection, started: Instant) -> Result<ApiResponse, BusError> {
    match failure {
        Failure::Refusal(response) => Ok(response),
        Failure::Silence => Err(BusError::NoLeader { waited_ms: started.elapsed().as_millis() as u64 }),
        Failure::Disconnected => Err(BusError::Unreachable {
            servers: connection.servers.clone(),
            reason: "the connection is lost".to_owned(),
        }),
    }
}

/// Waits for the connection to stand; `false` when it does not within one attempt's time or before `until`. While it
/// does not, nothing is published: it would pile up and be sent many times over afterwards.
async fn wait_connected(connection: &Connection, until: Instant) -> bool {
    if connection.nats.connection_state() != State::Disconnected {
        return true;
    }
    let mut link = connection.link.subscribe();
    let until = until.min(Instant::now() + Duration::from_millis(ATTEMPT_TIMEOUT_MS));
    matches!(tokio::time::timeout_at(until, link.wait_for(|link| link.connected)).await, Ok(Ok(_)))
}

fn check_size(body: usize, message: usize, max_payload: usize) -> Result<(), ApiError> {
    let limit = OBJECT_LIMIT_BYTES.min(max_payload);
    if body <= OBJECT_LIMIT_BYTES && message <= max_payload {
        return Ok(());
    }
    Err(ApiError::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {limit}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_sent() {
        assert!(check_size(10, 100, 1 << 20).is_ok());
        for (body, message, limit) in
            [(OBJECT_LIMIT_BYTES + 1, OBJECT_LIMIT_BYTES + 100, OBJECT_LIMIT_BYTES), (900, 1_001, 1_000)]
        {
            let max_payload = if limit == 1_000 { limit } else { 8 << 20 };
            let error = check_size(body, message, max_payload).expect_err("too large");
            assert_eq!(error.reason, Reason::RequestEntityTooLarge);
            assert_eq!(error.message, format!("Request entity too large: limit is {limit}"));
        }
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        let answer = |error: ApiError| ApiResponse {
            code: error.reason.code(),
            body: codec::encode(&error.to_status()).expect("encode").into(),
            ..ApiResponse::default()
        };
        let told = |seconds| ApiError { retry_after_seconds: seconds, ..ApiError::new(Reason::TooManyRequests, "") };
        for (error, expected) in [
            (ApiError::new(Reason::NotFound, ""), None),
            (ApiError::new(Reason::InternalError, ""), None),
            (ApiError::new(Reason::ServiceUnavailable, ""), Some(0)),
            (ApiError::new(Reason::Timeout, ""), Some(0)),
            (told(None), None),
            (told(Some(2)), Some(2)),
        ] {
            assert_eq!(again_after(&answer(error.clone())), expected.map(Duration::from_secs), "{error:?}");
        }
    }
}
