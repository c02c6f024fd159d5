//! Writes YAML exactly as kubectl does: keys sorted, lists at the indent of their key, long lines folded.
//!
//! Own code and no crate: users compare `get -o yaml` with what they know, and every crate differs somewhere (quotes,
//! indents of lists, order of keys, folding).

use super::style::{self, Style};
use serde_json::{Map, Value};

/// Column after which the next blank folds the line.
const FOLD_COLUMN: usize = 80;
/// Blanks of one level.
const INDENT: usize = 2;

/// `value` as a YAML document with a line feed at its end.
pub fn to_yaml(value: &Value) -> String {
    let mut emitter = Emitter { out: String::new() };
    match value {
        Value::Object(map) if !map.is_empty() => emitter.mapping(map, 0, false),
        Value::Array(items) if !items.is_empty() => emitter.sequence(items, 0, false),
        scalar => {
            emitter.scalar(scalar, 0);
            emitter.out.push('\n');
        }
    }
    emitter.out
}

struct Emitter {
    out: String,
}

impl Emitter {
    /// Writes a map at `indent`; with `inline` its first key goes on the line that is open (after `- `).
    fn mapping(&mut self, map: &Map<String, Value>, indent: usize, inline: bool) {
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        // serde_json keeps the order of insertion where any crate of the build asks for that.
        entries.sort_by(|a, b| a.0.cmp(b.0));
        for (i, (key, value)) in entries.into_iter().enumerate() {
            if i > 0 || !inline {
                self.blanks(indent);
            }
            self.string(key, indent, true);
            self.out.push(':');
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.out.push('\n');
                    self.mapping(inner, indent + INDENT, false);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.out.push('\n');
                    self.sequence(items, indent, false);
                }
                scalar => {
                    self.out.push(' ');
                    self.scalar(scalar, indent + INDENT);
                    self.out.push('\n');
                }
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, inline: bool) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 || !inline {
                self.blanks(indent);
            }
            self.out.push_str("- ");
            match item {
                Value::Object(map) if !map.is_empty() => self.mapping(map, indent + INDENT, true),
                Value::Array(inner) if !inner.is_empty() => self.sequence(inner, indent + INDENT, true),
                scalar => {
                    self.scalar(scalar, indent + INDENT);
                    self.out.push('\n');
                }
            }
        }
    }

    /// Writes what fits behind a key; `indent` is that of continuing lines.
    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Value::Number(number) => self.out.push_str(&number.to_string()),
            Value::String(text) => self.string(text, indent, false),
            Value::Array(_) => self.out.push_str("[]"),
            Value::Object(_) => self.out.push_str("{}"),
        }
    }

    fn string(&mut self, text: &str, indent: usize, is_key: bool) {
        match style::of(text, is_key) {
            Style::Plain => self.folded(text, indent, is_key, |c, out| out.push(c)),
            Style::Single => {
                self.out.push('\'');
                self.folded(text, indent, is_key, |c, out| {
                    out.extend(std::iter::repeat_n(c, 1 + usize::from(c == '\'')))
                });
                self.out.push('\'');
            }
            Style::Double => {
                self.out.push('"');
                self.folded(text, indent, is_key, escaped);
                self.out.push('"');
            }
            Style::Literal => self.literal(text, indent),
        }
    }

    /// Writes characters and folds the line at lone blanks beyond the fold column. Never at the ends of the text and
    /// never beside another blank, since a reader takes a fold for exactly one blank.
    fn folded(&mut self, text: &str, indent: usize, is_key: bool, write: impl Fn(char, &mut String)) {
        let start = self.out.rfind('\n').map_or(0, |i| i + 1);
        let mut column = self.out[start..].chars().count();
        let mut before = None;
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let next = characters.peek().copied();
            let lone = c == ' ' && !matches!(before, None | Some(' ')) && !matches!(next, None | Some(' '));
            if lone && !is_key && column > FOLD_COLUMN {
                self.out.push('\n');
                self.blanks(indent);
                column = indent;
            } else {
                let length = self.out.len();
                write(c, &mut self.out);
                column += self.out[length..].chars().count();
            }
            before = Some(c);
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push_str(&INDENT.to_string());
        }
        if !text.ends_with('\n') {
            self.out.push('-');
        } else if text == "\n" || text.ends_with("\n\n") {
            self.out.push('+');
        }
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                // A document that is nothing but a block still needs an indent.
                self.blanks(indent.max(INDENT));
                self.out.push_str(line);
            }
        }
    }

    fn blanks(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }
}

fn escaped(c: char, out: &mut String) {
    let code = u32::from(c);
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\0' => out.push_str("\\0"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\u{1b}' => out.push_str("\\e"),
        '\u{85}' => out.push_str("\\N"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        c if style::is_printable(c) => out.push(c),
        _ if code <= 0xff => out.push_str(&format!("\\x{code:02X}")),
        _ if code <= 0xffff => out.push_str(&format!("\\u{code:04X}")),
        _ => out.push_str(&format!("\\U{code:08X}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_documents;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn looks_like_kubectl() {
        let object = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "a", "creationTimestamp": "2022-09-06T10:46:52Z", "generation": 1, "labels": {}},
            "spec": {"containers": [{"name": "c", "command": ["/bin/sh", "-c"], "resources": {}}], "volumes": []},
            "text": "one\ntwo\n", "open": "one\ntwo", "ends": "x\n\n", "indented": "  x\ny\n", "nested": [[1, 2], []],
            "status": {"ready": true, "probe": null, "answer": "True"},
        });
        let expected = r#"apiVersion: v1
ends: |+
  x

indented: |2
    x
  y
kind: Pod
metadata:
  creationTimestamp: "2022-09-06T10:46:52Z"
  generation: 1
  labels: {}
  name: a
nested:
- - 1
  - 2
- []
open: |-
  one
  two
spec:
  containers:
  - command:
    - /bin/sh
    - -c
    name: c
    resources: {}
  volumes: []
status:
  answer: "True"
  probe: null
  ready: true
text: |
  one
  two
"#;
        assert_eq!(to_yaml(&object), expected);
    }

    #[test]
    fn long_lines_are_folded_at_blanks() {
        let text = "containers with unready status: [".to_owned() + &"word ".repeat(20) + "end]";
        let yaml = to_yaml(&json!({"message": text}));
        assert!(yaml.lines().count() > 1 && yaml.lines().nth(1).is_some_and(|l| l.starts_with("  ")), "{yaml}");
        assert_eq!(parse_documents(&yaml).expect("yaml"), [json!({"message": text})]);
    }

    fn any_string() -> impl Strategy<Value = String> {
        let words =
            ["yes", "No", "on", "1", "-1", "0x1", "1e3", ".5", "~", "null", "12:30", "2022-09-06", "- a", "a: b", "#"];
        prop_oneof![
            "[ -~]{0,12}",
            "[a \n]{0,8}",
            "\\PC{0,6}",
            "[a-z]{1,9}( [a-z]{1,9}){0,30}",
            any::<String>(),
            prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        ]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any_string().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((any_string(), inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        // A failure becomes a case of its own above, not a file beside the code.
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() })]
        #[test]
        fn a_parser_reads_back_what_was_written(value in any_value()) {
            let value = json!({"value": value});
            let yaml = to_yaml(&value);
            let read = parse_documents(&yaml).map_err(|e| TestCaseError::fail(format!("{e}\n{yaml}")))?;
            prop_assert_eq!(read, vec![value], "{}", yaml);
        }
    }
}
