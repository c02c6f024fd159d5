//! `kubus completion`.

use crate::context::Context;
use crate::error::Result;
use crate::grammar::Cli;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Output shell completion code
#[derive(Args, Clone, Debug)]
pub struct CompletionArgs {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
}

/// Runs the command.
pub async fn run(args: CompletionArgs, context: &Context) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kubus", &mut script);
    context.console.write(&script);
    Ok(())
}
