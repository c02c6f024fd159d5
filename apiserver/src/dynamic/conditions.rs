//! Conditions of webhooks and policies (`matchConditions`): expressions that must all hold.

use super::matching::Version;
use super::{Objects, Write, request};
use crate::cel::{Budget, Expression, Kind, Scope, dynamic};
use serde_json::Value;

/// Variables that conditions may look at.
pub const VARIABLES: [(&str, Kind<'static>); 4] =
    [("object", Kind::Dyn), ("oldObject", Kind::Dyn), ("request", Kind::Dyn), ("authorizer", Kind::Dyn)];

/// Expressions with their names; one that cannot be read fails whenever it is asked.
#[derive(Debug, Default)]
pub struct Conditions(Vec<(String, Result<Expression, String>)>);

impl Conditions {
    /// Reads `matchConditions`, over `variables`.
    pub fn read(list: &Value, variables: &[(&str, Kind<'_>)]) -> Self {
        let read = |condition: &Value| {
            let source = condition["expression"].as_str().unwrap_or_default();
            let name = condition["name"].as_str().unwrap_or_default().to_owned();
            (name, Expression::compile(source, variables, &[Kind::Bool]).map_err(|error| error.to_string()))
        };
        Self(list.as_array().into_iter().flatten().map(read).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all hold. One that does not hold decides, even where others fail.
    pub fn hold(&self, scope: &Scope<'_>, budget: &mut Budget) -> Result<bool, String> {
        let mut failures = Vec::new();
        for (name, expression) in &self.0 {
            let outcome = match expression {
                Ok(expression) => expression.holds(scope, budget).map_err(|error| error.to_string()),
                Err(error) => Err(error.clone()),
            };
            match outcome {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => failures.push(format!("expression {name:?} resulted in error: {error}")),
            }
        }
        if failures.is_empty() { Ok(true) } else { Err(failures.join(", ")) }
    }

    /// The same over a request and its objects.
    pub fn hold_for(&self, write: &Write<'_>, version: &Version<'_>, objects: Objects<'_>) -> Result<bool, String> {
        if self.is_empty() {
            return Ok(true);
        }
        let (new, old) = (version.show(objects.new), version.show(objects.old));
        let described = request::describe(write, version);
        let mut scope = Scope::default();
        scope.set("object", dynamic(&new));
        scope.set("oldObject", dynamic(&old));
        scope.set("request", dynamic(&described));
        self.hold(&scope, &mut Budget::default())
    }
}
