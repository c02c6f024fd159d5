//! `kubus create configmap` and `kubus create secret generic`.

use crate::error::{CliError, Result};
use crate::fail;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Keys and values by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct MapArgs {
    /// Its name
    name: String,
    /// A key and its value
    #[arg(long, value_name = "KEY=VALUE")]
    from_literal: Vec<String>,
    /// A file, a key and a file, or a folder of files
    #[arg(long, value_name = "[KEY=]PATH")]
    from_file: Vec<String>,
    /// A file of lines KEY=VALUE
    #[arg(long, value_name = "PATH")]
    from_env_file: Vec<String>,
}

type Entries = BTreeMap<String, Vec<u8>>;

fn entries(args: &MapArgs) -> Result<Entries> {
    let mut entries = Entries::new();
    let mut add = |key: &str, value: Vec<u8>| -> Result<()> {
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            fail!(
                "{key:?} is not a valid key name: a valid key must consist of alphanumeric characters, '-', '_' or '.'"
            );
        }
        if entries.insert(key.to_owned(), value).is_some() {
            fail!("cannot add key {key:?}, another key by that name already exists");
        }
        Ok(())
    };
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| CliError::message(format!("error reading {}: {e}", path.display())))
    };
    for literal in &args.from_literal {
        let Some((key, value)) = literal.split_once('=') else {
            fail!("invalid literal source {literal}, expected key=value");
        };
        let value = value.trim_matches(['\'', '"']);
        add(key, value.as_bytes().to_vec())?;
    }
    for source in &args.from_file {
        let (key, path) = match source.split_once('=') {
            Some((key, path)) => (Some(key), Path::new(path)),
            None => (None, Path::new(source.as_str())),
        };
        let name_of = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if key.is_some() {
                fail!("cannot give a key name for a directory path");
            }
            let mut files: Vec<_> =
                std::fs::read_dir(path)?.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.is_file()).collect();
            files.sort();
            for file in files {
                add(&name_of(&file), read(&file)?)?;
            }
        } else {
            add(key.unwrap_or(&name_of(path)), read(path)?)?;
        }
    }
    for path in &args.from_env_file {
        let text = String::from_utf8_lossy(&read(Path::new(path))?).into_owned();
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // A name alone takes its value from the environment.
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None => (line, std::env::var(line).unwrap_or_default()),
            };
            add(key.trim(), value.into_bytes())?;
        }
    }
    Ok(entries)
}

/// The ConfigMap; what is not UTF-8 goes to `binaryData`.
pub(super) fn config_map(args: &MapArgs) -> Result<Value> {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": args.name}});
    for (key, value) in entries(args)? {
        match String::from_utf8(value) {
            Ok(text) => object["data"][key] = json!(text),
            Err(error) => object["binaryData"][key] = json!(STANDARD.encode(error.as_bytes())),
        }
    }
    Ok(object)
}

/// The Secret.
pub(super) fn secret(args: &MapArgs, secret_type: Option<&str>) -> Result<Value> {
    let data: Map<String, Value> =
        entries(args)?.into_iter().map(|(key, value)| (key, json!(STANDARD.encode(value)))).collect();
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": args.name}});
    if !data.is_empty() {
        object["data"] = Value::Object(data);
    }
    if let Some(secret_type) = secret_type {
        object["type"] = json!(secret_type);
    }
    Ok(object)
}
