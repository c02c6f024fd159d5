//! The command line: global flags and one row a command.

use crate::cluster;
use crate::commands;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// `--help` of the whole program: commands in kubectl's groups.
const HELP: &str = "\
{about}

Cluster on this machine:
  up             Start a cluster of real processes, or change the one that runs
  down           Stop it
  node           List, add, stop, start and delete nodes

Basic commands:
  create         Create a resource from a file or by flags
  get            Display one or many resources
  edit           Edit a resource in your editor
  delete         Delete resources by file, name, selector or all of a kind
  apply          Bring resources to what files say
  run            Run an image in a pod
  expose         Make a service of a workload
  autoscale      Let a workload be scaled by its load
  label          Update the labels of a resource
  annotate       Update the annotations of a resource
  set            Set fields of resources (image)
  scale          Set a new number of replicas
  rollout        Status, history, undo, restart, pause and resume of rollouts

Finding out:
  describe       Show details of a resource and its events
  explain        Get documentation for a resource and its fields
  events         List events
  logs           Print the logs of a container
  exec           Execute a command in a container
  attach         Attach to a running container
  port-forward   Forward local ports to a pod
  cp             Copy files to and from containers
  wait           Wait for a condition on resources

Cluster:
  cordon         Mark a node as unschedulable
  uncordon       Mark a node as schedulable
  drain          Empty a node
  taint          Update the taints of nodes
  cluster-info   Display where the cluster is and who leads it
  api-resources  Print the kinds there are
  api-versions   Print the API versions there are
  version        Print the versions of client and server
  config         Show the configuration this client uses
  completion     Output shell completion code (bash, zsh, fish)

Usage: {usage}

{options}

Use \"kubus <command> --help\" for more about a command.
";

/// Kubus: a Kubernetes whose parts talk over a NATS bus. The commands are kubectl's.
#[derive(Parser, Debug)]
#[command(name = "kubus", version = kubus_proto::VERSION, help_template = HELP, max_term_width = 110)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Namespace to work in
    #[arg(short = 'n', long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Folder of the cluster [default: ~/.kubus]
    #[arg(long, global = true, env = "KUBUS_HOME", hide_env_values = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Bus servers, instead of those in the credentials
    #[arg(
        short = 's',
        long,
        global = true,
        env = "KUBUS_SERVER",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub server: Vec<String>,
    /// Credentials file [default: <home>/credentials/admin.json]
    #[arg(long, global = true, env = "KUBUS_CREDENTIALS", hide_env_values = true, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// How long to wait for one answer, e.g. 10s [default: 4.5s]
    #[arg(long, global = true, value_parser = crate::watching::parse_duration, value_name = "DURATION")]
    pub request_timeout: Option<Duration>,
}

/// One row a command.
#[derive(Subcommand, Debug)]
#[allow(missing_docs, clippy::large_enum_variant)]
pub enum Command {
    Annotate(commands::annotate::AnnotateArgs),
    ApiResources(commands::api_resources::ApiResourcesArgs),
    /// Print the API versions there are
    ApiVersions,
    Apply(commands::apply::ApplyArgs),
    Attach(commands::attach::AttachArgs),
    Autoscale(commands::autoscale::AutoscaleArgs),
    /// Display where the cluster is and who leads it
    ClusterInfo,
    Completion(commands::completion::CompletionArgs),
    Config(commands::config::ConfigArgs),
    Cordon(commands::cordon::CordonArgs),
    Cp(commands::cp::CpArgs),
    Create(commands::create::CreateArgs),
    Delete(commands::delete::DeleteArgs),
    Describe(commands::describe::DescribeArgs),
    Down(cluster::DownArgs),
    Drain(commands::drain::DrainArgs),
    Edit(commands::edit::EditArgs),
    Events(commands::events::EventsArgs),
    Exec(commands::exec::ExecArgs),
    Explain(commands::explain::ExplainArgs),
    Expose(commands::expose::ExposeArgs),
    Get(commands::get::GetArgs),
    Label(commands::label::LabelArgs),
    Logs(commands::logs::LogsArgs),
    Node(cluster::NodeArgs),
    PortForward(commands::port_forward::PortForwardArgs),
    Rollout(commands::rollout::RolloutArgs),
    Run(commands::run::RunArgs),
    Scale(commands::scale::ScaleArgs),
    Set(commands::set::SetArgs),
    Taint(commands::taint::TaintArgs),
    Uncordon(commands::cordon::CordonArgs),
    Up(cluster::UpArgs),
    Version(commands::version::VersionArgs),
    Wait(commands::wait::WaitArgs),
}

/// The whole command line. Every flag may be given a value (`--overwrite=true`, `-A=false`), as in kubectl.
pub fn command() -> clap::Command {
    with_values(<Cli as clap::CommandFactory>::command())
}

fn with_values(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| match argument.get_action() {
        clap::ArgAction::SetTrue => argument
            .action(clap::ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .value_name("BOOL")
            .hide_possible_values(true)
            .default_value("false")
            .hide_default_value(true)
            .default_missing_value("true")
            .value_parser(clap::builder::BoolishValueParser::new()),
        _ => argument,
    });
    command.mut_subcommands(with_values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_whole() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(HELP.contains(&format!("\n  {name} ")), "{name} is missing in the help");
        }
    }

    #[test]
    fn flags_may_have_values() {
        let parse = |line: &str| {
            let matches = command().try_get_matches_from(line.split(' '))?;
            <Cli as clap::FromArgMatches>::from_arg_matches(&matches)
        };
        for line in [
            "kubus get po -A=true --no-headers=false",
            "kubus get po -A -w=false --show-labels",
            "kubus exec -it web -- sh",
            "kubus label no n1 a=b --overwrite=true",
            "kubus delete po x --ignore-not-found=true --force --now=false",
            "kubus logs -f=false web",
            "kubus get -A pods",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err().map(|error| error.to_string()));
        }
        assert!(parse("kubus get po -A=perhaps").is_err());
        for (line, purge) in [("kubus down", false), ("kubus down --purge", true), ("kubus down --purge=false", false)]
        {
            let Ok(Cli { command: Command::Down(arguments), .. }) = parse(line) else { panic!("{line}") };
            assert_eq!(arguments.purge, purge, "{line}");
        }
    }
}
