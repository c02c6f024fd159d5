//! The query parameters and option objects of requests, read once and checked.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-parameters/common-parameters/>

use crate::behaviour::{FieldValidation, causes};
use kubus_proto::path::{ResourcePath, query_pairs};
use kubus_proto::selector::{FieldSelector, Selector};
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, KindRow, Reason};
use serde_json::Value;

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub fn parse(query: &str) -> Self {
        Self(query_pairs(query))
    }

    /// The same with the field selector in the words of the version that is stored.
    pub fn in_stored_words(mut self, path: &ResourcePath) -> Self {
        if path.served.is_some() {
            for (_, text) in self.0.iter_mut().filter(|(key, _)| key == "fieldSelector") {
                // One that cannot be read is refused where it is used.
                if let Ok(selector) = FieldSelector::parse(text) {
                    *text = path.stored_fields(selector).to_string();
                }
            }
        }
        self
    }

    /// A parameter's value, empty where it is not given; the first one counts.
    pub fn text(&self, key: &str) -> &str {
        self.0.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str())
    }

    /// Every value of a parameter that may be repeated.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Whether a flag is set: given as anything but `false` or `0`, as Kubernetes reads it.
    pub fn flag(&self, key: &str) -> bool {
        self.0.iter().find(|(k, _)| k == key).is_some_and(|(_, v)| !matches!(v.as_str(), "false" | "0"))
    }

    /// A whole number; 400 for something else.
    pub fn number(&self, key: &str) -> Result<Option<i64>, ApiError> {
        match self.text(key) {
            "" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| bad(format!("{key}: Invalid value: {text:?}: must be a number")))
            }
        }
    }

    /// Whether the request is only tried out. `options` is the kind of the options, for the error's text.
    pub fn dry_run(&self, options: &str) -> Result<bool, ApiError> {
        dry_run(self.all("dryRun"), options)
    }

    /// What to do about unknown fields; `Warn` where nothing is said.
    pub fn field_validation(&self) -> Result<FieldValidation, ApiError> {
        match self.text("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Strict" => Ok(FieldValidation::Strict),
            "Ignore" => Ok(FieldValidation::Ignore),
            other => {
                let cause = causes::not_supported("fieldValidation", other, &["Ignore", "Strict", "Warn"]);
                Err(wrong_options("CreateOptions", vec![cause]))
            }
        }
    }
}

fn dry_run<'a>(values: impl Iterator<Item = &'a str>, options: &str) -> Result<bool, ApiError> {
    let mut dry = false;
    for value in values {
        if value != "All" {
            return Err(wrong_options(options, vec![causes::not_supported("dryRun", value, &["All"])]));
        }
        dry = true;
    }
    Ok(dry)
}

fn bad(message: String) -> ApiError {
    ApiError::new(Reason::BadRequest, message)
}

fn wrong_options(kind: &str, causes: Vec<Cause>) -> ApiError {
    ApiError::invalid("meta.k8s.io", kind, "", causes)
}

/// How new a read must be. <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The newest state.
    Newest,
    /// Whatever this replica has.
    Any,
    /// This revision or a later one.
    NotOlderThan(u64),
    /// Exactly this revision.
    Exact(u64),
}

impl Freshness {
    /// What a get asks for.
    pub fn of_get(query: &Query) -> Result<Self, ApiError> {
        Ok(match revision(query)? {
            None => Freshness::Newest,
            Some(0) => Freshness::Any,
            Some(revision) => Freshness::NotOlderThan(revision),
        })
    }
}

fn revision(query: &Query) -> Result<Option<u64>, ApiError> {
    match query.text("resourceVersion") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| bad(format!("invalid resource version: {text:?}"))),
    }
}

/// What a list, watch or deletecollection asks for.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// Selects by labels.
    pub labels: Selector,
    /// Selects by fields, all of which the kind has.
    pub fields: FieldSelector,
    /// Most items of a page, 0 for no limit.
    pub limit: usize,
    /// Where the page begins, empty for the first one.
    pub continue_token: String,
    /// How new the list must be.
    pub freshness: Freshness,
}

impl ListOptions {
    /// Reads and checks the options of a list over `row`'s kind.
    pub fn parse(row: &KindRow, query: &Query) -> Result<Self, ApiError> {
        let labels = Selector::parse(query.text("labelSelector")).map_err(|e| bad(e.to_string()))?;
        let fields = FieldSelector::parse(query.text("fieldSelector")).map_err(|e| bad(e.to_string()))?;
        let known = row.selectable(&Value::Null).fields;
        if let Some(unknown) = fields.paths().find(|path| !known.contains_key(*path)) {
            return Err(bad(format!("field label not supported: {unknown}")));
        }
        let limit = query.number("limit")?.unwrap_or(0);
        let limit =
            usize::try_from(limit).map_err(|_| bad(format!("limit: Invalid value: {limit}: must not be negative")))?;
        let continue_token = query.text("continue").to_owned();
        let watch = query.flag("watch");
        let freshness = freshness_of_list(query, limit, &continue_token, watch)?;
        Ok(Self { labels, fields, limit, continue_token, freshness })
    }
}

fn freshness_of_list(query: &Query, limit: usize, token: &str, watch: bool) -> Result<Freshness, ApiError> {
    let revision = revision(query)?;
    let refuse = |text: &str| Err(wrong_options("ListOptions", vec![causes::forbidden("resourceVersionMatch", text)]));
    let wanted = query.text("resourceVersionMatch");
    if watch {
        return Ok(revision.map_or(Freshness::Any, Freshness::NotOlderThan));
    }
    if !wanted.is_empty() {
        if !token.is_empty() {
            return refuse("resourceVersionMatch is forbidden when continue is provided");
        }
        if revision.is_none() {
            return refuse("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
    }
    Ok(match (wanted, revision) {
        ("Exact", Some(0)) => {
            return refuse("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"");
        }
        ("Exact", Some(revision)) => Freshness::Exact(revision),
        ("" | "NotOlderThan", Some(0)) => Freshness::Any,
        // Without a word about matching, pages are of exactly the revision that is named.
        ("", Some(revision)) if limit > 0 => Freshness::Exact(revision),
        ("" | "NotOlderThan", Some(revision)) => Freshness::NotOlderThan(revision),
        ("", None) => Freshness::Newest,
        (other, _) => {
            let cause = causes::not_supported("resourceVersionMatch", other, &["Exact", "NotOlderThan", ""]);
            return Err(wrong_options("ListOptions", vec![cause]));
        }
    })
}

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The garbage collector deletes them afterwards.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// What a delete asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// How long a pod may take to end, in seconds; the pod's own time where nothing is said.
    pub grace_seconds: Option<i64>,
    /// What becomes of dependents; the kind's own way where nothing is said.
    pub propagation: Option<Propagation>,
    /// Only the object with this uid.
    pub uid: Option<String>,
    /// Only at this resourceVersion.
    pub resource_version: Option<String>,
    /// Only tried out.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options from a DeleteOptions body (null for none) and the query; the body wins.
    pub fn parse(query: &Query, body: &Value) -> Result<Self, ApiError> {
        let kind = body["kind"].as_str().unwrap_or("DeleteOptions");
        if kind != "DeleteOptions" {
            return Err(bad(format!("{kind} cannot be handled as DeleteOptions")));
        }
        let text = |key: &str| match body[key].as_str() {
            Some(text) => text.to_owned(),
            None => query.text(key).to_owned(),
        };
        let grace = match body["gracePeriodSeconds"].as_i64() {
            Some(seconds) => Some(seconds),
            None => query.number("gracePeriodSeconds")?,
        };
        let orphan = match (body["orphanDependents"].as_bool(), query.text("orphanDependents")) {
            (Some(orphan), _) => Some(orphan),
            (None, "") => None,
            (None, _) => Some(query.flag("orphanDependents")),
        };
        let policy = text("propagationPolicy");
        let propagation = match (policy.as_str(), orphan) {
            ("", None) => None,
            ("", Some(true)) => Some(Propagation::Orphan),
            ("", Some(false)) | ("Background", None) => Some(Propagation::Background),
            ("Foreground", None) => Some(Propagation::Foreground),
            ("Orphan", None) => Some(Propagation::Orphan),
            (policy, None) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                return Err(wrong_options(
                    "DeleteOptions",
                    vec![causes::not_supported("propagationPolicy", policy, &known)],
                ));
            }
            (policy, Some(_)) => {
                let text = "orphanDependents and deletionPropagation cannot be both set";
                return Err(wrong_options("DeleteOptions", vec![causes::invalid("propagationPolicy", policy, text)]));
            }
        };
        let body_dry = body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let condition = |key: &str| body["preconditions"][key].as_str().filter(|v| !v.is_empty()).map(str::to_owned);
        Ok(Self {
            // As documented, a negative time means a second.
            grace_seconds: grace.map(|seconds| if seconds < 0 { 1 } else { seconds }),
            propagation,
            uid: condition("uid"),
            resource_version: condition("resourceVersion"),
            dry_run: dry_run(body_dry.chain(query.all("dryRun")), "DeleteOptions")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds;
    use serde_json::json;

    fn list(query: &str) -> Result<ListOptions, ApiError> {
        ListOptions::parse(&kinds::pod::ROW, &Query::parse(query))
    }

    #[test]
    fn freshness_follows_the_documented_table() {
        for (query, expected) in [
            ("", Freshness::Newest),
            ("limit=5", Freshness::Newest),
            ("resourceVersion=0", Freshness::Any),
            ("resourceVersion=0&limit=5", Freshness::Any),
            ("resourceVersion=7", Freshness::NotOlderThan(7)),
            ("resourceVersion=7&limit=5", Freshness::Exact(7)),
            ("resourceVersion=7&limit=5&resourceVersionMatch=NotOlderThan", Freshness::NotOlderThan(7)),
            ("resourceVersion=7&resourceVersionMatch=Exact", Freshness::Exact(7)),
            ("resourceVersion=0&resourceVersionMatch=NotOlderThan", Freshness::Any),
            ("watch=true&resourceVersion=7", Freshness::NotOlderThan(7)),
        ] {
            assert_eq!(list(query).expect(query).freshness, expected, "{query}");
        }
    }

    #[test]
    fn wrong_options_are_refused_like_kubernetes_refuses_them() {
        for (query, code, message) in [
            ("fieldSelector=spec.colour%3Dred", 400, "field label not supported: spec.colour"),
            ("resourceVersion=x", 400, "invalid resource version: \"x\""),
            ("limit=many", 400, "limit: Invalid value: \"many\": must be a number"),
            (
                "resourceVersionMatch=Exact",
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is \
                 forbidden unless resourceVersion is provided",
            ),
            (
                "resourceVersionMatch=Exact&resourceVersion=0",
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \
                 \"Exact\" is forbidden for resourceVersion \"0\"",
            ),
        ] {
            let error = list(query).expect_err(query);
            assert_eq!((error.reason.code(), error.message.as_str()), (code, message), "{query}");
        }
        assert!(list("labelSelector=a%20b").is_err());
    }

    #[test]
    fn delete_options_come_from_body_or_query() {
        let parse = |query: &str, body: Value| DeleteOptions::parse(&Query::parse(query), &body);
        let plain = DeleteOptions::default();
        for (query, body, expected) in [
            ("", Value::Null, plain.clone()),
            ("gracePeriodSeconds=5", Value::Null, DeleteOptions { grace_seconds: Some(5), ..plain.clone() }),
            (
                "gracePeriodSeconds=5",
                json!({"gracePeriodSeconds": 0}),
                DeleteOptions { grace_seconds: Some(0), ..plain.clone() },
            ),
            ("", json!({"gracePeriodSeconds": -4}), DeleteOptions { grace_seconds: Some(1), ..plain.clone() }),
            (
                "propagationPolicy=Foreground",
                Value::Null,
                DeleteOptions { propagation: Some(Propagation::Foreground), ..plain.clone() },
            ),
            (
                "",
                json!({"orphanDependents": true}),
                DeleteOptions { propagation: Some(Propagation::Orphan), ..plain.clone() },
            ),
            ("", json!({"preconditions": {"uid": "u"}}), DeleteOptions { uid: Some("u".into()), ..plain.clone() }),
            ("dryRun=All", Value::Null, DeleteOptions { dry_run: true, ..plain.clone() }),
        ] {
            assert_eq!(parse(query, body.clone()).expect(query), expected, "{query} {body}");
        }
        for (query, body) in [
            ("propagationPolicy=Sideways", Value::Null),
            ("propagationPolicy=Orphan&orphanDependents=true", Value::Null),
            ("dryRun=Some", Value::Null),
            ("", json!({"kind": "Pod"})),
        ] {
            assert!(parse(query, body.clone()).is_err(), "{query} {body}");
        }
    }
}
