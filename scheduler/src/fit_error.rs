//! Why a pod fits nowhere, in kube-scheduler's words.

use crate::plugins::PluginSet;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A pod fits on no node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitError {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many nodes gave each reason; a node may give several.
    pub reasons: BTreeMap<Cow<'static, str>, usize>,
    /// Who refused.
    pub plugins: PluginSet,
    /// What preemption could do.
    pub preemption: Preemption,
}

/// What evicting pods of lower priority could do for a pod that fits nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preemption {
    /// The pod must not have others evicted for it.
    pub refused: bool,
    /// Nodes where it would change nothing.
    pub not_helpful: usize,
    /// Nodes with no pod of lower priority.
    pub no_victims: usize,
    /// Nodes where it might help.
    pub candidates: usize,
}

impl Preemption {
    /// What kube-scheduler's PostFilter adds to the message. Nothing, where there are candidates: nobody was preempted,
    /// so it would be wrong to say that there was nobody.
    fn message(&self, nodes: usize) -> Option<String> {
        if self.refused {
            return Some("preemption: not eligible due to preemptionPolicy=Never.".to_owned());
        }
        if self.candidates > 0 {
            return None;
        }
        let reasons = [
            (self.not_helpful, "Preemption is not helpful for scheduling"),
            (self.no_victims, "No preemption victims found for incoming pod"),
        ];
        let counted = reasons.into_iter().filter(|(count, _)| *count > 0);
        Some(format!("preemption: {}", available(nodes, counted)))
    }
}

/// `0/3 nodes are available: 1 this, 2 that.`, sorted as text, counts and all.
fn available<R: std::fmt::Display>(nodes: usize, reasons: impl Iterator<Item = (usize, R)>) -> String {
    let mut texts: Vec<String> = reasons.map(|(count, reason)| format!("{count} {reason}")).collect();
    texts.sort();
    let mut message = format!("0/{nodes} nodes are available:");
    if !texts.is_empty() {
        message.push_str(&format!(" {}.", texts.join(", ")));
    }
    message
}

impl std::fmt::Display for FitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        f.write_str(&available(self.nodes, self.reasons.iter().map(|(reason, count)| (*count, reason))))?;
        match self.preemption.message(self.nodes) {
            Some(message) => write!(f, " {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FitError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(reasons: &[(&'static str, usize)], preemption: Preemption) -> FitError {
        FitError {
            nodes: 3,
            reasons: reasons.iter().map(|(reason, count)| (Cow::Borrowed(*reason), *count)).collect(),
            plugins: PluginSet::default(),
            preemption,
        }
    }

    #[test]
    fn reads_like_kube_scheduler() {
        for (error, expected) in [
            (FitError::default(), "no nodes available to schedule pods"),
            (
                error(
                    &[("Insufficient cpu", 2), ("node(s) were unschedulable", 1)],
                    Preemption { not_helpful: 1, no_victims: 2, ..Preemption::default() },
                ),
                "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. preemption: 0/3 nodes are \
                 available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.",
            ),
            (
                error(
                    &[("Insufficient cpu", 3), ("Insufficient memory", 3)],
                    Preemption { candidates: 1, no_victims: 2, ..Preemption::default() },
                ),
                "0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory.",
            ),
            (
                error(&[("Too many pods", 3)], Preemption { refused: true, ..Preemption::default() }),
                "0/3 nodes are available: 3 Too many pods. preemption: not eligible due to preemptionPolicy=Never.",
            ),
            (
                error(
                    &[("node(s) had untolerated taint {a: b}", 3)],
                    Preemption { not_helpful: 3, ..Preemption::default() },
                ),
                "0/3 nodes are available: 3 node(s) had untolerated taint {a: b}. preemption: 0/3 nodes are available: \
                 3 Preemption is not helpful for scheduling.",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
