//! `kubus api-versions`: the versions of the groups that the server says it serves.

use crate::context::Context;
use crate::discovery;
use crate::error::Result;
use std::collections::BTreeSet;

/// Runs the command.
pub async fn run(context: &Context) -> Result<()> {
    let versions: BTreeSet<String> =
        discovery::fetch(context).await?.iter().map(discovery::Resource::api_version).collect();
    versions.iter().for_each(|version| context.console.line(version));
    Ok(())
}
