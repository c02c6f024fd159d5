//! `kubus api-resources`: the kinds that the server says it serves.

use crate::context::Context;
use crate::discovery::{self, Resource};
use crate::error::Result;
use crate::fail;
use crate::printer::tabwriter::TabWriter;
use clap::Args;

/// Print the kinds there are
#[derive(Args, Clone, Debug)]
pub struct ApiResourcesArgs {
    /// Output format: wide, name
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    /// Print no headers
    #[arg(long)]
    no_headers: bool,
    /// Only kinds that live in namespaces, or only those that do not
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    namespaced: Option<bool>,
    /// Only kinds of one API group
    #[arg(long, value_name = "GROUP")]
    api_group: Option<String>,
    /// Only kinds that all of these can be done with, e.g. list,watch
    #[arg(long, value_delimiter = ',', value_name = "VERBS")]
    verbs: Vec<String>,
    /// Only kinds that are in all of these categories
    #[arg(long, value_delimiter = ',', value_name = "CATEGORIES")]
    categories: Vec<String>,
    /// Sort by name or by kind, not by group
    #[arg(long, value_name = "FIELD")]
    sort_by: Option<String>,
    /// The kinds the server told before are as good (they are asked for all the same)
    #[arg(long, hide = true)]
    cached: bool,
}

/// Runs the command.
pub async fn run(args: ApiResourcesArgs, context: &Context) -> Result<()> {
    let output = args.output.as_deref().unwrap_or_default();
    if !matches!(output, "" | "wide" | "name") {
        fail!("--output {output} is not available");
    }
    let sort: fn(&Resource) -> &str = match args.sort_by.as_deref() {
        None | Some("") => |resource| &resource.group,
        Some("name") => |resource| &resource.plural,
        Some("kind") => |resource| &resource.kind,
        Some(_) => fail!("--sort-by accepts only name or kind"),
    };
    let mut resources = discovery::fetch(context).await?;
    resources.retain(|resource| {
        let all = |wanted: &[String], has: &[String]| wanted.iter().all(|name| has.contains(name));
        resource.preferred
            && args.namespaced.is_none_or(|namespaced| resource.namespaced == namespaced)
            && args.api_group.as_deref().is_none_or(|group| resource.group == group)
            && all(&args.verbs, &resource.verbs)
            && all(&args.categories, &resource.categories)
    });
    resources.sort_by(|a, b| (sort(a), &a.plural).cmp(&(sort(b), &b.plural)));
    if output == "name" {
        resources.iter().for_each(|resource| context.console.line(&resource.qualified()));
        return Ok(());
    }
    context.console.print(&table(&resources, output == "wide", !args.no_headers));
    Ok(())
}

fn table(resources: &[Resource], wide: bool, headers: bool) -> String {
    let mut writer = TabWriter::for_tables();
    if headers {
        let more = if wide { "\tVERBS\tCATEGORIES" } else { "" };
        writer.write(&format!("NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND{more}\n"));
    }
    for resource in resources {
        let mut line = format!(
            "{}\t{}\t{}\t{}\t{}",
            resource.plural,
            resource.short_names.join(","),
            resource.api_version(),
            resource.namespaced,
            resource.kind
        );
        if wide {
            line.push_str(&format!("\t{}\t{}", resource.verbs.join(","), resource.categories.join(",")));
        }
        writer.write(&format!("{line}\n"));
    }
    writer.flush()
}
