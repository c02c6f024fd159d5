//! Checks of the tree that no compiler makes: paths in the documents exist, modules say what they own, files stay small.

use super::build::root;
use anyhow::bail;
use std::path::{Path, PathBuf};

/// Documents whose paths must exist.
const DOCUMENTS: [&str; 2] = ["README.md", "docs/ARCHITECTURE.md"];
/// Lines up to which a source file is easy to read; a few may be longer.
const LONG_FILE_LINES: usize = 450;
/// How many source files may be longer than that.
const LONG_FILES: usize = 12;
/// Folders whose files are sources of the project.
const CRATES: [&str; 11] = [
    "proto",
    "client",
    "apiserver",
    "scheduler",
    "controllers",
    "nodeagent",
    "gateway",
    "cli",
    "tests",
    "bench",
    "xtask",
];

/// Fails with every finding.
pub fn check() -> anyhow::Result<()> {
    let mut findings = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap_or_default();
        if text.is_empty() {
            findings.push(format!("{document} is missing"));
        }
        findings.extend(
            missing_paths(&text, &root())
                .into_iter()
                .map(|path| format!("{document} names {path}, which is not there")),
        );
    }
    let mut long = Vec::new();
    for file in CRATES.iter().flat_map(|name| sources(&root().join(name).join("src"))) {
        let text = std::fs::read_to_string(&file)?;
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        if !text.starts_with("//! ") {
            findings.push(format!("{name}: the first line must say what the module owns (//! …)"));
        }
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if lines > LONG_FILE_LINES {
            long.push(format!("{name} ({lines})"));
        }
    }
    if long.len() > LONG_FILES {
        findings.push(format!("{} files are longer than {LONG_FILE_LINES} lines: {}", long.len(), long.join(", ")));
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("the tree is not tidy:\n{}", findings.join("\n"));
}

/// Words in backquotes that look like paths of the project and are not there.
fn missing_paths(text: &str, root: &Path) -> Vec<String> {
    let words = text.split('`').skip(1).step_by(2);
    let paths = words.filter(|word| {
        CRATES.iter().chain(&["deploy", "docs", ".ci"]).any(|folder| word.starts_with(&format!("{folder}/")))
            && !word.contains([' ', '<', '*', '{'])
    });
    paths.filter(|path| !root.join(path.trim_end_matches('/')).exists()).map(str::to_owned).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        check().expect("tidy");
    }

    #[test]
    fn only_paths_that_are_not_there_are_found() {
        let text = "see `xtask/src/tidy.rs`, `cargo xtask up`, `proto/src/nope.rs` and `proto/src/<kind>.rs`";
        assert_eq!(missing_paths(text, &root()), ["proto/src/nope.rs"]);
    }
}
