//! The values of fields that know only some: the Kubernetes types hold them as text.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Columns: type, field, values.
static TABLE: &str = include_str!("enums.tsv");

static VALUES: LazyLock<BTreeMap<(&'static str, &'static str), Vec<&'static str>>> = LazyLock::new(|| {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let key = (columns.next()?, columns.next()?);
        // An empty value is written as "".
        Some((key, columns.next()?.split(',').map(|value| value.trim_matches('"')).collect()))
    };
    rows.filter_map(row).collect()
});

/// The values that `field` of a type (`core.v1.PodSpec`) may have; None where it may have any.
pub fn values<'a>(type_name: &'a str, field: &'a str) -> Option<&'a [&'a str]> {
    VALUES.get(&(type_name, field)).map(Vec::as_slice)
}

/// Every field with such values, for tests.
#[cfg(test)]
pub fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    VALUES.keys().copied()
}
