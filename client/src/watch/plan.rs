//! What a watch asks for: path and query read into the resource, the selection and the manner of delivery.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

use super::Asker;
use kubus_proto::kinds::versions::ServedVersion;
use kubus_proto::path::{ResourcePath, encode, query_pairs};
use kubus_proto::request::Method;
use kubus_proto::selector::{FieldSelector, Selector};
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, ApiRequest, KindRow, Reason};
use std::time::Duration;

/// The only `resourceVersionMatch` a watch knows.
const NOT_OLDER_THAN: &str = "NotOlderThan";
/// Fields of an object that never change, so that an apiserver may narrow its answer by them.
const UNCHANGING_FIELDS: [&str; 2] = ["metadata.name", "metadata.namespace"];

/// One watch.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) row: &'static KindRow,
    /// The version its events are told in, where it is not the stored one.
    pub(super) served: Option<&'static ServedVersion>,
    /// Path of the collection.
    pub(super) path: String,
    /// Namespace it is limited to, empty for none.
    pub(super) namespace: String,
    /// Name it is limited to, empty for none.
    pub(super) name: String,
    pub(super) labels: Selector,
    pub(super) fields: FieldSelector,
    /// Node whose objects alone are followed.
    pub(super) scope: Option<String>,
    /// Where to begin.
    pub(super) start: Start,
    /// Bookmarks are wanted.
    pub(super) bookmarks: bool,
    /// When the watch ends in order.
    pub(super) timeout: Option<Duration>,
    /// For whom it asks.
    pub(super) asker: Asker,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// After a revision that is known.
    After(u64),
    /// With everything there is as ADDED; with `marked`, a bookmark says where that ends.
    Everything {
        /// `sendInitialEvents=true`
        marked: bool,
    },
    /// With what happens from now on.
    Now,
}

impl Plan {
    /// Reads a query about `target`, or says with Kubernetes' error what is wrong with it.
    pub(super) fn parse(target: ResourcePath, query: &str) -> Result<Self, ApiError> {
        let bad = |message: String| ApiError::new(Reason::BadRequest, message);
        if !target.subresource.is_empty() {
            return Err(ApiError::new(Reason::NotFound, "the server could not find the requested resource"));
        }
        let pairs = query_pairs(query);
        let get = |key: &str| pairs.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value.as_str());
        let labels = Selector::parse(get("labelSelector")).map_err(|error| bad(error.to_string()))?;
        let fields = FieldSelector::parse(get("fieldSelector")).map_err(|error| bad(error.to_string()))?;
        let fields = target.stored_fields(fields);
        let selectable = target.row.selectable(&serde_json::Value::Null).fields;
        if let Some(unknown) = fields.paths().find(|p| !selectable.contains_key(*p)) {
            return Err(bad(format!("field label not supported: {unknown}")));
        }
        let name = if target.name.is_empty() {
            fields.required("metadata.name").unwrap_or_default().to_owned()
        } else {
            target.name.clone()
        };
        let scope = match target.row.scope_field() {
            Some("metadata.name") => Some(name.clone()),
            Some(field) => fields.required(field).map(str::to_owned),
            None => None,
        };
        let timeout = match get("timeoutSeconds") {
            "" => None,
            text => Some(text.parse().map(Duration::from_secs).map_err(|_| bad(format!("invalid timeout {text:?}")))?),
        };
        Ok(Self {
            row: target.row,
            served: target.served,
            path: ResourcePath::of(target.row, &target.namespace, "", ""),
            namespace: target.namespace,
            name,
            labels,
            fields,
            // An empty scope is no node: pods that are bound nowhere are found among all.
            scope: scope.filter(|scope| !scope.is_empty()),
            start: start(get("resourceVersion"), get("sendInitialEvents"), get("resourceVersionMatch"))?,
            bookmarks: is_true(get("allowWatchBookmarks")),
            timeout,
            asker: Asker::default(),
        })
    }

    /// A question to an apiserver about the collection.
    pub(super) fn request(&self, query: String) -> ApiRequest {
        ApiRequest {
            query,
            on_behalf: self.asker.on_behalf.clone(),
            user_agent: self.asker.user_agent.clone(),
            ..ApiRequest::new(Method::Get, self.path.clone())
        }
    }

    /// Whether an object has to be looked into to know whether it is selected. The scope and the name stand beside it.
    pub(super) fn looks_inside(&self) -> bool {
        let beside = |path: &str| {
            UNCHANGING_FIELDS.contains(&path) || self.scope.is_some() && self.row.scope_field() == Some(path)
        };
        !self.labels.is_empty() || self.fields.paths().any(|path| !beside(path)) || self.negates_unchanging()
    }

    /// `metadata.name!=x` cannot be read off `name`, which holds only what must be.
    fn negates_unchanging(&self) -> bool {
        self.fields.paths().any(|path| self.fields.required(path).is_none())
    }

    /// The query that asks for the changes after `revision`, or without one for everything there is. Of the selectors only what no object ever changes is
    /// passed on: an object that leaves a selection must be heard of.
    pub(super) fn changes_query(&self, revision: Option<u64>) -> String {
        let mut terms = Vec::new();
        let scope_field = self.row.scope_field().filter(|_| self.scope.is_some());
        for field in UNCHANGING_FIELDS.into_iter().chain(scope_field.filter(|f| !UNCHANGING_FIELDS.contains(f))) {
            let value = if field == "metadata.name" && !self.name.is_empty() {
                Some(self.name.as_str())
            } else {
                self.fields.required(field)
            };
            if let Some(value) = value {
                terms.push(format!("{field}={value}"));
            }
        }
        let mut query = "watch=true".to_owned();
        if let Some(revision) = revision {
            query.push_str(&format!("&resourceVersion={revision}"));
        }
        if !terms.is_empty() {
            query.push_str(&format!("&fieldSelector={}", encode(&terms.join(","))));
        }
        query
    }
}

fn is_true(text: &str) -> bool {
    matches!(text, "true" | "1" | "True" | "t")
}

fn start(revision: &str, initial_events: &str, version_match: &str) -> Result<Start, ApiError> {
    let mut causes = Vec::new();
    let mut cause = |reason: &str, message: String| {
        causes.push(Cause { reason: reason.to_owned(), message, field: "resourceVersionMatch".to_owned() });
    };
    if !initial_events.is_empty() && version_match != NOT_OLDER_THAN {
        cause(
            "FieldValueForbidden",
            format!("Forbidden: sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"),
        );
    }
    if !version_match.is_empty() && initial_events.is_empty() {
        let text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        cause("FieldValueForbidden", text.to_owned());
    }
    if !version_match.is_empty() && version_match != NOT_OLDER_THAN {
        let text = format!("Unsupported value: {version_match:?}: supported values: {NOT_OLDER_THAN:?}");
        cause("FieldValueNotSupported", text);
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", causes));
    }
    if is_true(initial_events) {
        // What comes first is the newest state, which is never older than what is asked for.
        return Ok(Start::Everything { marked: true });
    }
    let everything_first = initial_events.is_empty();
    match revision {
        "" | "0" if everything_first => Ok(Start::Everything { marked: false }),
        "" | "0" => Ok(Start::Now),
        text => text.parse().map(Start::After).map_err(|_| {
            ApiError::new(
                Reason::Invalid,
                format!(
                    "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
                ),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, query: &str) -> Result<Plan, ApiError> {
        let nothing = || ApiError::new(Reason::NotFound, "");
        Plan::parse(ResourcePath::parse(path).ok_or_else(nothing)?, query)
    }

    const PODS: &str = "/api/v1/namespaces/a/pods";

    #[test]
    fn starts_are_kubernetes_starts() {
        for (query, expected) in [
            ("", Start::Everything { marked: false }),
            ("resourceVersion=0", Start::Everything { marked: false }),
            ("resourceVersion=7", Start::After(7)),
            ("resourceVersion=7&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", Start::After(7)),
            ("resourceVersion=0&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", Start::Now),
            ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", Start::Everything { marked: true }),
        ] {
            assert_eq!(parse(PODS, query).expect(query).start, expected, "{query}");
        }
    }

    #[test]
    fn scopes_come_from_what_must_be() {
        for (path, query, scope, inside, asked) in [
            ("/api/v1/pods", "", None, false, ""),
            (
                "/api/v1/pods",
                "fieldSelector=spec.nodeName%3Dn1",
                Some("n1"),
                false,
                "&fieldSelector=spec.nodeName%3Dn1",
            ),
            (
                "/api/v1/pods",
                "fieldSelector=spec.nodeName%3Dn1,status.phase%3DRunning",
                Some("n1"),
                true,
                "&fieldSelector=spec.nodeName%3Dn1",
            ),
            ("/api/v1/pods", "fieldSelector=spec.nodeName%3D", None, true, ""),
            ("/api/v1/pods", "fieldSelector=spec.nodeName!%3Dn1", None, true, ""),
            ("/api/v1/pods", "labelSelector=a%3Db", None, true, ""),
            (
                "/api/v1/nodes",
                "fieldSelector=metadata.name%3Dn1",
                Some("n1"),
                false,
                "&fieldSelector=metadata.name%3Dn1",
            ),
            ("/api/v1/nodes", "", None, false, ""),
            ("/api/v1/configmaps", "fieldSelector=metadata.name%3Dx", None, false, "&fieldSelector=metadata.name%3Dx"),
            ("/api/v1/configmaps", "fieldSelector=metadata.name!%3Dx", None, true, ""),
        ] {
            let plan = parse(path, query).expect(query);
            assert_eq!(plan.scope.as_deref(), scope, "{query}");
            assert_eq!(plan.looks_inside(), inside, "{query}");
            assert_eq!(plan.changes_query(Some(3)), format!("watch=true&resourceVersion=3{asked}"), "{query}");
        }
    }

    #[test]
    fn one_object_is_watched_by_its_name() {
        let plan = parse("/api/v1/namespaces/a/pods/web", "").expect("plan");
        assert_eq!((plan.path.as_str(), plan.namespace.as_str(), plan.name.as_str()), (PODS, "a", "web"));
        let plan = parse("/api/v1/namespaces/a", "").expect("plan");
        assert_eq!((plan.path.as_str(), plan.name.as_str()), ("/api/v1/namespaces", "a"));
    }

    #[test]
    fn nonsense_is_refused_by_its_reason() {
        for (path, query, reason) in [
            ("/api/v1/nonsense", "", Reason::NotFound),
            ("/api/v1/namespaces/a/pods/x/log", "", Reason::NotFound),
            (PODS, "labelSelector=a%3D%3D%3D(", Reason::BadRequest),
            (PODS, "fieldSelector=spec.image%3Dx", Reason::BadRequest),
            (PODS, "timeoutSeconds=soon", Reason::BadRequest),
            (PODS, "resourceVersion=x", Reason::Invalid),
            (PODS, "sendInitialEvents=true", Reason::Invalid),
            (PODS, "resourceVersionMatch=NotOlderThan", Reason::Invalid),
            (PODS, "sendInitialEvents=true&resourceVersionMatch=Exact", Reason::Invalid),
        ] {
            assert_eq!(parse(path, query).expect_err(query).reason, reason, "{path} {query}");
        }
    }
}
