//! The columns of every kind are those that a Kubernetes 1.36 apiserver has.

use kubus_proto::kinds::{self, versions};
use std::collections::BTreeMap;

type Columns<'a> = Vec<(&'a str, &'a str, &'a str, i32)>;

#[test]
fn tables_have_kubernetes_columns() {
    let mut wanted: BTreeMap<(&str, &str, &str), Columns> = BTreeMap::new();
    for line in include_str!("data/columns.tsv").lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [group, version, plural, name, kind, format, priority] = cells.as_slice() else { panic!("{line}") };
        let columns = wanted.entry((group, version, plural)).or_default();
        columns.push((name, kind, format, priority.parse().expect("a number")));
    }
    let (mut differences, mut missing) = (Vec::new(), Vec::new());
    for ((group, version, plural), columns) in wanted {
        // The core group has no name; the facts call it so.
        let group = if group == "core" { "" } else { group };
        let stored = kinds::by_plural(group, plural).filter(|row| row.version == version);
        let Some(row) = stored.or_else(|| versions::by_plural(group, version, plural).map(|served| served.row)) else {
            missing.push(format!("{group}/{version} {plural}"));
            continue;
        };
        let own: Columns = row.columns.iter().map(|c| (c.name, c.kind, c.format, c.priority)).collect();
        if own != columns {
            differences.push(format!("{group}/{version} {plural}\n  expected {columns:?}\n  got      {own:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    // Definitions of custom kinds are checked by those who serve them.
    missing.retain(|kind| !kind.ends_with(" customresourcedefinitions"));
    assert!(missing.is_empty(), "no such kinds: {missing:?}");
}
