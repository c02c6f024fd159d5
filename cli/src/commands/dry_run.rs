//! `--dry-run` and what it adds to messages.

use crate::context::Query;
use clap::{Args, ValueEnum};

/// Where a dry run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// It is no dry run.
    #[default]
    None,
    /// Before anything is sent.
    Client,
    /// On the server, before anything is stored.
    Server,
}

/// Whether anything is changed
#[derive(Args, Clone, Debug, Default)]
pub struct DryRunArgs {
    /// Only print what would be sent (client), or send it without storing it (server)
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "client")]
    pub dry_run: DryRun,
}

impl DryRunArgs {
    /// Whether nothing is sent.
    pub fn is_client(&self) -> bool {
        self.dry_run == DryRun::Client
    }

    /// The query of a changing request.
    pub fn query(&self) -> Query {
        Query::new().with("dryRun", if self.dry_run == DryRun::Server { "All" } else { "" })
    }

    /// `configured` with what a dry run adds to it.
    pub fn message(&self, text: &str) -> String {
        match self.dry_run {
            DryRun::None => text.to_owned(),
            DryRun::Client => format!("{text} (dry run)"),
            DryRun::Server => format!("{text} (server dry run)"),
        }
    }
}
