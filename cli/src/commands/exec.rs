//! `kubus exec`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_exec/>.

use super::pod_of;
use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::{fail, session};
use clap::Args;
use kubus_proto::ApiRequest;
use kubus_proto::kinds::pod;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;

/// Execute a command in a container
#[derive(Args, Clone, Debug)]
pub struct ExecArgs {
    /// POD or TYPE/NAME
    #[arg(value_name = "POD | TYPE/NAME")]
    pod: String,
    /// The command where it needs no --
    #[arg(value_name = "COMMAND", hide = true)]
    words: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// The container
    #[arg(short = 'c', long, value_name = "CONTAINER")]
    container: Option<String>,
    /// Pass stdin to the container
    #[arg(short = 'i', long)]
    stdin: bool,
    /// stdin is a terminal
    #[arg(short = 't', long)]
    tty: bool,
}

/// Runs the command.
pub async fn run(args: ExecArgs, context: &Context) -> Result<()> {
    let command: Vec<&String> = args.words.iter().chain(&args.command).collect();
    if command.is_empty() {
        fail!("you must specify at least one command for the container");
    }
    let target = pod_of::one(&args.pod, context).await?;
    let phase = target["status"]["phase"].as_str().unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        fail!("cannot exec into a container in a completed pod; current phase is {phase}");
    }
    let container = pod_of::container(&target, args.container.as_deref(), context)?;
    let tty = session::terminal_wanted(args.tty, args.stdin, context);
    let flag = |on: bool| if on { "true" } else { "" };
    let mut query = Query::new()
        .with("container", &container)
        .with("stdin", flag(args.stdin))
        .with("stdout", "true")
        // A terminal has one output only.
        .with("stderr", flag(!tty))
        .with("tty", flag(tty));
    for word in command {
        query = query.with("command", word);
    }
    let path = ResourcePath::of(&pod::ROW, context.namespace(), pod_of::name_of(&target), "exec");
    let mut request = ApiRequest::new(Method::Post, path);
    request.query = query.into_string();
    let duplex = session::open(request, context).await?;
    let code = session::run(args.stdin, tty, duplex, context).await?;
    if code != 0 {
        context.console.error_line(&format!("command terminated with exit code {code}"));
        return Err(CliError::Exit(code));
    }
    Ok(())
}
