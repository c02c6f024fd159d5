//! Fields that an applier wants otherwise than those who own them, and how it is told so.

use super::entry::{Entry, Operation};
use super::set::FieldSet;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, Reason};
use std::fmt;

/// What one manager owns and the applier wants otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Conflict {
    /// The manager as messages name it: `"kubectl" using apps/v1`.
    manager: String,
    fields: FieldSet,
}

/// All that stands against an apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflicts(pub(super) Vec<Conflict>);

impl Conflict {
    pub fn of(entry: &Entry, fields: &FieldSet) -> Self {
        let mut manager = format!("{:?}", entry.manager);
        if !entry.subresource.is_empty() {
            manager.push_str(&format!(" with subresource {:?}", entry.subresource));
        }
        if entry.operation == Operation::Update {
            manager.push_str(&format!(" using {}", entry.api_version));
        }
        Self { manager, fields: fields.clone() }
    }
}

impl Conflicts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands against it beside fields that the applier may take.
    pub(super) fn without(self, own: &FieldSet) -> Self {
        let left = self.0.into_iter().map(|mut conflict| {
            conflict.fields.subtract(own);
            conflict
        });
        Self(left.filter(|conflict| !conflict.fields.is_empty()).collect())
    }

    /// Every manager with every path, by manager.
    fn told(&self) -> Vec<(&str, Vec<String>)> {
        let mut all: Vec<(&str, Vec<String>)> =
            self.0.iter().map(|conflict| (conflict.manager.as_str(), conflict.fields.paths())).collect();
        all.sort();
        all
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told();
        let count: usize = told.iter().map(|(_, paths)| paths.len()).sum();
        if let ([(manager, paths)], 1) = (told.as_slice(), count) {
            return write!(f, "Apply failed with 1 conflict: conflict with {manager}: {}", paths.concat());
        }
        let lines: Vec<String> = told
            .iter()
            .map(|(manager, paths)| format!("conflicts with {manager}:\n- {}", paths.join("\n- ")))
            .collect();
        write!(f, "Apply failed with {count} conflicts: {}", lines.join("\n"))
    }
}

impl From<Conflicts> for ApiError {
    fn from(conflicts: Conflicts) -> Self {
        let causes = conflicts.told().into_iter().flat_map(|(manager, paths)| {
            paths.into_iter().map(move |field| Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: format!("conflict with {manager}"),
                field,
            })
        });
        Self { causes: causes.collect(), ..Self::new(Reason::Conflict, conflicts.to_string()) }
    }
}
