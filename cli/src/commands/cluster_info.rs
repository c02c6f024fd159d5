//! `kubus cluster-info`: where the bus is and who leads the apiservers.

use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::grammar::GlobalArgs;
use kubus_proto::codec;
use kubus_proto::server_status::{STATUS_PATH, ServerStatus};

/// Runs the command.
pub async fn run(global: &GlobalArgs, context: &Context) -> Result<()> {
    let answer = context.get_path(STATUS_PATH, Query::new(), codec::JSON).await?;
    let status: ServerStatus = serde_json::from_value(answer)
        .map_err(|error| CliError::message(format!("the apiserver gave a status that is none: {error}")))?;
    let servers = global.credentials()?.servers.join(", ");
    let leader = match status.leader {
        Some(leader) => format!("apiserver {leader} of {} leads", status.members.len()),
        None => "no apiserver leads".to_owned(),
    };
    context
        .console
        .line(&format!("Kubus control plane is running at {servers} ({leader}, revision {})", status.revision));
    if !status.read_only.is_empty() {
        context.console.line(&format!("It takes no writes: {}", status.read_only));
    }
    context
        .console
        .line("\nTo further debug and diagnose cluster problems, use 'kubus get nodes' and 'kubus events -A'.");
    Ok(())
}
