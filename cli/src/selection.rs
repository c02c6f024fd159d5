//! The objects a command works on: by name, by `-f`, by `-l` or `--all`.

use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::{self, FileArgs};
use crate::resource_args::ResourceArgs;
use clap::Args;
use kubus_proto::KindRow;
use kubus_proto::selector::{FieldSelector, Selector};
use serde_json::{Value, json};

/// Objects asked for at once of a long list.
pub const CHUNK_SIZE: usize = 500;
/// A list that is longer than this many chunks is given up.
const CHUNK_LIMIT: usize = 10_000;

/// Which objects of a kind
#[derive(Args, Clone, Debug, Default)]
pub struct SelectorArgs {
    /// Label selector, e.g. -l app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Field selector, e.g. --field-selector status.phase=Running
    #[arg(long, value_name = "SELECTOR")]
    pub field_selector: Option<String>,
}

impl SelectorArgs {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.selector.is_none() && self.field_selector.is_none()
    }

    /// The query parameters; a selector that cannot be read is an error before anything is asked.
    pub fn query(&self) -> Result<Query> {
        let refused = |e: kubus_proto::selector::SelectorError| CliError::message(e.to_string());
        Selector::parse(self.selector.as_deref().unwrap_or_default()).map_err(refused)?;
        FieldSelector::parse(self.field_selector.as_deref().unwrap_or_default()).map_err(refused)?;
        Ok(Query::new()
            .with("labelSelector", self.selector.as_deref().unwrap_or_default())
            .with("fieldSelector", self.field_selector.as_deref().unwrap_or_default()))
    }
}

/// An object that was found.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Row of its kind.
    pub row: &'static KindRow,
    /// The object.
    pub object: Value,
    /// File it was named by, empty where it was not.
    pub source: String,
}

impl Selected {
    /// Its name.
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Its namespace, empty for cluster-wide kinds.
    pub fn namespace(&self) -> &str {
        self.object["metadata"]["namespace"].as_str().unwrap_or_default()
    }
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// `TYPE NAME…`, `TYPE/NAME…`
    pub words: &'a [String],
    /// `-f`
    pub files: &'a FileArgs,
    /// `-l`
    pub selectors: &'a SelectorArgs,
    /// `--all`
    pub all: bool,
    /// `-A`
    pub all_namespaces: bool,
}

/// Finds the objects. What is not there is in the second list; a command goes on with the others.
pub async fn select(context: &Context, selection: &Selection<'_>) -> Result<(Vec<Selected>, Vec<CliError>)> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    if !selection.files.is_empty() {
        if !selection.words.is_empty() {
            fail!("when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well");
        }
        let (manifests, wrong) = manifest::read(selection.files, context).await?;
        errors.extend(wrong);
        for manifest in manifests {
            let namespace = manifest.namespace(context.explicit_namespace.as_deref())?;
            match context.get(manifest.row, &namespace, manifest.name()).await {
                Ok(object) => found.push(Selected { row: manifest.row, object, source: manifest.source }),
                Err(error) => errors.push(error),
            }
        }
        return Ok((found, errors));
    }
    let args = ResourceArgs::parse(selection.words, context).await?;
    if args.is_empty() {
        fail!("one or more resources must be specified as <resource> <name> or <resource>/<name>");
    }
    if args.has_names() && (!selection.selectors.is_empty() || selection.all) {
        fail!("name cannot be provided when a selector is specified");
    }
    if args.has_kinds() && selection.selectors.is_empty() && !selection.all {
        fail!("resource(s) were provided, but no name was specified");
    }
    for arg in args.args {
        match arg.name {
            Some(name) => match context.get(arg.row, &context.namespace_of(arg.row), &name).await {
                Ok(object) => found.push(Selected { row: arg.row, object, source: String::new() }),
                Err(error) => errors.push(error),
            },
            None => {
                let namespace = if selection.all_namespaces { String::new() } else { context.namespace_of(arg.row) };
                let list = list_all(context, arg.row, &namespace, selection.selectors.query()?, CHUNK_SIZE).await?;
                found.extend(list.items.into_iter().map(|object| Selected {
                    row: arg.row,
                    object,
                    source: String::new(),
                }));
            }
        }
    }
    Ok((found, errors))
}

/// A whole list.
#[derive(Debug, Default)]
pub struct ObjectList {
    /// Its objects, each with kind and version.
    pub items: Vec<Value>,
    /// Revision to watch from.
    pub resource_version: String,
}

/// Reads a list in chunks (0 for all at once). An empty namespace means all of them.
pub async fn list_all(
    context: &Context,
    row: &KindRow,
    namespace: &str,
    query: Query,
    chunk_size: usize,
) -> Result<ObjectList> {
    let mut all = ObjectList::default();
    let mut token = String::new();
    for _ in 0..CHUNK_LIMIT {
        let limit = if chunk_size == 0 { String::new() } else { chunk_size.to_string() };
        let query = query.clone().with("limit", limit).with("continue", &token);
        let mut list = context.list(row, namespace, query).await?;
        all.resource_version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        if let Value::Array(items) = list["items"].take() {
            all.items.extend(items.into_iter().map(|mut item| {
                // Items of a typed list leave out what the list says; alone they must say it.
                item["apiVersion"] = json!(row.api_version());
                item["kind"] = json!(row.kind);
                item
            }));
        }
        token = list["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            return Ok(all);
        }
    }
    fail!("the list of {} does not end", row.plural)
}
