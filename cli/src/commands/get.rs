//! `kubus get`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_get/>.

use crate::context::{Context, Query, TABLE_ACCEPT};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::{self, FileArgs};
use crate::printer::{Output, TableOptions, TablePrinter, sort};
use crate::resource_args::ResourceArgs;
use crate::selection::{CHUNK_SIZE, SelectorArgs, list_all};
use clap::Args;
use futures::StreamExt;
use kubus_proto::path::ResourcePath;
use kubus_proto::{KindRow, Reason, codec};
use serde_json::{Value, json};

/// How often a watch that ended is begun anew.
const WATCH_RESTART_LIMIT: usize = 1_000;

/// Display one or many resources
#[derive(Args, Clone, Debug)]
pub struct GetArgs {
    /// TYPE[,TYPE] [NAME...] or TYPE/NAME...
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
    /// Output format: wide, yaml, json, name, jsonpath=..., custom-columns=...
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    /// After listing, watch for changes
    #[arg(short = 'w', long)]
    watch: bool,
    /// Watch for changes without listing first
    #[arg(long)]
    watch_only: bool,
    /// Labels that get a column of their own
    #[arg(short = 'L', long, value_name = "LABEL", value_delimiter = ',')]
    label_columns: Vec<String>,
    /// Show all labels as the last column
    #[arg(long)]
    show_labels: bool,
    /// Put the kind in front of the name
    #[arg(long)]
    show_kind: bool,
    /// List the objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Sort by a field, e.g. --sort-by=.metadata.creationTimestamp
    #[arg(long, value_name = "JSONPATH")]
    sort_by: Option<String>,
    /// Print no headers
    #[arg(long)]
    no_headers: bool,
    /// Do not fail when an object is not there
    #[arg(long)]
    ignore_not_found: bool,
    /// Show managedFields in yaml and json
    #[arg(long)]
    show_managed_fields: bool,
    /// Objects asked for at once of a long list, 0 for all
    #[arg(long, value_name = "N", default_value_t = CHUNK_SIZE)]
    chunk_size: usize,
}

/// Objects of one kind that are asked for: some by name, or all.
struct Group {
    row: &'static KindRow,
    namespace: String,
    names: Vec<String>,
}

/// Runs the command.
pub async fn run(args: GetArgs, context: &Context) -> Result<()> {
    let output = Output::parse(args.output.as_deref())?;
    let mut errors = Vec::new();
    let (groups, several_kinds) = groups(&args, context, &mut errors).await?;
    if args.watch || args.watch_only {
        CliError::all(errors)?;
        return watch(&args, context, &output, &groups).await;
    }
    let printed = if output.is_table() && args.sort_by.is_none() {
        tables(&args, context, &output, &groups, several_kinds, &mut errors).await?
    } else {
        objects(&args, context, &output, &groups, several_kinds, &mut errors).await?
    };
    if args.ignore_not_found {
        errors.retain(|error| !error.is(Reason::NotFound));
    }
    if !printed && errors.is_empty() && !args.ignore_not_found {
        let everywhere = args.all_namespaces || !groups.iter().all(|group| group.row.namespaced);
        context.console.error_line(&if everywhere {
            "No resources found".to_owned()
        } else {
            format!("No resources found in {} namespace.", context.namespace())
        });
    }
    CliError::all(errors)
}

async fn groups(args: &GetArgs, context: &Context, errors: &mut Vec<CliError>) -> Result<(Vec<Group>, bool)> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |row: &'static KindRow, namespace: String, name: Option<String>| {
        let all = name.is_none();
        match groups.last_mut() {
            Some(last) if std::ptr::eq(last.row, row) && last.namespace == namespace && !all => last.names.extend(name),
            _ => groups.push(Group { row, namespace, names: name.into_iter().collect() }),
        }
    };
    if args.files.is_empty() {
        let named = ResourceArgs::parse(&args.resources, context).await?;
        if named.is_empty() {
            context.console.error_line(
                "You must specify the type of resource to get. Use \"kubus api-resources\" for a complete list of \
                 supported resources.\n",
            );
            fail!("Required resource not specified.\nSee 'kubus get -h' for help and examples");
        }
        if named.has_names() && !args.selectors.is_empty() {
            fail!("name cannot be provided when a selector is specified");
        }
        if named.has_names() && args.all_namespaces {
            fail!("a resource cannot be retrieved by name across all namespaces");
        }
        for arg in named.args {
            let namespace = if args.all_namespaces { String::new() } else { context.namespace_of(arg.row) };
            add(arg.row, namespace, arg.name);
        }
    } else {
        if !args.resources.is_empty() {
            fail!("when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well");
        }
        let (manifests, wrong) = manifest::read(&args.files, context).await?;
        errors.extend(wrong);
        for manifest in manifests {
            let namespace = manifest.namespace(context.explicit_namespace.as_deref())?;
            add(manifest.row, namespace, Some(manifest.name().to_owned()));
        }
    }
    let of_several_kinds = groups.iter().any(|group| !std::ptr::eq(group.row, groups[0].row));
    Ok((groups, of_several_kinds || matches!(args.resources.as_slice(), [all] if all == "all")))
}

fn table_options(args: &GetArgs, output: &Output, row: &KindRow, several_kinds: bool) -> TableOptions {
    TableOptions {
        wide: matches!(output, Output::Table { wide: true }),
        namespace: args.all_namespaces && row.namespaced,
        kind: args.show_kind || several_kinds,
        labels: args.show_labels,
        label_columns: args.label_columns.clone(),
        no_headers: args.no_headers,
    }
}

/// Prints the server's tables. Gives whether there was a row.
async fn tables(
    args: &GetArgs,
    context: &Context,
    output: &Output,
    groups: &[Group],
    several_kinds: bool,
    errors: &mut Vec<CliError>,
) -> Result<bool> {
    let mut printed = false;
    for group in groups {
        let mut printer = TablePrinter::new(group.row, table_options(args, output, group.row, several_kinds));
        let mut print = |printer: &mut TablePrinter| {
            let text = printer.flush();
            if !text.is_empty() {
                // A table after another stands apart, unless there are no headers to tell them apart by.
                context.console.print(&if printed && !args.no_headers { format!("\n{text}") } else { text });
                printed = true;
            }
        };
        for name in &group.names {
            let path = ResourcePath::of(group.row, &group.namespace, name, "");
            match context.get_path(&path, Query::new(), TABLE_ACCEPT).await {
                Ok(table) => add_answer(&mut printer, table, context),
                Err(error) => errors.push(error),
            }
        }
        if group.names.is_empty() {
            let path = ResourcePath::of(group.row, &group.namespace, "", "");
            let mut token = String::new();
            loop {
                let limit = if args.chunk_size == 0 { String::new() } else { args.chunk_size.to_string() };
                let query = args.selectors.query()?.with("limit", limit).with("continue", &token);
                match context.get_path(&path, query, TABLE_ACCEPT).await {
                    Ok(table) => {
                        token = table["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
                        add_answer(&mut printer, table, context);
                    }
                    Err(error @ CliError::Api(_)) => {
                        errors.push(error);
                        break;
                    }
                    Err(error) => return Err(error),
                }
                if token.is_empty() {
                    break;
                }
            }
        }
        print(&mut printer);
    }
    Ok(printed)
}

/// A Table, or (from a server that has none for the kind) the object itself.
fn add_answer(printer: &mut TablePrinter, answer: Value, context: &Context) {
    match (answer["kind"].as_str(), answer["items"].as_array()) {
        (Some("Table"), _) => printer.add(&answer),
        (_, Some(items)) => printer.add_objects(items, context.now()),
        _ => printer.add_objects(&[answer], context.now()),
    }
}

/// Prints whole objects. Gives whether anything was printed.
async fn objects(
    args: &GetArgs,
    context: &Context,
    output: &Output,
    groups: &[Group],
    several_kinds: bool,
    errors: &mut Vec<CliError>,
) -> Result<bool> {
    let mut found: Vec<(&'static KindRow, Value)> = Vec::new();
    let mut is_list = groups.len() > 1;
    for group in groups {
        is_list |= group.names.len() != 1;
        if group.names.is_empty() {
            let query = args.selectors.query()?;
            match list_all(context, group.row, &group.namespace, query, args.chunk_size).await {
                Ok(list) => found.extend(list.items.into_iter().map(|item| (group.row, item))),
                Err(error @ CliError::Api(_)) => errors.push(error),
                Err(error) => return Err(error),
            }
        }
        for name in &group.names {
            let path = ResourcePath::of(group.row, &group.namespace, name, "");
            match context.get_path(&path, Query::new(), codec::JSON).await {
                Ok(object) => found.push((group.row, object)),
                Err(error) => errors.push(error),
            }
        }
    }
    if let Some(path) = &args.sort_by {
        found = sorted(found, path)?;
    }
    if output.is_table() {
        let mut printed = false;
        for group in groups {
            let of_group: Vec<Value> =
                found.iter().filter(|(row, _)| std::ptr::eq(*row, group.row)).map(|(_, o)| o.clone()).collect();
            let mut printer = TablePrinter::new(group.row, table_options(args, output, group.row, several_kinds));
            printer.add_objects(&of_group, context.now());
            let text = printer.flush();
            context.console.print(&if printed && !text.is_empty() { format!("\n{text}") } else { text });
            printed |= !of_group.is_empty();
        }
        return Ok(printed);
    }
    let mut objects: Vec<Value> = found.into_iter().map(|(_, object)| object).collect();
    if !args.show_managed_fields {
        objects.iter_mut().for_each(without_managed_fields);
    }
    if !is_list {
        return Ok(match objects.first() {
            Some(object) => {
                context.console.print(&output.render(object)?);
                true
            }
            None => false,
        });
    }
    if objects.is_empty() && (args.ignore_not_found || matches!(output, Output::Name) || !errors.is_empty()) {
        return Ok(false);
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects});
    context.console.print(&output.render(&list)?);
    Ok(true)
}

fn sorted(found: Vec<(&'static KindRow, Value)>, path: &str) -> Result<Vec<(&'static KindRow, Value)>> {
    // Sorting looks at the object only; its kind travels in its place in the list.
    let rows: Vec<&'static KindRow> = found.iter().map(|(row, _)| *row).collect();
    let mut objects: Vec<Value> = found.into_iter().map(|(_, object)| object).collect();
    sort::sort_by(&mut objects, path)?;
    Ok(objects
        .into_iter()
        .map(|object| {
            let row = rows.iter().find(|row| object["kind"] == row.kind).copied().unwrap_or(rows[0]);
            (row, object)
        })
        .collect())
}

fn without_managed_fields(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
}

/// Prints what is there (unless `--watch-only`) and then each change as it comes.
async fn watch(args: &GetArgs, context: &Context, output: &Output, groups: &[Group]) -> Result<()> {
    let [group] = groups else { fail!("you may only specify a single resource type") };
    let mut query = args.selectors.query()?;
    match group.names.as_slice() {
        [] => {}
        [name] => query = Query::new().with("fieldSelector", format!("metadata.name={name}")),
        _ => fail!("you may only watch one object, or all of a kind"),
    }
    if let [name] = group.names.as_slice() {
        // An object that is not there is an error, as without a watch.
        context.get(group.row, &group.namespace, name).await?;
    }
    let mut printer = TablePrinter::new(group.row, table_options(args, output, group.row, false));
    let mut print = |objects: &[Value]| -> Result<()> {
        if output.is_table() {
            printer.add_objects(objects, context.now());
            context.console.print(&printer.flush());
        } else {
            for object in objects {
                let mut object = object.clone();
                without_managed_fields(&mut object);
                let separator = if matches!(output, Output::Yaml) { "---\n" } else { "" };
                context.console.print(&format!("{separator}{}", output.render(&object)?));
            }
        }
        Ok(())
    };
    let list = list_all(context, group.row, &group.namespace, query.clone(), args.chunk_size).await?;
    if !args.watch_only {
        print(&list.items)?;
    }
    let mut version = list.resource_version;
    let path = ResourcePath::of(group.row, &group.namespace, "", "");
    for _ in 0..WATCH_RESTART_LIMIT {
        let watched = query.clone().with("watch", "true").with("resourceVersion", &version).into_string();
        match follow(context, &path, watched, &mut version, &mut print).await {
            Err(error) if error.is(Reason::Expired) || error.is(Reason::Gone) => {
                // The change log does not reach back that far: what is newer than what was seen is printed at once.
                let list = list_all(context, group.row, &group.namespace, query.clone(), args.chunk_size).await?;
                let revision = |text: &str| text.parse::<u64>().unwrap_or(0);
                let seen = revision(&version);
                let newer = |o: &&Value| revision(o["metadata"]["resourceVersion"].as_str().unwrap_or_default()) > seen;
                print(&list.items.iter().filter(newer).cloned().collect::<Vec<_>>())?;
                version = list.resource_version;
            }
            result => result?,
        }
        if context.console.is_closed() || cfg!(test) {
            break;
        }
    }
    Ok(())
}

/// Prints changes until the watch ends; `version` is that of the last one.
async fn follow(
    context: &Context,
    path: &str,
    query: String,
    version: &mut String,
    print: &mut impl FnMut(&[Value]) -> Result<()>,
) -> Result<()> {
    let mut changes = context.server.watch(path.to_owned(), query).await?;
    while let Some(change) = changes.next().await {
        let change = change?;
        if let Some(revision) = change.object["metadata"]["resourceVersion"].as_str() {
            revision.clone_into(version);
        }
        print(&[change.object])?;
        if context.console.is_closed() {
            break;
        }
    }
    Ok(())
}
