//! Reads YAML and JSON the way Kubernetes' tools do: YAML 1.1 booleans and octals, several documents, no key twice.

use serde_json::Value;

/// A text is not YAML; says on which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error converting YAML to JSON: yaml: line {line}: {reason}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong, with the column where it is known.
    pub reason: String,
}

/// Every document of `text` that is not empty.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let (line, column) = error.location().map_or((1, 1), |l| (l.line(), l.column()));
        let text = error.to_string();
        // The crate says where at the end of its text, kubectl at the beginning.
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).trim_end_matches(',');
        YamlError { line, column, reason: format!("{reason} (column {column})") }
    })?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_read_as_kubectl_reads_them() {
        for (text, expected) in [
            ("a: 1\n---\nb: yes\n", vec![json!({"a": 1}), json!({"b": true})]),
            ("---\n# nothing\n---\na: b\n", vec![json!({"a": "b"})]),
            ("mode: 0644\n", vec![json!({"mode": 420})]),
            ("{\"a\": [1, null]}", vec![json!({"a": [1, null]})]),
            ("at: 2022-09-06T10:46:52Z\n", vec![json!({"at": "2022-09-06T10:46:52Z"})]),
            ("a: &x {b: 1}\nc: *x\n", vec![json!({"a": {"b": 1}, "c": {"b": 1}})]),
            ("", vec![]),
        ] {
            assert_eq!(parse_documents(text).expect(text), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_say_the_line() {
        for (text, line) in [
            ("a: 1\nb: 2\nc: d: e\n", 3),
            ("a: 1\na: 2\n", 2),
            ("a:\n  - b\n - c\n", 3),
            ("a: [1, 2\nb: 3\n", 2),
            ("a: \"open\n", 2),
            ("a:\n\tb: 1\n", 2),
        ] {
            let error = parse_documents(text).expect_err(text);
            assert!(error.line.abs_diff(line) <= 1, "{text:?}: {error}");
            assert!(!error.reason.contains('\n'), "{error}");
        }
        let error = parse_documents("a: 1\nb: 2\na: 3\n").expect_err("duplicate");
        assert!(error.to_string().contains("line 3") && error.to_string().contains('a'), "{error}");
    }
}
