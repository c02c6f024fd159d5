//! The kinds put in order: groups by rank, versions by age, resources by name.

use kubus_proto::KindRow;
use kubus_proto::kinds::versions::SERVED_VERSIONS;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The built-in groups in the order clients look a name up in; groups of custom kinds come behind them by name.
const GROUP_ORDER: &[&str] = &[
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "extensions",
];

/// A group of kinds.
#[derive(Debug)]
pub struct Group {
    /// Its name, empty for core.
    pub name: &'static str,
    /// Its versions, the preferred one first; never empty.
    pub versions: Vec<Version>,
}

/// A version of a group.
#[derive(Debug)]
pub struct Version {
    /// Its name.
    pub name: &'static str,
    /// Its kinds by plural.
    pub kinds: Vec<&'static KindRow>,
}

/// The kinds of each version, the newest first.
type Versions = BTreeMap<Reverse<Rank>, Vec<&'static KindRow>>;

/// Puts kinds in the order in which they are served.
pub fn served(kinds: impl Iterator<Item = &'static KindRow>) -> Vec<Group> {
    let rank = |group: &str| GROUP_ORDER.iter().position(|known| *known == group).unwrap_or(GROUP_ORDER.len());
    let mut groups: BTreeMap<(usize, &'static str), Versions> = BTreeMap::new();
    for row in kinds {
        let versions = groups.entry((rank(row.group), row.group)).or_default();
        for version in row.versions() {
            versions.entry(Reverse(Rank::of(version))).or_default().push(row);
        }
    }
    for served in SERVED_VERSIONS {
        let versions = groups.entry((rank(served.group), served.group)).or_default();
        versions.entry(Reverse(Rank::of(served.version))).or_default().push(served.row);
    }
    let version = |(Reverse(rank), mut kinds): (Reverse<Rank>, Vec<&'static KindRow>)| {
        kinds.sort_by_key(|row| row.plural);
        Version { name: rank.name.0, kinds }
    };
    let group = |((_, name), versions): ((usize, &'static str), Versions)| Group {
        name,
        versions: versions.into_iter().map(version).collect(),
    };
    groups.into_iter().map(group).collect()
}

/// How new and how ready a version is: `v2` before `v1` before `v2beta1` before `v1alpha3` before any other name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    stability: u8,
    major: u32,
    minor: u32,
    name: Reverse<&'static str>,
}

impl Rank {
    fn of(name: &'static str) -> Self {
        let (stability, major, minor) = Self::parse(name).unwrap_or_default();
        Self { stability, major, minor, name: Reverse(name) }
    }

    fn parse(name: &str) -> Option<(u8, u32, u32)> {
        let rest = name.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest[..digits].parse().ok()?;
        let tail = &rest[digits..];
        if tail.is_empty() {
            return Some((3, major, 0));
        }
        let (stability, minor) = match tail.strip_prefix("beta") {
            Some(minor) => (2, minor),
            None => (1, tail.strip_prefix("alpha")?),
        };
        Some((stability, major, minor.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_readier_versions_come_first() {
        let mut names =
            ["foo1", "v1alpha1", "v1", "v10beta3", "v11", "v2beta10", "v2beta2", "v2", "foo10", "v12alpha1"];
        names.sort_by_key(|name| Reverse(Rank::of(name)));
        let expected = ["v11", "v2", "v1", "v10beta3", "v2beta10", "v2beta2", "v12alpha1", "v1alpha1", "foo1", "foo10"];
        assert_eq!(names, expected);
    }
}
