//! Requests by what they are about, under the names Kubernetes' API server gives them, so that its dashboards fit.

use super::durations;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::time::Instant;

/// What a request is about. Names come from the kinds table alone, so that nobody can make new ones up.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Subject {
    verb: &'static str,
    group: &'static str,
    version: Cow<'static, str>,
    resource: &'static str,
    subresource: Cow<'static, str>,
    scope: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    #[prometheus(flatten)]
    subject: Subject,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InWorkKind {
    request_kind: &'static str,
}

/// Counts requests.
#[derive(Clone)]
pub struct RequestMetrics {
    total: Family<Ended, Counter>,
    duration: Family<Subject, Histogram, fn() -> Histogram>,
    in_work: Family<InWorkKind, Gauge>,
    long_running: Family<Subject, Gauge>,
}

/// One request in work: counted until it is dropped.
pub struct InWork {
    gauge: Gauge,
    begun: Instant,
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl Subject {
    /// What is asked for by a method and a path; `watch` for a watch, `connect` for a stream.
    pub fn of(method: Method, path: &str, watch: bool, connect: bool) -> Self {
        let found = ResourcePath::parse(path);
        let whole = found.as_ref().is_none_or(|found| found.name.is_empty());
        let verb = match method {
            _ if connect => "CONNECT",
            _ if watch => "WATCH",
            Method::Get if found.is_some() && whole => "LIST",
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete if found.is_some() && whole => "DELETECOLLECTION",
            Method::Delete => "DELETE",
        };
        let Some(found) = found else {
            return Self { verb, group: "", version: "".into(), resource: "", subresource: "".into(), scope: "" };
        };
        let scope = match (found.name.is_empty(), found.namespace.is_empty()) {
            (false, _) => "resource",
            (true, false) => "namespace",
            (true, true) => "cluster",
        };
        let subresource = match found.row.subresource(&found.subresource) {
            Some(known) => known.name,
            None => "",
        };
        Self {
            verb,
            group: found.row.group,
            version: found.version.into(),
            resource: found.row.plural,
            subresource: subresource.into(),
            scope,
        }
    }
}

impl RequestMetrics {
    /// Metrics that `registry` tells.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self {
            total: Family::default(),
            duration: Family::new_with_constructor(durations),
            in_work: Family::default(),
            long_running: Family::default(),
        };
        registry.register(
            "apiserver_request",
            "Requests, by what they are about and how they ended",
            new.total.clone(),
        );
        registry.register(
            "apiserver_request_duration_seconds",
            "Time of requests that are no watches or streams",
            new.duration.clone(),
        );
        registry.register("apiserver_current_inflight_requests", "Requests in work", new.in_work.clone());
        registry.register("apiserver_longrunning_requests", "Watches and streams", new.long_running.clone());
        new
    }

    /// A request has begun.
    pub fn begin(&self, method: Method) -> InWork {
        let request_kind = if method.is_write() { "mutating" } else { "readOnly" };
        in_work(self.in_work.get_or_create_owned(&InWorkKind { request_kind }))
    }

    /// A watch or a stream has begun.
    pub fn begin_long(&self, subject: &Subject) -> InWork {
        in_work(self.long_running.get_or_create_owned(subject))
    }

    /// A request has been answered; what lasts as long as its client wants has no duration worth knowing.
    pub fn end(&self, subject: &Subject, in_work: Option<InWork>, code: u16) {
        if let Some(in_work) = in_work {
            self.duration.get_or_create(subject).observe(in_work.begun.elapsed().as_secs_f64());
        }
        self.total.get_or_create(&Ended { subject: subject.clone(), code }).inc();
    }
}

fn in_work(gauge: Gauge) -> InWork {
    gauge.inc();
    InWork { gauge, begun: Instant::now() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_named_as_kubernetes_names_them() {
        for (method, path, watch, expected) in [
            (Method::Get, "/api/v1/pods", false, ["LIST", "", "v1", "pods", "", "cluster"]),
            (Method::Get, "/api/v1/namespaces/a/pods", true, ["WATCH", "", "v1", "pods", "", "namespace"]),
            (Method::Get, "/api/v1/namespaces/a/pods/x", false, ["GET", "", "v1", "pods", "", "resource"]),
            (
                Method::Patch,
                "/apis/apps/v1/namespaces/a/deployments/x/status",
                false,
                ["PATCH", "apps", "v1", "deployments", "status", "resource"],
            ),
            (
                Method::Delete,
                "/api/v1/namespaces/a/configmaps",
                false,
                ["DELETECOLLECTION", "", "v1", "configmaps", "", "namespace"],
            ),
            (Method::Get, "/api/v1/madeup/x", false, ["GET", "", "", "", "", ""]),
            (Method::Get, "/version", false, ["GET", "", "", "", "", ""]),
        ] {
            let got = Subject::of(method, path, watch, false);
            let got = [got.verb, got.group, &got.version, got.resource, &got.subresource, got.scope];
            assert_eq!(got, expected, "{method:?} {path}");
        }
    }

    #[test]
    fn requests_are_counted_while_they_last_and_when_they_end() {
        let mut registry = Registry::default();
        let metrics = RequestMetrics::register(&mut registry);
        let subject = Subject::of(Method::Get, "/api/v1/pods", false, false);
        let in_work = metrics.begin(Method::Get);
        let lines = |registry: &Registry| super::super::text(registry);
        assert!(lines(&registry).contains("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1"));
        metrics.end(&subject, Some(in_work), 200);
        let text = lines(&registry);
        assert!(text.contains("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 0"), "{text}");
        let labels = "verb=\"LIST\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"cluster\"";
        assert!(text.contains(&format!("apiserver_request_total{{{labels},code=\"200\"}} 1")), "{text}");
        assert!(text.contains(&format!("apiserver_request_duration_seconds_count{{{labels}}} 1")), "{text}");
    }
}
