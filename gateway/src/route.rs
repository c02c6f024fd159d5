//! Which way a request goes, by its method and its address alone.

use http::Uri;
use kubus_proto::path::{ResourcePath, decode, query_pairs};
use kubus_proto::request::Method;
use kubus_proto::{ApiError, Reason};

/// Subresources that are streams, or may become one.
const STREAMS: [&str; 5] = ["log", "exec", "attach", "portforward", "proxy"];

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Logs, terminals, forwarded ports, proxies.
    Upgrade,
    /// A watch of what `path` names.
    Watch {
        /// The collection or object, without the old `/watch` in it.
        path: String,
        /// Query as the client sent it.
        query: String,
    },
    /// Everything else: one question, one answer.
    Request,
}

/// The method in the bus' words; 405 for those Kubernetes does not know.
pub fn method(method: &http::Method) -> Result<Method, ApiError> {
    Ok(match *method {
        http::Method::GET | http::Method::HEAD => Method::Get,
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        http::Method::PATCH => Method::Patch,
        http::Method::DELETE => Method::Delete,
        _ => {
            let text = "the server does not allow this method on the requested resource";
            return Err(ApiError::new(Reason::MethodNotAllowed, text));
        }
    })
}

/// Decides. A path that could be read in two ways is refused.
pub fn route(method: &http::Method, uri: &Uri) -> Result<Route, ApiError> {
    let path = uri.path();
    check(path)?;
    if is_stream(path) {
        return Ok(Route::Upgrade);
    }
    let query = uri.query().unwrap_or_default();
    if *method == http::Method::GET {
        if let Some(plain) = without_watch(path) {
            return Ok(Route::Watch { path: plain, query: query.to_owned() });
        }
        if wants_watch(query) && is_resource(path) {
            return Ok(Route::Watch { path: path.to_owned(), query: query.to_owned() });
        }
    }
    Ok(Route::Request)
}

/// Refuses what Kubernetes' paths never hold and what two readers might read differently: empty and relative segments,
/// encoded dots and slashes that make such, control characters.
fn check(path: &str) -> Result<(), ApiError> {
    let refuse = |why: &str| Err(ApiError::new(Reason::BadRequest, format!("the path {path:?} {why}")));
    let Some(rest) = path.strip_prefix('/') else { return refuse("does not begin with a slash") };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    for segment in ours(rest) {
        let plain = decode(segment);
        if segment.is_empty() && !rest.is_empty() {
            return refuse("has an empty segment");
        }
        if plain == "." || plain == ".." {
            return refuse("is relative");
        }
        if plain.chars().any(char::is_control) || plain.contains('\u{fffd}') {
            return refuse("holds characters that no name has");
        }
        if plain.contains('/') {
            return refuse("has a slash inside a segment");
        }
    }
    Ok(())
}

/// The segments that are read here: what stands below a `proxy` is for whoever is behind it.
fn ours(path: &str) -> impl Iterator<Item = &str> {
    let mut proxied = false;
    path.split('/').enumerate().map_while(move |(position, segment)| {
        let below = proxied;
        proxied |= position >= 4 && segment == "proxy";
        (!below).then_some(segment)
    })
}

/// Whether the path is a stream's: below an object, and for `proxy` further below.
fn is_stream(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_start_matches('/').splitn(8, '/').collect();
    let tail = match parts.as_slice() {
        ["api", _, "namespaces", _, "pods" | "services", _, tail @ ..] => tail,
        ["api", _, "nodes", _, tail @ ..] => tail,
        _ => return false,
    };
    match tail {
        [name] => STREAMS.contains(name),
        [name, ..] => *name == "proxy",
        [] => false,
    }
}

fn is_resource(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/apis/")
}

/// Whether the query asks to watch.
fn wants_watch(query: &str) -> bool {
    query.contains("watch=")
        && query_pairs(query).iter().any(|(key, value)| key == "watch" && value != "false" && value != "0")
}

/// `/api/v1/pods` for `/api/v1/watch/pods`, the old way to ask for a watch.
fn without_watch(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let head = match parts.as_slice() {
        ["api", _, "watch", _, ..] => 2,
        ["apis", _, _, "watch", _, ..] => 3,
        _ => return None,
    };
    let plain: Vec<&str> = parts[..head].iter().chain(&parts[head + 1..]).copied().collect();
    let plain = format!("/{}", plain.join("/"));
    ResourcePath::parse(&plain).is_some_and(|found| found.subresource.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_find_their_way() {
        let watch = |path: &str, query: &str| Route::Watch { path: path.into(), query: query.into() };
        for (method, address, expected) in [
            ("GET", "/api/v1/pods", Route::Request),
            ("GET", "/", Route::Request),
            ("GET", "/apis/", Route::Request),
            ("GET", "/version?watch=true", Route::Request),
            ("GET", "/api/v1/pods?watch=true&limit=5", watch("/api/v1/pods", "watch=true&limit=5")),
            ("GET", "/api/v1/pods?watch=1", watch("/api/v1/pods", "watch=1")),
            ("GET", "/api/v1/pods?watch=0", Route::Request),
            ("GET", "/api/v1/pods?watch=false", Route::Request),
            ("GET", "/api/v1/watch/pods", watch("/api/v1/pods", "")),
            ("GET", "/api/v1/watch/namespaces/a/pods/b", watch("/api/v1/namespaces/a/pods/b", "")),
            ("GET", "/apis/apps/v1/watch/deployments", watch("/apis/apps/v1/deployments", "")),
            ("GET", "/api/v1/watch", Route::Request),
            ("POST", "/api/v1/pods?watch=true", Route::Request),
            ("GET", "/api/v1/namespaces/a/pods/b/log?follow=true", Route::Upgrade),
            ("POST", "/api/v1/namespaces/a/pods/b/exec?command=sh", Route::Upgrade),
            ("GET", "/api/v1/namespaces/a/pods/b/portforward", Route::Upgrade),
            ("GET", "/api/v1/namespaces/a/pods/b:80/proxy/x/y//z", Route::Upgrade),
            ("GET", "/api/v1/namespaces/a/services/b/proxy", Route::Upgrade),
            ("GET", "/api/v1/nodes/n/proxy/stats/summary", Route::Upgrade),
            ("GET", "/api/v1/namespaces/a/pods/b/status", Route::Request),
            ("GET", "/api/v1/namespaces/log", Route::Request),
            ("GET", "/apis/apps/v1/namespaces/a/deployments/b/log", Route::Request),
        ] {
            let uri: Uri = address.parse().expect(address);
            let method: http::Method = method.parse().expect("method");
            assert_eq!(route(&method, &uri).expect(address), expected, "{method} {address}");
        }
    }

    #[test]
    fn paths_that_can_be_misread_are_refused() {
        for path in [
            "//api/v1/pods",
            "/api//v1/pods",
            "/api/v1/pods//",
            "/api/v1/namespaces/../pods",
            "/api/v1/namespaces/./pods",
            "/api/v1/namespaces/%2e%2e/pods",
            "/api/v1/namespaces/%2E/pods",
            "/api/v1/namespaces/a%2fpods%2fb/secrets",
            "/api/v1/namespaces/a%00/pods",
            "/api/v1/namespaces/a%ff/pods",
            "/api/v1/namespaces/a/pods/b/exec/../log",
        ] {
            let error = route(&http::Method::GET, &path.parse().expect(path)).expect_err(path);
            assert_eq!(error.reason, Reason::BadRequest, "{path}");
        }
    }

    #[test]
    fn other_methods_are_not_allowed() {
        for name in ["OPTIONS", "TRACE", "CONNECT", "PROPFIND"] {
            assert_eq!(method(&name.parse().expect(name)).expect_err(name).reason, Reason::MethodNotAllowed);
        }
    }
}
