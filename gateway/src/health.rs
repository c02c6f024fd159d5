//! `/livez`, `/readyz` and `/healthz`, as Kubernetes words them. Everyone may ask, with or without a bus.
//! <https://kubernetes.io/docs/reference/using-api/health-checks/>

use crate::Gateway;
use crate::answer::{self, Body};
use http::{Response, StatusCode};
use kubus_proto::path::query_pairs;
use kubus_proto::request::Method;
use kubus_proto::server_status::{STATUS_PATH, ServerStatus};
use kubus_proto::{ApiRequest, codec};
use std::fmt::Write;
use std::time::Duration;

/// How long an apiserver may take to say how it is, in milliseconds.
const ANSWER_MS: u64 = 2_000;
/// Content type of the answers.
const TEXT: &str = "text/plain; charset=utf-8";

/// One thing that can be in order or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// This process answers.
    Ping,
    /// Its certificate is good for now.
    Certificate,
    /// It has reached the bus.
    Bus,
    /// An apiserver answers and knows a leader.
    Apiserver,
    /// It is not about to end.
    Shutdown,
}

/// A group of checks with a path of its own.
struct Group {
    name: &'static str,
    checks: &'static [Check],
}

/// A gateway lives while it can serve at all; it is ready while it can answer.
const GROUPS: [Group; 3] = [
    Group { name: "livez", checks: &[Check::Ping, Check::Certificate] },
    Group { name: "readyz", checks: &[Check::Ping, Check::Certificate, Check::Bus, Check::Apiserver, Check::Shutdown] },
    Group { name: "healthz", checks: &[Check::Ping, Check::Certificate, Check::Bus, Check::Apiserver] },
];

impl Check {
    fn name(self) -> &'static str {
        match self {
            Check::Ping => "ping",
            Check::Certificate => "certificate",
            Check::Bus => "bus",
            Check::Apiserver => "apiserver",
            Check::Shutdown => "shutdown",
        }
    }

    async fn is_good(self, gateway: &Gateway) -> bool {
        match self {
            Check::Ping => true,
            Check::Certificate => gateway.certificate_is_good(),
            Check::Bus => gateway.bus().is_ok_and(|bus| bus.is_connected()),
            Check::Apiserver => apiserver(gateway).await,
            Check::Shutdown => !gateway.stopping().is_cancelled(),
        }
    }
}

async fn apiserver(gateway: &Gateway) -> bool {
    let Ok(bus) = gateway.bus() else { return false };
    let bus = bus.with_deadline(Duration::from_millis(ANSWER_MS));
    match bus.request_ok(ApiRequest::new(Method::Get, STATUS_PATH)).await {
        Ok(body) => codec::decode::<ServerStatus>(&body).is_ok_and(|status| status.leader.is_some()),
        Err(error) => {
            tracing::debug!(%error, "no apiserver says how it is");
            false
        }
    }
}

/// The answer to a health path; `None` where it is none.
pub async fn answer(gateway: &Gateway, path: &str, query: &str) -> Option<Response<Body>> {
    let (name, one) = path.trim_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
    let group = GROUPS.iter().find(|group| group.name == name)?;
    let pairs = query_pairs(query);
    let excluded = |check: &Check| pairs.iter().any(|(key, value)| key == "exclude" && value == check.name());
    let asked: Vec<Check> = match one {
        "" => group.checks.iter().copied().filter(|check| !excluded(check)).collect(),
        one => group.checks.iter().copied().filter(|check| check.name() == one).collect(),
    };
    if asked.is_empty() && !one.is_empty() {
        return Some(text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()));
    }
    let mut results = Vec::with_capacity(asked.len());
    for check in asked {
        results.push((check, check.is_good(gateway).await));
    }
    let verbose = pairs.iter().any(|(key, _)| key == "verbose");
    let name = if one.is_empty() { name.to_owned() } else { format!("{name}/{one}") };
    let (code, body) = verdict(&name, &results, verbose);
    Some(text(code, body))
}

/// What is said of the checks' results.
fn verdict(name: &str, results: &[(Check, bool)], verbose: bool) -> (StatusCode, String) {
    let good = results.iter().all(|(_, good)| *good);
    if good && !verbose {
        return (StatusCode::OK, "ok".to_owned());
    }
    let mut body = String::new();
    for (check, good) in results {
        // Writing into a string does not fail.
        let _ = match good {
            true => writeln!(body, "[+]{} ok", check.name()),
            false => writeln!(body, "[-]{} failed: reason withheld", check.name()),
        };
    }
    if good {
        body.push_str(&format!("{name} check passed\n"));
        (StatusCode::OK, body)
    } else {
        body.push_str(&format!("{name} check failed\n"));
        (StatusCode::INTERNAL_SERVER_ERROR, body)
    }
}

fn text(code: StatusCode, body: String) -> Response<Body> {
    let mut out = Response::new(answer::full(body));
    *out.status_mut() = code;
    answer::set_type(&mut out, TEXT);
    out.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, http::HeaderValue::from_static("nosniff"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_read_like_kubernetes() {
        let (good, bad) = ((Check::Ping, true), (Check::Bus, false));
        for (results, verbose, code, body) in [
            (vec![good], false, 200, "ok"),
            (vec![good], true, 200, "[+]ping ok\nreadyz check passed\n"),
            (vec![], true, 200, "readyz check passed\n"),
            (vec![good, bad], false, 500, "[+]ping ok\n[-]bus failed: reason withheld\nreadyz check failed\n"),
            (vec![good, bad], true, 500, "[+]ping ok\n[-]bus failed: reason withheld\nreadyz check failed\n"),
        ] {
            let got = verdict("readyz", &results, verbose);
            assert_eq!((got.0.as_u16(), got.1.as_str()), (code, body), "{results:?}");
        }
    }

    #[tokio::test]
    async fn paths_and_parameters_choose_checks() {
        let gateway = Gateway::new(tokio_util::sync::CancellationToken::new());
        for (path, query, code) in [
            ("/livez", "", Some(200)),
            ("/livez/", "verbose", Some(200)),
            ("/livez/ping", "", Some(200)),
            ("/livez/bus", "", Some(404)),
            ("/readyz", "", Some(500)),
            ("/readyz/bus", "", Some(500)),
            ("/readyz/ping", "", Some(200)),
            ("/readyz", "exclude=bus&exclude=apiserver", Some(200)),
            ("/healthz", "exclude=bus", Some(500)),
            ("/version", "", None),
            ("/livezz", "", None),
        ] {
            let got = answer(&gateway, path, query).await.map(|answer| answer.status().as_u16());
            assert_eq!(got, code, "{path}?{query}");
        }
    }
}
