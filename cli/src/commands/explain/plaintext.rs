//! `-o plaintext`: the form that newer versions of kubectl print.

use super::Subject;
use super::fields::{Document, is_required, item, missing, parts, properties};
use super::wrap::{indent, wrap};
use crate::error::Result;
use serde_json::Value;

/// Width of descriptions without what stands before them.
const WIDTH: usize = 76;
/// Blanks before descriptions.
const INDENT: usize = 4;
/// Most values of a field that are named in a list of fields.
const VALUES_LIMIT: usize = 4;

/// Prints what the subject is, or says that its field is not there.
pub fn print(subject: &Subject, document: &Document, schema: &Value, recursive: bool, out: &mut String) -> Result<()> {
    if !subject.group.is_empty() {
        out.push_str(&format!("GROUP:      {}\n", subject.group));
    }
    out.push_str(&format!("KIND:       {}\nVERSION:    {}\n\n", subject.kind, subject.version));
    let mut printer = Printer { document, recursive, out };
    if printer.descend(schema, &subject.fields, &mut Vec::new()) { Ok(()) } else { Err(missing(&subject.fields)) }
}

struct Printer<'a> {
    document: &'a Document,
    recursive: bool,
    out: &'a mut String,
}

impl<'a> Printer<'a> {
    /// Prints what `fields` lead to from `schema`; says whether there is such a field. `seen` are the references that led
    /// here.
    fn descend(&mut self, schema: &'a Value, fields: &[String], seen: &mut Vec<&'a str>) -> bool {
        let resolved = self.document.resolve(schema);
        let Some((field, rest)) = fields.split_first() else {
            self.describe(resolved);
            return true;
        };
        let reference = schema["$ref"].as_str();
        if reference.is_some_and(|reference| seen.contains(&reference)) {
            return false;
        }
        seen.extend(reference);
        if let Some(property) = properties(resolved).and_then(|properties| properties.get(field)) {
            if rest.is_empty() {
                self.out.push_str(&format!("FIELD: {field} <{}>\n", type_of(self.document, property)));
                let values = property["enum"].as_array().into_iter().flatten();
                let values: String = values.map(|value| format!("    {}\n", value_text(value))).collect();
                if !values.is_empty() {
                    self.out.push_str(&format!("ENUM:\n{values}"));
                } else {
                    self.out.push('\n');
                }
                self.out.push('\n');
            }
            // Below a field there may be again what led to it.
            return self.descend(property, rest, &mut Vec::new());
        }
        let found = match item(resolved) {
            Some(item) => self.descend(item, fields, seen),
            None => parts(resolved).any(|part| self.descend(part, fields, seen)),
        };
        if reference.is_some() {
            seen.pop();
        }
        found
    }

    fn describe(&mut self, schema: &'a Value) {
        let mut text = String::new();
        self.descriptions(schema, &mut Vec::new(), &mut text);
        if text.is_empty() {
            text.push_str("<empty>");
        }
        self.out.push_str(&format!("DESCRIPTION:\n{}\n", indent(&wrap(&text, WIDTH), INDENT)));
        let start = self.out.len();
        self.fields(schema, 1, &mut Vec::new());
        if self.out.len() > start {
            self.out.insert_str(start, "FIELDS:\n");
        }
        self.out.push('\n');
    }

    /// The description of a schema and of what it is made of.
    fn descriptions(&self, schema: &'a Value, seen: &mut Vec<&'a str>, text: &mut String) {
        let reference = schema["$ref"].as_str();
        if reference.is_some_and(|reference| seen.contains(&reference)) {
            return;
        }
        seen.extend(reference);
        let resolved = self.document.resolve(schema);
        if let Some(description) = resolved["description"].as_str().filter(|text| !text.is_empty()) {
            text.push_str(description);
            text.push('\n');
        }
        for part in item(resolved).into_iter().chain(parts(resolved)) {
            self.descriptions(part, seen, text);
        }
        if reference.is_some() {
            seen.pop();
        }
    }

    /// The fields of a schema, and with `recursive` those below them.
    fn fields(&mut self, schema: &'a Value, level: usize, seen: &mut Vec<&'a str>) {
        let reference = schema["$ref"].as_str();
        if reference.is_some_and(|reference| seen.contains(&reference)) {
            return;
        }
        seen.extend(reference);
        let resolved = self.document.resolve(schema);
        for (name, property) in properties(resolved).into_iter().flatten() {
            self.field(resolved, name, property, level);
            if self.recursive {
                self.fields(property, level + 1, seen);
            }
        }
        if properties(resolved).is_none() {
            for part in item(resolved).into_iter().chain(parts(resolved)) {
                self.fields(part, level, seen);
            }
        }
        if reference.is_some() {
            seen.pop();
        }
    }

    fn field(&mut self, owner: &Value, name: &str, schema: &Value, level: usize) {
        let blanks = " ".repeat(2 * level);
        let required = if is_required(owner, name) { " -required-" } else { "" };
        self.out.push_str(&format!("{blanks}{name}\t<{}>{required}\n", type_of(self.document, schema)));
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            let mut texts: Vec<String> = values.iter().take(VALUES_LIMIT).map(value_text).collect();
            if values.len() > VALUES_LIMIT {
                texts.push("....".to_owned());
            }
            self.out.push_str(&format!("{blanks}enum: {}\n", texts.join(", ")));
        }
        if !self.recursive {
            let text = schema["description"].as_str().filter(|text| !text.is_empty()).unwrap_or("<no description>");
            self.out.push_str(&format!("{}\n\n", indent(&wrap(text, WIDTH), INDENT)));
        }
    }
}

/// `""` for an empty text, which would not be seen.
fn value_text(value: &Value) -> String {
    match value.as_str() {
        Some("") => "\"\"".to_owned(),
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

/// `[]Container`, `map[string]string`, `integer`.
fn type_of(document: &Document, schema: &Value) -> String {
    if schema["items"].is_object() {
        return format!("[]{}", type_of(document, &schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        return format!("map[string]{}", type_of(document, &schema["additionalProperties"]));
    }
    if let Some([only]) = schema["allOf"].as_array().map(Vec::as_slice)
        && properties(schema).is_none()
    {
        return type_of(document, only);
    }
    // What is plain has the name of what it is, and not of its type, such as a time.
    let plain = document.resolve(schema)["type"].as_str().filter(|kind| *kind != "object");
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit(['/', '.']).next());
    plain.or(name).or_else(|| schema["type"].as_str()).unwrap_or("Object").to_owned()
}
