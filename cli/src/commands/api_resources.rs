//! `kubus api-resources` and `kubus api-versions`: the kinds table.

use crate::context::Context;
use crate::error::Result;
use crate::fail;
use crate::printer::tabwriter::TabWriter;
use clap::Args;
use kubus_proto::{KIND_TABLE, KindRow};

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
}

/// Runs `kubus api-resources`.
pub fn run(args: ApiResourcesArgs, context: &Context) -> Result<()> {
    let mut rows: Vec<&KindRow> = KIND_TABLE
        .iter()
        .copied()
        .filter(|row| args.namespaced.is_none_or(|namespaced| row.namespaced == namespaced))
        .filter(|row| args.api_group.as_deref().is_none_or(|group| row.group == group))
        .collect();
    rows.sort_by_key(|row| (row.group, row.plural));
    let wide = match args.output.as_deref() {
        None => false,
        Some("wide") => true,
        Some("name") => {
            rows.iter().for_each(|row| context.console.line(&row.qualified()));
            return Ok(());
        }
        Some(other) => fail!("--output {other} is not available"),
    };
    let mut writer = TabWriter::for_tables();
    if !args.no_headers {
        let more = if wide { "\tVERBS\tCATEGORIES" } else { "" };
        writer.write(&format!("NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND{more}\n"));
    }
    for row in rows {
        let mut line = format!(
            "{}\t{}\t{}\t{}\t{}",
            row.plural,
            row.short_names.join(","),
            row.api_version(),
            row.namespaced,
            row.kind
        );
        if wide {
            let verbs: Vec<&str> = row.verbs.iter().map(|verb| verb.as_str()).collect();
            line.push_str(&format!("\t{}\t{}", verbs.join(","), row.categories.join(",")));
        }
        writer.write(&format!("{line}\n"));
    }
    context.console.print(&writer.flush());
    Ok(())
}

/// Runs `kubus api-versions`.
pub fn versions(context: &Context) -> Result<()> {
    let mut versions: Vec<String> = KIND_TABLE
        .iter()
        .flat_map(|row| {
            row.versions().map(|v| if row.group.is_empty() { v.to_owned() } else { format!("{}/{v}", row.group) })
        })
        .collect();
    versions.sort();
    versions.dedup();
    versions.iter().for_each(|version| context.console.line(version));
    Ok(())
}
