//! `kubus completion`: the commands, their flags, and the names of the kinds that are known here.

use crate::context::Context;
use crate::error::Result;
use crate::grammar::Cli;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command, CommandFactory};
use clap_complete::Shell;

/// Arguments that begin with the name of a kind.
const KIND_ARGUMENTS: &[&str] = &["resource", "resources"];

/// Output shell completion code
#[derive(Args, Clone, Debug)]
pub struct CompletionArgs {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
}

/// Runs the command. Shells do so when they start, so nobody is asked: the kinds are those of the table, and those the
/// server told lately.
pub fn run(args: CompletionArgs, context: &Context) -> Result<()> {
    let mut script = Vec::new();
    // A grammar holds only what lives as long as the process, which ends after this.
    let kinds: Vec<&str> = context.kinds.plurals_known_here().into_iter().map(|kind| &*kind.leak()).collect();
    let kinds: &'static [&'static str] = kinds.leak();
    let mut grammar = with_kinds(Cli::command(), kinds);
    clap_complete::generate(args.shell, &mut grammar, "kubus", &mut script);
    if args.shell == Shell::Fish {
        script.extend_from_slice(fish_kinds(&grammar, kinds).as_bytes());
    }
    context.console.write(&script);
    Ok(())
}

fn names_a_kind(argument: &Arg) -> bool {
    argument.is_positional() && KIND_ARGUMENTS.contains(&argument.get_id().as_str())
}

/// What the generator leaves out for this shell: it writes nothing for arguments without a flag.
fn fish_kinds(command: &Command, kinds: &[&str]) -> String {
    let commands = command.get_subcommands().filter(|command| command.get_arguments().any(names_a_kind));
    let line = |command: &Command| {
        let name = command.get_name();
        format!("complete -c kubus -n \"__fish_kubus_using_subcommand {name}\" -f -a \"{}\"\n", kinds.join(" "))
    };
    commands.map(line).collect()
}

fn with_kinds(command: Command, kinds: &'static [&'static str]) -> Command {
    let command = command.mut_args(|argument| {
        if names_a_kind(&argument) { argument.value_parser(PossibleValuesParser::new(kinds)) } else { argument }
    });
    command.mut_subcommands(|command| with_kinds(command, kinds))
}
