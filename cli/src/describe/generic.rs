//! Description of kinds that have none of their own: every field, with words for its name.

use super::writer::{Description, text};
use serde_json::Value;

/// Fields that stand at the top or say nothing to a reader.
const SKIPPED: [&str; 5] = ["name", "namespace", "labels", "annotations", "managedFields"];

/// Keys whose words are not those of their letters.
const ABBREVIATIONS: [(&str, &str); 2] = [("apiVersion", "API Version"), ("uid", "UID")];

/// Adds the object.
pub(super) fn describe(object: &Value, out: &mut Description) {
    let metadata = &object["metadata"];
    out.field(0, "Name", &text(&metadata["name"]));
    out.field(0, "Namespace", &text(&metadata["namespace"]));
    out.labels("Labels", &metadata["labels"]);
    out.annotations("Annotations", &metadata["annotations"]);
    describe_map(object, 0, true, out);
}

fn describe_map(value: &Value, level: usize, top: bool, out: &mut Description) {
    let mut entries: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    for (key, value) in entries {
        let name = words(key);
        match value {
            Value::Object(map) if top && key == "metadata" => {
                let mut rest = map.clone();
                rest.retain(|key, _| !SKIPPED.contains(&key.as_str()));
                out.line(level, &format!("{name}:"));
                describe_map(&Value::Object(rest), level + 1, false, out);
            }
            Value::Object(_) => {
                out.line(level, &format!("{name}:"));
                describe_map(value, level + 1, false, out);
            }
            Value::Array(items) => {
                out.line(level, &format!("{name}:"));
                for item in items {
                    if item.is_object() {
                        describe_map(item, level + 1, false, out);
                    } else {
                        out.line(level + 1, &text(item));
                    }
                }
            }
            scalar => out.field(level, &name, &text(scalar)),
        }
    }
}

/// `creationTimestamp` as `Creation Timestamp`.
fn words(key: &str) -> String {
    if let Some((_, name)) = ABBREVIATIONS.iter().find(|(abbreviation, _)| *abbreviation == key) {
        return (*name).to_owned();
    }
    let mut out = String::new();
    let mut before_is_lower = false;
    for (i, c) in key.chars().enumerate() {
        if i == 0 {
            out.extend(c.to_uppercase());
        } else {
            if c.is_uppercase() && before_is_lower {
                out.push(' ');
            }
            out.push(c);
        }
        before_is_lower = c.is_lowercase();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn keys_become_words() {
        for (key, name) in [
            ("creationTimestamp", "Creation Timestamp"),
            ("apiVersion", "API Version"),
            ("uid", "UID"),
            ("kind", "Kind"),
        ] {
            assert_eq!(words(key), name);
        }
    }
}
