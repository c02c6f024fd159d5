//! `kubus create quota NAME --hard=cpu=1,pods=2 [--scopes=BestEffort]`.

use crate::error::{CliError, Result};
use clap::Args;
use serde_json::{Map, Value, json};

/// A resource quota by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct QuotaArgs {
    /// Its name
    name: String,
    /// Most of each resource
    #[arg(long, value_name = "RESOURCE=AMOUNT", value_delimiter = ',')]
    hard: Vec<String>,
    /// Which pods it counts
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
}

/// The object.
pub(super) fn object(args: &QuotaArgs) -> Result<Value> {
    let hard = args.hard.iter().map(|pair| {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            CliError::message(format!("invalid argument syntax {pair:?}, expected <resource>=<value>"))
        })?;
        Ok((key.to_owned(), json!(value)))
    });
    let hard = hard.collect::<Result<Map<_, _>>>()?;
    let mut spec = Map::new();
    if !hard.is_empty() {
        spec.insert("hard".to_owned(), Value::Object(hard));
    }
    if !args.scopes.is_empty() {
        spec.insert("scopes".to_owned(), json!(args.scopes));
    }
    Ok(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": args.name}, "spec": spec}))
}
