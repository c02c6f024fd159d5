//! Reads templates and paths.

use super::JsonPathError;
use serde_json::{Value, json};

/// How deep ranges and filters may nest.
const DEPTH_LIMIT: usize = 32;

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// As it stands.
    Text(String),
    /// What a path leads to, with blanks between.
    Path(Vec<Step>),
    /// The inner parts once for each thing a path leads to.
    Range(Vec<Step>, Vec<Part>),
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// `$`
    Root,
    /// `@`
    Current,
    /// `.name`
    Field(String),
    /// `.*` and `[*]`
    Wildcard,
    /// `..` before the next step
    Recursive,
    /// `[start:end:step]`
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    /// `[n]`
    Index(i64),
    /// `[a,b]`: every path in turn
    Union(Vec<Vec<Step>>),
    /// `[?(left op right)]`; without an operator, whether `left` leads anywhere
    Filter { left: Operand, operator: Option<Operator>, right: Option<Operand> },
}

/// A side of a filter.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// A text, number or boolean.
    Literal(Value),
    /// Where a path leads from the item.
    Path(Vec<Step>),
}

/// How a filter compares.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

fn wrong<T>(why: impl Into<String>) -> Result<T, JsonPathError> {
    Err(JsonPathError(why.into()))
}

/// Reads a whole template.
pub(super) fn template(text: &str) -> Result<Vec<Part>, JsonPathError> {
    let mut rest = text;
    let mut open: Vec<(Vec<Step>, Vec<Part>)> = Vec::new();
    let mut parts = Vec::new();
    while let Some(at) = rest.find('{') {
        if at > 0 {
            parts.push(Part::Text(rest[..at].to_owned()));
        }
        let end = matching(&rest[at..], '{', '}').ok_or_else(|| JsonPathError("unclosed action".into()))?;
        let action = rest[at + 1..at + end].trim();
        rest = &rest[at + end + 1..];
        if action == "end" {
            let Some((steps, outer)) = open.pop() else { return wrong("not in range, nothing to end") };
            let inner = std::mem::replace(&mut parts, outer);
            parts.push(Part::Range(steps, inner));
        } else if let Some(steps) = action.strip_prefix("range ").or_else(|| action.strip_prefix("range\t")) {
            if open.len() >= DEPTH_LIMIT {
                return wrong("ranges nest too deep");
            }
            open.push((path(steps.trim())?, std::mem::take(&mut parts)));
        } else if action.starts_with(['"', '\'']) {
            parts.push(Part::Text(quoted(action)?));
        } else {
            let action =
                if action.starts_with(['.', '$', '@', '[']) { action.to_owned() } else { format!(".{action}") };
            parts.push(Part::Path(path(&action)?));
        }
    }
    if !open.is_empty() {
        return wrong("unterminated range, expected {end}");
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// Reads a path.
pub(super) fn path(text: &str) -> Result<Vec<Step>, JsonPathError> {
    path_within(text, 0)
}

fn path_within(text: &str, depth: usize) -> Result<Vec<Step>, JsonPathError> {
    if depth > DEPTH_LIMIT {
        return wrong("filters nest too deep");
    }
    let mut steps = Vec::new();
    let mut rest = text.trim();
    while let Some(c) = rest.chars().next() {
        match c {
            '$' => {
                steps.push(Step::Root);
                rest = &rest[1..];
            }
            '@' => {
                steps.push(Step::Current);
                rest = &rest[1..];
            }
            '[' => {
                let end = matching(rest, '[', ']').ok_or_else(|| JsonPathError("unterminated array".into()))?;
                steps.extend(bracket(rest[1..end].trim(), depth)?);
                rest = &rest[end + 1..];
            }
            '.' => {
                rest = &rest[1..];
                if let Some(after) = rest.strip_prefix('.') {
                    steps.push(Step::Recursive);
                    rest = after;
                }
                let (name, after) = field(rest);
                rest = after;
                match name.as_str() {
                    "" => {}
                    "*" => steps.push(Step::Wildcard),
                    _ => steps.push(Step::Field(name)),
                }
            }
            ' ' => rest = &rest[1..],
            other => return wrong(format!("unrecognized character in action: {other:?}")),
        }
    }
    Ok(steps)
}

/// The name before the next `.` or `[`; a backslash takes the next character as it is.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((i, c)) = characters.next() {
        match c {
            '\\' => name.extend(characters.next().map(|(_, c)| c)),
            '.' | '[' | ' ' | '$' | '@' => return (name, &text[i..]),
            c => name.push(c),
        }
    }
    (name, "")
}

fn bracket(inner: &str, depth: usize) -> Result<Vec<Step>, JsonPathError> {
    if inner == "*" {
        return Ok(vec![Step::Wildcard]);
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        return Ok(vec![filter_step(filter, depth)?]);
    }
    if let Some(key) = inner.strip_prefix('\'').and_then(|k| k.strip_suffix('\'')).filter(|k| !k.contains('\'')) {
        // kubectl reads `['a.b']` as the path `.a.b`; a dot within a name is written `\.`.
        return path_within(&format!(".{key}"), depth + 1);
    }
    let parts = split_outside_quotes(inner);
    if parts.len() > 1 {
        let paths = parts.into_iter().map(|p| bracket(p.trim(), depth + 1)).collect::<Result<_, _>>()?;
        return Ok(vec![Step::Union(paths)]);
    }
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse::<i64>().map(Some).or_else(|_| wrong(format!("invalid array index {inner}"))),
    };
    let parts: Vec<&str> = inner.split(':').collect();
    match parts.as_slice() {
        [one] => match number(one)? {
            Some(index) => Ok(vec![Step::Index(index)]),
            None => wrong("invalid array index"),
        },
        [start, end] => Ok(vec![Step::Slice { start: number(start)?, end: number(end)?, step: 1 }]),
        [start, end, step] => {
            Ok(vec![Step::Slice { start: number(start)?, end: number(end)?, step: number(step)?.unwrap_or(1) }])
        }
        _ => wrong(format!("invalid array index {inner}")),
    }
}

fn filter_step(text: &str, depth: usize) -> Result<Step, JsonPathError> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, _) => {
                if let Some((sign, operator)) = OPERATORS.iter().find(|(sign, _)| text[i..].starts_with(sign)) {
                    return Ok(Step::Filter {
                        left: operand(&text[..i], depth)?,
                        operator: Some(*operator),
                        right: Some(operand(&text[i + sign.len()..], depth)?),
                    });
                }
            }
            _ => {}
        }
    }
    Ok(Step::Filter { left: operand(text, depth)?, operator: None, right: None })
}

fn operand(text: &str, depth: usize) -> Result<Operand, JsonPathError> {
    let text = text.trim();
    if text.starts_with(['"', '\'']) {
        return Ok(Operand::Literal(json!(quoted(text)?)));
    }
    if text.starts_with(['@', '.', '$', '[']) {
        return Ok(Operand::Path(path_within(text, depth + 1)?));
    }
    serde_json::from_str(text).map(Operand::Literal).or_else(|_| wrong(format!("unrecognized operand {text:?}")))
}

/// A text between single or double quotes with Go's escapes.
fn quoted(text: &str) -> Result<String, JsonPathError> {
    let Some(quote) = text.chars().next() else { return wrong("unterminated quoted string") };
    let mut out = String::new();
    let mut characters = text[1..].chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(c) => out.push(c),
                None => return wrong("unterminated quoted string"),
            },
            c if c == quote => {
                return if characters.next().is_none() { Ok(out) } else { wrong("text after a quoted string") };
            }
            c => out.push(c),
        }
    }
    wrong("unterminated quoted string")
}

/// Position of the bracket that closes the one `text` begins with; quoted ones do not count.
fn matching(text: &str, open: char, close: char) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (i, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, c) {
            (_, '\\') => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c == open => depth += 1,
            (None, c) if c == close => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut quote, mut start, mut parts) = (None, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ',') => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
