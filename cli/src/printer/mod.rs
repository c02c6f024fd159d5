//! How results are printed: `-o wide|yaml|json|name|jsonpath=…|custom-columns=…` and tables.

mod custom_columns;
pub mod sort;
mod table;
pub mod tabwriter;

pub use table::{TableOptions, TablePrinter};

use crate::error::{CliError, Result};
use crate::fail;
use crate::jsonpath::Template;
use crate::yaml::to_yaml;
use custom_columns::CustomColumns;
use kubus_proto::{KindRow, kinds};
use serde_json::Value;

const FORMATS: &str = "custom-columns,custom-columns-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,wide,yaml";

/// What `-o` asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// The server's table, with all columns where `wide`.
    Table {
        /// `-o wide`
        wide: bool,
    },
    /// `-o yaml`
    Yaml,
    /// `-o json`
    Json,
    /// `-o name`
    Name,
    /// `-o jsonpath=…`
    JsonPath(Box<Template>),
    /// `-o jsonpath-as-json=…`
    JsonPathAsJson(Box<crate::jsonpath::Path>),
    /// `-o custom-columns=…`
    CustomColumns(Box<CustomColumns>),
}

impl Output {
    /// Reads the value of `-o`.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        let text = text.unwrap_or_default();
        let (format, argument) = text.split_once('=').unwrap_or((text, ""));
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .map_err(|e| CliError::message(format!("error reading --template {path}: {e}")))
        };
        Ok(match format {
            "" => Output::Table { wide: false },
            "wide" => Output::Table { wide: true },
            "yaml" => Output::Yaml,
            "json" => Output::Json,
            "name" => Output::Name,
            "jsonpath" | "jsonpath-as-json" | "jsonpath-file" | "custom-columns" | "custom-columns-file"
                if argument.is_empty() =>
            {
                fail!("template format specified but no template given")
            }
            "jsonpath" => Output::JsonPath(template(argument)?),
            "jsonpath-file" => Output::JsonPath(template(&read(argument)?)?),
            "jsonpath-as-json" => Output::JsonPathAsJson(Box::new(crate::jsonpath::Path::parse_relaxed(argument)?)),
            "custom-columns" => Output::CustomColumns(Box::new(CustomColumns::parse(argument)?)),
            "custom-columns-file" => Output::CustomColumns(Box::new(CustomColumns::parse_file(&read(argument)?)?)),
            _ => fail!(
                "unable to match a printer suitable for the output format {text:?}, allowed formats are: {FORMATS}"
            ),
        })
    }

    /// Whether the server's table is printed.
    pub fn is_table(&self) -> bool {
        matches!(self, Output::Table { .. })
    }

    /// One object, or a List, as text. Tables are not printed here.
    pub fn render(&self, object: &Value) -> Result<String> {
        Ok(match self {
            Output::Yaml => to_yaml(object),
            Output::Json => to_json(object),
            Output::Name | Output::Table { .. } => names(object),
            Output::JsonPath(template) => {
                template.render(object).map_err(|e| CliError::message(format!("error executing jsonpath: {e}")))?
            }
            Output::JsonPathAsJson(path) => to_json(&Value::Array(path.find(object)?.into_iter().cloned().collect())),
            Output::CustomColumns(columns) => columns.render(object, true)?,
        })
    }
}

fn template(text: &str) -> Result<Box<Template>> {
    let parsed = Template::parse(text).map_err(|e| CliError::message(format!("error parsing jsonpath {text}, {e}")))?;
    Ok(Box::new(parsed))
}

/// JSON as kubectl prints it: keys sorted, four blanks a level, a line feed at the end.
pub fn to_json(value: &Value) -> String {
    let sorted = sorted(value);
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Writing a Value into memory cannot fail.
    let _ = serde::Serialize::serialize(&sorted, &mut serializer);
    out.push(b'\n');
    String::from_utf8_lossy(&out).into_owned()
}

/// The same value with the keys of every map in order.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(entries.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// `deployment.apps/web`, as commands name what they did.
pub fn full_name(row: &KindRow, name: &str) -> String {
    format!("{}/{name}", qualified_singular(row))
}

/// `deployment.apps "web"`, as `delete` names it.
pub fn quoted_name(row: &KindRow, name: &str) -> String {
    format!("{} {name:?}", qualified_singular(row))
}

fn qualified_singular(row: &KindRow) -> String {
    kubus_proto::status::qualified(row.singular, row.group)
}

fn names(object: &Value) -> String {
    let items: Vec<&Value> = match object["items"].as_array() {
        Some(items) => items.iter().collect(),
        None => vec![object],
    };
    items
        .into_iter()
        .map(|item| {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let name = text(&item["metadata"]["name"]);
            match kinds::by_kind(&text(&item["apiVersion"]), &text(&item["kind"])) {
                Some(row) => format!("{}\n", full_name(row, &name)),
                None => {
                    let api_version = text(&item["apiVersion"]);
                    let group = api_version.split_once('/').map_or("", |(group, _)| group);
                    let kind = text(&item["kind"]).to_lowercase();
                    format!("{}/{name}\n", kubus_proto::status::qualified(&kind, group))
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_printed_in_every_format() {
        let object = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web", "labels": {}}});
        for (format, expected) in [
            ("name", "deployment.apps/web\n"),
            ("yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels: {}\n  name: web\n"),
            (
                "json",
                "{\n    \"apiVersion\": \"apps/v1\",\n    \"kind\": \"Deployment\",\n    \"metadata\": {\n        \"labels\": {},\n        \"name\": \"web\"\n    }\n}\n",
            ),
            ("jsonpath={.metadata.name}", "web"),
            ("custom-columns=NAME:.metadata.name,X:.spec.x", "NAME   X\nweb    <none>\n"),
        ] {
            let output = Output::parse(Some(format)).expect(format);
            assert_eq!(output.render(&object).expect(format), expected, "{format}");
        }
        for format in ["xml", "jsonpath", "jsonpath={.a", "custom-columns=A"] {
            assert!(Output::parse(Some(format)).is_err(), "{format}");
        }
    }
}
