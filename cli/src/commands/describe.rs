//! `kubus describe`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_describe/>.

use crate::context::Context;
use crate::describe;
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::resource_args::ResourceArgs;
use crate::selection::{CHUNK_SIZE, Selected, Selection, SelectorArgs, list_all, select};
use clap::Args;
use kubus_proto::Reason;

/// Show details of a resource and its events
#[derive(Args, Clone, Debug)]
pub struct DescribeArgs {
    /// TYPE [NAME...] or TYPE/NAME...; a name may be cut short
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
    /// The objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Show the events too
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    show_events: bool,
}

/// Runs the command.
pub async fn run(args: DescribeArgs, context: &Context) -> Result<()> {
    let named = ResourceArgs::parse(&args.resources, context).await?;
    if named.is_empty() && args.files.is_empty() {
        fail!(
            "You must specify the type of resource to describe. Use \"kubus api-resources\" for a complete list of supported resources."
        );
    }
    let selection = Selection {
        words: &args.resources,
        files: &args.files,
        selectors: &args.selectors,
        // A kind alone means all of it.
        all: named.has_kinds(),
        all_namespaces: args.all_namespaces,
    };
    let (mut objects, mut errors) = select(context, &selection).await?;
    if let Some(found) = by_prefix(&named, &objects, &errors, context).await? {
        (objects, errors) = (found, Vec::new());
    }
    if objects.is_empty() && errors.is_empty() {
        context.console.error_line(&format!("No resources found in {} namespace.", context.namespace()));
    }
    for (i, selected) in objects.iter().enumerate() {
        match describe::describe(selected.row, &selected.object, args.show_events, context).await {
            Ok(text) if i == 0 => context.console.print(&text),
            // Descriptions are two empty lines apart.
            Ok(text) => context.console.print(&format!("\n\n{text}")),
            Err(error) => errors.push(error),
        }
    }
    CliError::all(errors)
}

/// Objects whose names begin with the one name that was given and is nobody's.
async fn by_prefix(
    named: &ResourceArgs,
    found: &[Selected],
    errors: &[CliError],
    context: &Context,
) -> Result<Option<Vec<Selected>>> {
    let ([arg], true) = (named.args.as_slice(), found.is_empty()) else { return Ok(None) };
    let (Some(prefix), [error]) = (&arg.name, errors) else { return Ok(None) };
    if !error.is(Reason::NotFound) {
        return Ok(None);
    }
    let namespace = context.namespace_of(arg.row);
    let list = list_all(context, arg.row, &namespace, crate::context::Query::new(), CHUNK_SIZE).await?;
    let matching: Vec<Selected> = list
        .items
        .into_iter()
        .filter(|object| object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(prefix.as_str())))
        .map(|object| Selected { row: arg.row, object, source: String::new() })
        .collect();
    Ok((!matching.is_empty()).then_some(matching))
}
