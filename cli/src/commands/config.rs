//! `kubus config`: what this client uses, in the form of a kubeconfig. There is one context: the home.

use crate::context::Context;
use crate::error::Result;
use crate::grammar::GlobalArgs;
use crate::printer::Output;
use clap::{Args, Subcommand};
use serde_json::json;

/// Show the configuration this client uses
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: ConfigCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ConfigCommand {
    /// Show all of it
    View {
        /// Output format: yaml, json, jsonpath=...
        #[arg(short = 'o', long, value_name = "FORMAT", default_value = "yaml")]
        output: String,
    },
    /// Show the name of the context
    CurrentContext,
}

const CONTEXT_NAME: &str = "kubus";

/// Runs the command.
pub fn run(args: ConfigArgs, global: &GlobalArgs, context: &Context) -> Result<()> {
    let ConfigCommand::View { output } = args.what else {
        context.console.line(CONTEXT_NAME);
        return Ok(());
    };
    let credentials = global.credentials()?;
    let view = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": CONTEXT_NAME,
            "cluster": {"certificate-authority-data": "DATA+OMITTED", "server": credentials.servers.join(",")},
        }],
        "contexts": [{
            "name": CONTEXT_NAME,
            "context": {
                "cluster": CONTEXT_NAME, "user": credentials.identity, "namespace": context.namespace(),
            },
        }],
        "current-context": CONTEXT_NAME,
        "preferences": {"home": global.home()?, "credentials": global.credentials_path()?},
        "users": [{"name": credentials.identity, "user": {"token": "REDACTED"}}],
    });
    context.console.print(&Output::parse(Some(&output))?.render(&view)?);
    Ok(())
}
