//! A policy, read once for each revision.

use crate::cel::{Expression, Kind};
use crate::dynamic::conditions::Conditions;
use crate::dynamic::matching::Matcher;
use crate::state::{Key, State};
use kubus_proto::Reason;
use kubus_proto::kinds::validating_admission_policy::ROW;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Most policies kept at a time; beyond that all are read anew.
const KEPT_LIMIT: usize = 1_024;
/// Variables that expressions may look at beside the policy's own.
const VARIABLES: [&str; 6] = ["object", "oldObject", "request", "params", "namespaceObject", "authorizer"];

/// An expression, or why there is none.
pub(super) type Compiled = Result<Expression, String>;

/// One rule.
#[derive(Debug)]
pub(super) struct Validation {
    /// As it is written.
    pub(super) source: String,
    /// As it is asked.
    pub(super) expression: Compiled,
    /// What is said when it does not hold, if anything.
    pub(super) message: String,
    /// An expression that says it.
    pub(super) message_expression: Option<Compiled>,
    /// The reason of the refusal.
    pub(super) reason: Reason,
}

/// One policy.
#[derive(Debug)]
pub(super) struct Policy {
    /// Its name.
    pub(super) name: String,
    /// Which requests it is about.
    pub(super) matcher: Matcher,
    /// Which of those.
    pub(super) conditions: Conditions,
    /// Whether what cannot be asked is overlooked.
    pub(super) fails_open: bool,
    /// Kind of its parameters: apiVersion and kind.
    pub(super) param_kind: Option<(String, String)>,
    /// Named expressions, in their order.
    pub(super) variables: Vec<(String, Compiled)>,
    /// Rules.
    pub(super) validations: Vec<Validation>,
    /// Notes for the audit log.
    pub(super) annotations: Vec<(String, Compiled)>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Policy {
    fn read(name: &str, policy: &Value) -> Self {
        let spec = &policy["spec"];
        let mut known: Vec<(String, Kind<'static>)> =
            VARIABLES.iter().map(|name| ((*name).to_owned(), Kind::Dyn)).collect();
        let compile = |source: &Value, known: &[(String, Kind<'static>)], wanted: &[Kind<'static>]| {
            let known: Vec<(&str, Kind<'_>)> = known.iter().map(|(name, kind)| (name.as_str(), kind.clone())).collect();
            let source = source.as_str().unwrap_or_default();
            Expression::compile(source, &known, wanted).map_err(|error| error.to_string())
        };
        let mut variables = Vec::new();
        for variable in spec["variables"].as_array().into_iter().flatten() {
            let name = text(&variable["name"]);
            variables.push((name.clone(), compile(&variable["expression"], &known, &[])));
            known.push((format!("variables.{name}"), Kind::Dyn));
        }
        let validation = |validation: &Value| Validation {
            source: text(&validation["expression"]),
            expression: compile(&validation["expression"], &known, &[Kind::Bool]),
            message: text(&validation["message"]),
            message_expression: validation["messageExpression"]
                .is_string()
                .then(|| compile(&validation["messageExpression"], &known, &[Kind::Text])),
            reason: match validation["reason"].as_str() {
                Some("Forbidden") => Reason::Forbidden,
                Some("Unauthorized") => Reason::Unauthorized,
                Some("RequestEntityTooLarge") => Reason::RequestEntityTooLarge,
                _ => Reason::Invalid,
            },
        };
        let annotation = |annotation: &Value| {
            let expression = compile(&annotation["valueExpression"], &known, &[Kind::Text, Kind::Null]);
            (text(&annotation["key"]), expression)
        };
        let conditions: Vec<(&str, Kind<'_>)> = VARIABLES.iter().map(|name| (*name, Kind::Dyn)).collect();
        let param_kind = &spec["paramKind"];
        Self {
            name: name.to_owned(),
            matcher: Matcher::read(&spec["matchConstraints"]),
            conditions: Conditions::read(&spec["matchConditions"], &conditions),
            fails_open: spec["failurePolicy"] == "Ignore",
            param_kind: param_kind.is_object().then(|| (text(&param_kind["apiVersion"]), text(&param_kind["kind"]))),
            validations: spec["validations"].as_array().into_iter().flatten().map(validation).collect(),
            annotations: spec["auditAnnotations"].as_array().into_iter().flatten().map(annotation).collect(),
            variables,
        }
    }
}

/// Read policies by uid and revision.
type Kept = HashMap<(String, u64), Arc<Policy>>;

static KEPT: LazyLock<RwLock<Kept>> = LazyLock::new(RwLock::default);

/// The policy of that name.
pub(super) fn policy(name: &str, state: &State) -> Option<Arc<Policy>> {
    let object = state.get(&Key::new(ROW.resource_key(), "", name))?;
    let identity = (object.uid.clone(), object.revision);
    if let Some(known) = KEPT.read().unwrap_or_else(PoisonError::into_inner).get(&identity) {
        return Some(known.clone());
    }
    let policy = Arc::new(Policy::read(name, &object.decode().ok()?));
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_LIMIT {
        kept.clear();
    }
    kept.retain(|(uid, revision), _| *uid != identity.0 || *revision > identity.1);
    kept.insert(identity, policy.clone());
    Some(policy)
}
