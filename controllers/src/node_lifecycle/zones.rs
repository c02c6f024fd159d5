//! Failures of many nodes at once: more likely the network or this controller than the nodes, so evictions slow down or
//! stop. <https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction>

use crate::settings::Settings;
use k8s_openapi::api::core::v1::Node;
use std::collections::BTreeMap;

/// Fewest bad nodes that can make a zone partially disrupted, less one.
const FEW: usize = 2;

/// How a zone does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneState {
    /// Most nodes are well.
    Normal,
    /// Most are bad.
    PartialDisruption,
    /// All are bad.
    FullDisruption,
}

/// How fast nodes of a zone are given up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Nodes a second.
    Rate(f64),
    /// Not at all until the zone is better.
    Halt,
    /// Every zone is bad: nobody is given up, and those that were are taken back.
    Amnesty,
}

/// Zone of a node: its region and zone labels.
pub fn zone_of(node: &Node) -> String {
    let label = |key: &str| node.metadata.labels.as_ref().and_then(|l| l.get(key)).cloned().unwrap_or_default();
    format!("{}/{}", label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"))
}

/// State of a zone with so many good and bad nodes.
pub fn state(good: usize, bad: usize, settings: &Settings) -> ZoneState {
    if good == 0 && bad > 0 {
        ZoneState::FullDisruption
    } else if bad > FEW && bad as f64 / (good + bad) as f64 >= settings.unhealthy_zone_threshold {
        ZoneState::PartialDisruption
    } else {
        ZoneState::Normal
    }
}

/// Pace in `zone`, from all nodes' zones and whether each is good.
pub fn pace<'a>(zone: &str, nodes: impl Iterator<Item = (&'a str, bool)>, settings: &Settings) -> Pace {
    let mut zones: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (zone, is_good) in nodes {
        let counts = zones.entry(zone).or_default();
        *(if is_good { &mut counts.0 } else { &mut counts.1 }) += 1;
    }
    if zones.values().all(|(good, bad)| state(*good, *bad, settings) == ZoneState::FullDisruption) {
        return Pace::Amnesty;
    }
    let (good, bad) = zones.get(zone).copied().unwrap_or_default();
    match state(good, bad, settings) {
        ZoneState::Normal | ZoneState::FullDisruption => Pace::Rate(settings.eviction_rate),
        ZoneState::PartialDisruption if good + bad > settings.large_zone_threshold => {
            Pace::Rate(settings.secondary_eviction_rate)
        }
        ZoneState::PartialDisruption => Pace::Halt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bad_nodes_slow_evictions_down() {
        let settings = Settings::default();
        let (normal, slow) = (Pace::Rate(0.1), Pace::Rate(0.01));
        for (zones, expected, what) in [
            (vec![("a", 2, 1)], normal, "one of three"),
            (vec![("a", 1, 2)], normal, "two bad nodes are few"),
            (vec![("a", 2, 3)], Pace::Halt, "60% of a small zone"),
            (vec![("a", 5, 4)], normal, "44%"),
            (vec![("a", 20, 40)], slow, "67% of a large zone"),
            (vec![("a", 0, 1)], Pace::Amnesty, "the only node"),
            (vec![("a", 0, 3), ("b", 0, 2)], Pace::Amnesty, "everything"),
            (vec![("a", 0, 3), ("b", 2, 0)], normal, "one whole zone"),
        ] {
            let nodes: Vec<(&str, bool)> = zones
                .iter()
                .flat_map(|(z, good, bad)| {
                    std::iter::repeat_n((*z, true), *good).chain(std::iter::repeat_n((*z, false), *bad))
                })
                .collect();
            assert_eq!(pace("a", nodes.into_iter(), &settings), expected, "{what}");
        }
    }
}
