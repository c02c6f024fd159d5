//! `kubus events`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_events/>.

use crate::context::{Context, Query};
use crate::describe::events::{interval, sort_events};
use crate::error::Result;
use crate::fail;
use crate::printer::tabwriter::TabWriter;
use crate::printer::{Output, sorted};
use crate::resource_args::ResourceArgs;
use crate::selection::{CHUNK_SIZE, list_all};
use clap::Args;
use futures::StreamExt;
use kubus_proto::event::ChangeType;
use kubus_proto::kinds::event;
use kubus_proto::path::ResourcePath;
use serde_json::{Value, json};

/// List events
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// The events of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only those of one object, e.g. pod/web
    #[arg(long = "for", value_name = "TYPE/NAME")]
    object: Option<String>,
    /// Only these types: Normal, Warning
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// After listing, watch for new ones
    #[arg(short = 'w', long)]
    watch: bool,
    /// Print no headers
    #[arg(long)]
    no_headers: bool,
    /// Output format: yaml, json
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Runs the command.
pub async fn run(args: EventsArgs, context: &Context) -> Result<()> {
    let output = Output::parse(args.output.as_deref())?;
    let mut fields = Vec::new();
    if let Some(object) = &args.object {
        match ResourceArgs::parse(std::slice::from_ref(object), context).await?.args.as_slice() {
            [arg] if arg.name.is_some() => {
                fields.push(format!("involvedObject.kind={}", arg.row.kind));
                fields.push(format!("involvedObject.name={}", arg.name.as_deref().unwrap_or_default()));
            }
            _ => fail!("--for must be in resource/name form"),
        }
    }
    let namespace = if args.all_namespaces { "" } else { context.namespace() };
    let query = Query::new().with("fieldSelector", fields.join(","));
    let wanted = |event: &Value| {
        args.types.is_empty()
            || args.types.iter().any(|kind| event["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(kind)))
    };
    let mut list = list_all(context, &event::ROW, namespace, query.clone(), CHUNK_SIZE).await?;
    list.items.retain(wanted);
    sort_events(&mut list.items);
    if !output.is_table() {
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": list.items});
        context.console.print(&output.render(&sorted(&list))?);
        return Ok(());
    }
    if list.items.is_empty() && !args.watch {
        let place = if args.all_namespaces {
            "No events found.".to_owned()
        } else {
            format!("No events found in {namespace} namespace.")
        };
        context.console.error_line(&place);
        return Ok(());
    }
    let mut writer = TabWriter::for_tables();
    if !args.no_headers {
        let first = if args.all_namespaces { "NAMESPACE\t" } else { "" };
        writer.write(&format!("{first}LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n"));
    }
    list.items.iter().for_each(|event| writer.write(&line(event, &args, context)));
    context.console.print(&writer.flush());
    if args.watch {
        let query = query.with("watch", "true").with("resourceVersion", &list.resource_version).into_string();
        let path = ResourcePath::of(&event::ROW, namespace, "", "");
        let mut changes = context.server.watch(path, query).await?;
        while let Some(change) = changes.next().await {
            let change = change?;
            if change.change != ChangeType::Deleted && wanted(&change.object) {
                writer.write(&line(&change.object, &args, context));
                context.console.print(&writer.flush());
            }
            if context.console.is_closed() {
                break;
            }
        }
    }
    Ok(())
}

fn line(event: &Value, args: &EventsArgs, context: &Context) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().replace(['\n', '\t'], " ");
    let involved = &event["involvedObject"];
    let namespace =
        if args.all_namespaces { format!("{}\t", text(&event["metadata"]["namespace"])) } else { String::new() };
    format!(
        "{namespace}{}\t{}\t{}\t{}/{}\t{}\n",
        interval(event, context.now()),
        text(&event["type"]),
        text(&event["reason"]),
        text(&involved["kind"]),
        text(&involved["name"]),
        text(&event["message"]).trim(),
    )
}
