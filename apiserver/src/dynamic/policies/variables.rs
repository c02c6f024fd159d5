//! Variables of a policy: named expressions, evaluated when another expression first looks at them.

use super::compiled::Compiled;
use crate::cel::{Budget, Expression, Scope};
use std::collections::HashMap;

/// How variables are called in expressions.
const HOLDER: &str = "variables";

/// The variables of one evaluation.
pub(super) struct Variables<'p> {
    all: &'p [(String, Compiled)],
    /// Those that were evaluated; the values of good ones are in the scope.
    known: HashMap<&'p str, Result<(), String>>,
}

impl<'p> Variables<'p> {
    pub(super) fn new(all: &'p [(String, Compiled)]) -> Self {
        Self { all, known: HashMap::new() }
    }

    /// Whether a rule holds.
    pub(super) fn holds(
        &mut self,
        expression: &Compiled,
        scope: &mut Scope<'_>,
        budget: &mut Budget,
    ) -> Result<bool, String> {
        let expression = expression.as_ref().map_err(Clone::clone)?;
        self.prepare(expression, self.all.len(), scope, budget)?;
        expression.holds(scope, budget).map_err(|error| error.to_string())
    }

    /// The text of an expression; none where it gives null.
    pub(super) fn text(
        &mut self,
        expression: &Compiled,
        scope: &mut Scope<'_>,
        budget: &mut Budget,
    ) -> Result<Option<String>, String> {
        let expression = expression.as_ref().map_err(Clone::clone)?;
        self.prepare(expression, self.all.len(), scope, budget)?;
        expression.text(scope, budget).map_err(|error| error.to_string())
    }

    /// Evaluates what an expression looks at: of the variables before `before`, since none sees those that follow it.
    fn prepare(
        &mut self,
        expression: &Expression,
        before: usize,
        scope: &mut Scope<'_>,
        budget: &mut Budget,
    ) -> Result<(), String> {
        for name in expression.selected_of(HOLDER) {
            let Some(at) = self.all[..before].iter().position(|(known, _)| *known == name) else { continue };
            let (known_name, compiled) = &self.all[at];
            if !self.known.contains_key(known_name.as_str()) {
                let outcome = self.evaluate(compiled, at, known_name, scope, budget);
                self.known.insert(known_name, outcome);
            }
            if let Some(Err(why)) = self.known.get(known_name.as_str()) {
                return Err(format!("composited variable {name:?} fails to evaluate: {why}"));
            }
        }
        Ok(())
    }

    fn evaluate(
        &mut self,
        compiled: &Compiled,
        at: usize,
        name: &str,
        scope: &mut Scope<'_>,
        budget: &mut Budget,
    ) -> Result<(), String> {
        let expression = compiled.as_ref().map_err(Clone::clone)?;
        self.prepare(expression, at, scope, budget)?;
        let value = expression.evaluate(scope, budget).map_err(|error| error.to_string())?;
        scope.set_result(&format!("{HOLDER}.{name}"), value).map_err(|error| error.to_string())
    }
}
