//! `kubus version`.

use crate::context::{Context, Query};
use crate::error::Result;
use crate::fail;
use crate::printer::Output;
use clap::Args;
use kubus_proto::{VERSION, codec};
use serde_json::json;

/// Print the versions of client and server
#[derive(Args, Clone, Debug)]
pub struct VersionArgs {
    /// Only the client's
    #[arg(long)]
    client: bool,
    /// Output format: yaml, json
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Runs the command.
pub async fn run(args: VersionArgs, context: &Context) -> Result<()> {
    let output = Output::parse(args.output.as_deref())?;
    let mut version = json!({"clientVersion": {"gitVersion": VERSION, "major": "1", "minor": "36"}});
    let server =
        if args.client { Ok(None) } else { context.get_path("/version", Query::new(), codec::JSON).await.map(Some) };
    if let Ok(Some(server)) = &server {
        version["serverVersion"] = server.clone();
    }
    match output {
        Output::Table { .. } => {
            context.console.line(&format!("Client Version: {VERSION}"));
            if let Some(text) = version["serverVersion"]["gitVersion"].as_str() {
                context.console.line(&format!("Server Version: {text}"));
            }
        }
        Output::Yaml | Output::Json => context.console.print(&output.render(&version)?),
        _ => fail!("--output must be 'yaml' or 'json'"),
    }
    // The client's version is told even where no server answers.
    server.map(|_| ())
}
