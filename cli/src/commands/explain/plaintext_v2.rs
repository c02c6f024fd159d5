//! `-o plaintext-openapiv2`: the form that older versions of kubectl print.

use super::Subject;
use super::fields::{Document, is_required, item, missing, parts, properties};
use crate::error::Result;
use serde_json::Value;

/// Width of a line.
const WIDTH: usize = 80;
/// Blanks before a description.
const INDENT: usize = 5;

/// Lines that begin so are code.
const CODE: &str = "    ";

/// Prints what the subject is, or says that its field is not there.
pub fn print(subject: &Subject, document: &Document, schema: &Value, recursive: bool, out: &mut String) -> Result<()> {
    let mut here = schema;
    let mut owner = None;
    for field in &subject.fields {
        let fields = struct_of(document, here).and_then(properties);
        let Some(property) = fields.and_then(|fields| fields.get(field)) else {
            return Err(missing(&subject.fields));
        };
        (owner, here) = (Some(field), property);
    }
    let version = match subject.group.as_str() {
        "" => subject.version.clone(),
        group => format!("{group}/{}", subject.version),
    };
    out.push_str(&format!("KIND:     {}\nVERSION:  {version}\n\n", subject.kind));
    let below = struct_of(document, here);
    if let Some(name) = owner {
        let label = if below.is_some() { "RESOURCE: " } else { "FIELD:    " };
        out.push_str(&format!("{label}{name} <{}>\n\n", type_of(document, here)));
    }
    out.push_str("DESCRIPTION:\n");
    let mut texts = Vec::new();
    descriptions(document, here, &mut texts);
    if texts.is_empty() {
        texts.push("<empty>");
    }
    let texts: Vec<String> = texts.into_iter().map(|text| paragraph(text, INDENT)).collect();
    out.push_str(&texts.join("\n"));
    if let Some(below) = below {
        out.push_str("\nFIELDS:\n");
        fields(document, below, recursive, 3, &mut Vec::new(), out);
    }
    Ok(())
}

/// The schema with fields that a schema is, or that its items are.
fn struct_of<'a>(document: &'a Document, schema: &'a Value) -> Option<&'a Value> {
    let resolved = document.resolve(schema);
    if properties(resolved).is_some() {
        return Some(resolved);
    }
    match item(resolved) {
        Some(item) => struct_of(document, item),
        None => parts(resolved).find_map(|part| struct_of(document, part)),
    }
}

/// The descriptions of a schema and of what it refers to.
fn descriptions<'a>(document: &'a Document, schema: &'a Value, texts: &mut Vec<&'a str>) {
    let resolved = document.resolve(schema);
    texts.extend(resolved["description"].as_str().filter(|text| !text.is_empty()));
    let below = item(resolved).into_iter().chain(resolved["allOf"].as_array().into_iter().flatten());
    for part in below {
        // What has no name of its own says nothing of its own here.
        if part.get("$ref").is_some() || part.get("allOf").is_some() {
            descriptions(document, part, texts);
        }
    }
}

fn fields<'a>(
    document: &'a Document,
    schema: &'a Value,
    recursive: bool,
    indent: usize,
    seen: &mut Vec<*const Value>,
    out: &mut String,
) {
    seen.push(schema);
    for (name, property) in properties(schema).into_iter().flatten() {
        let required = if is_required(schema, name) { " -required-" } else { "" };
        out.push_str(&format!("{}{name}\t<{}>{required}\n", " ".repeat(indent), type_of(document, property)));
        if !recursive {
            let own = property["description"].as_str().unwrap_or("<no description>");
            out.push_str(&format!("{}\n", paragraph(own, INDENT)));
        } else if let Some(below) = struct_of(document, property)
            && !seen.contains(&std::ptr::from_ref(below))
        {
            fields(document, below, recursive, indent + 3, seen, out);
        }
    }
    seen.pop();
}

/// `[]Object`, `map[string]string`, `integer`.
fn type_of(document: &Document, schema: &Value) -> String {
    let resolved = document.resolve(schema);
    if properties(resolved).is_some() {
        return "Object".to_owned();
    }
    if resolved["items"].is_object() {
        return format!("[]{}", type_of(document, &resolved["items"]));
    }
    if resolved["additionalProperties"].is_object() {
        return format!("map[string]{}", type_of(document, &resolved["additionalProperties"]));
    }
    if let Some(part) = resolved["allOf"].as_array().and_then(|parts| parts.first()) {
        return type_of(document, part);
    }
    match resolved["type"].as_str() {
        // An object without fields of its own holds anything.
        Some("object") => "map[string]".to_owned(),
        Some(other) => other.to_owned(),
        // Numbers that may be text are text in the older documents.
        None if resolved.get("oneOf").is_some() => "string".to_owned(),
        None => String::new(),
    }
}

/// A text in lines behind blanks, each with its end. Breaks in the text count as blanks; empty lines, code and items of
/// lists stay.
fn paragraph(text: &str, indent: usize) -> String {
    let limit = WIDTH - indent;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for part in text.split('\n') {
        if part.starts_with(CODE) || (part.trim().is_empty() && !lines.is_empty()) {
            end(&mut line, &mut lines);
            lines.push(part.trim_end().to_owned());
            continue;
        }
        if line.ends_with(':') || part.trim().is_empty() || is_item(part.trim()) {
            end(&mut line, &mut lines);
        }
        for word in part.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > limit {
                end(&mut line, &mut lines);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    end(&mut line, &mut lines);
    let blanks = " ".repeat(indent);
    lines.iter().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{blanks}{line}\n") }).collect()
}

fn end(line: &mut String, lines: &mut Vec<String>) {
    if !line.is_empty() {
        lines.push(std::mem::take(line));
    }
}

/// Whether a line begins an item of a list: `- a`, `* a`, `1. a`.
fn is_item(line: &str) -> bool {
    let Some((mark, _)) = line.split_once(char::is_whitespace) else { return false };
    let number = mark.strip_suffix('.').unwrap_or(mark);
    matches!(mark, "-" | "*") || (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
