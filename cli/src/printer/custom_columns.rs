//! `-o custom-columns=NAME:.metadata.name,…`: <https://kubernetes.io/docs/reference/kubectl/#custom-columns>.

use super::tabwriter::TabWriter;
use crate::error::{CliError, Result};
use crate::fail;
use crate::jsonpath::{Path, text_of};
use serde_json::Value;

/// Headers and paths.
#[derive(Clone, Debug)]
pub struct CustomColumns {
    columns: Vec<(String, Path)>,
}

impl CustomColumns {
    /// Reads `HEADER:path,HEADER:path`.
    pub fn parse(text: &str) -> Result<Self> {
        let columns = text
            .split(',')
            .map(|column| {
                let Some((header, path)) = column.split_once(':') else {
                    fail!("unexpected custom-columns spec: {column}, expected <header>:<json-path-expr>");
                };
                Ok((header.to_owned(), Path::parse_relaxed(path).map_err(CliError::from)?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { columns })
    }

    /// Reads a file with a line of headers and a line of paths.
    pub fn parse_file(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let (Some(headers), Some(paths)) = (lines.next(), lines.next()) else {
            fail!("invalid template: expected a line of headers and a line of paths");
        };
        let (headers, paths): (Vec<_>, Vec<_>) =
            (headers.split_whitespace().collect(), paths.split_whitespace().collect());
        if headers.len() != paths.len() {
            fail!("number of headers ({}) and field specifications ({}) don't match", headers.len(), paths.len());
        }
        let columns = headers
            .into_iter()
            .zip(paths)
            .map(|(header, path)| Ok((header.to_owned(), Path::parse_relaxed(path)?)))
            .collect::<Result<_>>()?;
        Ok(Self { columns })
    }

    /// The table of an object or of the items of a List.
    pub fn render(&self, object: &Value, headers: bool) -> Result<String> {
        let mut writer = TabWriter::for_tables();
        if headers {
            let headers: Vec<&str> = self.columns.iter().map(|(header, _)| header.as_str()).collect();
            writer.write(&format!("{}\n", headers.join("\t")));
        }
        let items: Vec<&Value> = match object["items"].as_array() {
            Some(items) => items.iter().collect(),
            None => vec![object],
        };
        for item in items {
            let mut cells = Vec::new();
            for (_, path) in &self.columns {
                let found = path.find(item).unwrap_or_default();
                let texts: Vec<String> = found.into_iter().filter(|v| !v.is_null()).map(text_of).collect();
                cells.push(if texts.is_empty() { "<none>".to_owned() } else { texts.join(",") });
            }
            writer.write(&format!("{}\n", cells.join("\t")));
        }
        Ok(writer.flush())
    }
}
