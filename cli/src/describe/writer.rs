//! The text under construction: levels, aligned columns, labels, annotations, times.

use crate::context::Context;
use crate::printer::tabwriter::TabWriter;
use jiff::{Timestamp, tz::TimeZone};
use kubus_proto::selector::Selector;
use serde_json::Value;
use std::collections::BTreeMap;

/// Annotations and their values longer than this stand on lines of their own and are cut.
const ANNOTATION_LIMIT: usize = 140;
/// Annotations that only machines read.
const HIDDEN_ANNOTATIONS: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];

/// A description as it grows. Tabs align columns of neighbouring lines.
pub struct Description {
    writer: TabWriter,
    done: String,
    /// The time that ages are counted to.
    pub now: Timestamp,
    zone: TimeZone,
}

impl Description {
    /// An empty one.
    pub fn new(context: &Context) -> Self {
        Self {
            writer: TabWriter::for_descriptions(),
            done: String::new(),
            now: context.now(),
            zone: context.zone.clone(),
        }
    }

    /// Adds a line at a level of indentation.
    pub fn line(&mut self, level: usize, text: &str) {
        self.writer.write(&format!("{}{text}\n", "  ".repeat(level)));
    }

    /// Adds `name:` and its value.
    pub fn field(&mut self, level: usize, name: &str, value: &str) {
        self.line(level, &format!("{name}:\t{value}"));
    }

    /// Adds `name:` and its value unless it is empty.
    pub fn field_if(&mut self, level: usize, name: &str, value: &Value) {
        let text = text(value);
        if !text.is_empty() {
            self.field(level, name, &text);
        }
    }

    /// Aligns what was written so far by itself.
    pub fn flush(&mut self) {
        self.done.push_str(&self.writer.flush());
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        self.flush();
        self.done
    }

    /// A point in time as kubectl prints it: `Tue, 27 Sep 2022 17:17:09 +0800`.
    pub fn time(&self, value: &Value) -> String {
        match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
            Some(time) => time.to_zoned(self.zone.clone()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string(),
            None => "Mon, 01 Jan 0001 00:00:00 +0000".to_owned(),
        }
    }

    /// How long ago something was.
    pub fn age(&self, value: &Value) -> String {
        kubus_proto::duration::age(value.as_str(), self.now)
    }

    /// `title:` and one `key=value` a line.
    pub fn labels(&mut self, title: &str, labels: &Value) {
        let pairs = map(labels);
        if pairs.is_empty() {
            self.field(0, title, "<none>");
        }
        for (i, (key, value)) in pairs.iter().enumerate() {
            let head = if i == 0 { format!("{title}:") } else { String::new() };
            self.line(0, &format!("{head}\t{key}={value}"));
        }
    }

    /// `title:` and one `key: value` a line; long ones on lines of their own.
    pub fn annotations(&mut self, title: &str, annotations: &Value) {
        let mut pairs = map(annotations);
        pairs.retain(|key, _| !HIDDEN_ANNOTATIONS.contains(&key.as_str()));
        if pairs.is_empty() {
            self.field(0, title, "<none>");
        }
        for (i, (key, value)) in pairs.iter().enumerate() {
            let head = if i == 0 { format!("{title}:") } else { String::new() };
            let value = value.strip_suffix('\n').unwrap_or(value);
            if value.len() + key.len() + 2 > ANNOTATION_LIMIT || value.contains('\n') {
                self.line(0, &format!("{head}\t{key}:"));
                for line in value.split('\n') {
                    self.line(0, &format!("\t  {}", shortened(line)));
                }
            } else {
                self.line(0, &format!("{head}\t{key}: {value}"));
            }
        }
    }
}

fn shortened(line: &str) -> String {
    let limit = ANNOTATION_LIMIT - 2;
    if line.chars().count() > limit {
        format!("{}...", line.chars().take(limit).collect::<String>())
    } else {
        line.to_owned()
    }
}

/// A value on one line; nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A text, or `<none>` for an empty one.
pub(super) fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text }
}

/// A number, 0 where there is none.
pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// The items of a list, none where it is not one.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A map of texts in order.
pub(super) fn map(value: &Value) -> BTreeMap<String, String> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// The controller of an object as `Kind/name`.
pub(super) fn controller(object: &Value) -> Option<String> {
    let owner = list(&object["metadata"]["ownerReferences"]).iter().find(|r| r["controller"] == true)?;
    Some(format!("{}/{}", text(&owner["kind"]), text(&owner["name"])))
}

/// The text form of a workload's selector.
pub(crate) fn selector_text(workload: &Value) -> Option<String> {
    let selector = &workload["spec"]["selector"];
    if workload["kind"] == "ReplicationController" {
        return Some(Selector::from_map(&map(selector)).to_string());
    }
    let selector = serde_json::from_value(selector.clone()).ok()?;
    Selector::from_label_selector(&selector).ok().map(|selector| selector.to_string())
}
