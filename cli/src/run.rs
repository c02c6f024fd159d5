//! From words on a command line to an exit code.

use crate::commands;
use crate::console::Console;
use crate::context::Context;
use crate::error::{CliError, Result};
use crate::grammar::{Cli, Command, GlobalArgs};
use crate::known_kinds::KnownKinds;
use crate::server::BusServer;
use crate::{cluster, fail, grammar};
use clap::FromArgMatches;
use jiff::{Timestamp, tz::TimeZone};
use std::path::PathBuf;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Runs the process' own command line and gives its exit code.
pub fn main() -> i32 {
    // Logs would stand among what commands print; who looks for a fault asks for them.
    let filter = EnvFilter::try_from_env("KUBUS_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return 1;
        }
    };
    let code = runtime.block_on(async {
        let console = Arc::new(Console::standard());
        let cli = match parse(std::env::args_os(), &console) {
            Ok(cli) => cli,
            Err(code) => return code,
        };
        let global = cli.global.clone();
        let timeout = global.request_timeout.filter(|timeout| !timeout.is_zero());
        // Another cluster than that of the home has kinds of its own.
        let elsewhere = global.credentials.is_some() || !global.server.is_empty();
        let kinds = match global.home() {
            Ok(home) if !elsewhere => KnownKinds::kept_in(home.join("cache").join("kinds.json")),
            _ => KnownKinds::default(),
        };
        let server = BusServer::new(move || global.credentials(), timeout);
        let context = Context {
            server: Arc::new(server),
            console,
            kinds: Arc::new(kinds),
            explicit_namespace: None,
            clock: Timestamp::now,
            zone: TimeZone::system(),
        };
        run(cli, context).await
    });
    // A thread may still wait for input that nobody will type; it must not hold the process.
    runtime.shutdown_background();
    code
}

/// Runs any command line against any cluster.
#[cfg(test)]
pub(crate) async fn run_words<'a>(words: impl Iterator<Item = &'a str>, context: Context) -> i32 {
    match parse(words.map(Into::into), &context.console) {
        Ok(cli) => run(cli, context).await,
        Err(code) => code,
    }
}

fn parse(words: impl IntoIterator<Item = std::ffi::OsString>, console: &Console) -> Result<Cli, i32> {
    let parsed = grammar::command().try_get_matches_from(words);
    parsed.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        if error.use_stderr() {
            console.write_error(error.render().to_string().as_bytes());
            1
        } else {
            let text = error.render();
            console.print(&if console.is_terminal { text.ansi().to_string() } else { text.to_string() });
            0
        }
    })
}

async fn run(cli: Cli, mut context: Context) -> i32 {
    context.explicit_namespace = cli.global.namespace.clone();
    match dispatch(cli, &context).await.and_then(|()| context.console.check()) {
        Ok(()) => 0,
        Err(error) => {
            let text = error.to_string();
            if !text.is_empty() {
                context.console.error_line(&text);
            }
            error.exit_code()
        }
    }
}

async fn dispatch(cli: Cli, context: &Context) -> Result<()> {
    let global = cli.global;
    match cli.command {
        Command::Annotate(args) => commands::annotate::run(args, context).await,
        Command::ApiResources(args) => commands::api_resources::run(args, context).await,
        Command::ApiVersions => commands::api_versions::run(context).await,
        Command::Apply(args) => commands::apply::run(args, context).await,
        Command::Attach(args) => commands::attach::run(args, context).await,
        Command::Autoscale(args) => commands::autoscale::run(args, context).await,
        Command::ClusterInfo => commands::cluster_info::run(&global, context).await,
        Command::Completion(args) => commands::completion::run(args, context),
        Command::Config(args) => commands::config::run(args, &global, context),
        Command::Cordon(args) => commands::cordon::run(args, true, context).await,
        Command::Cp(args) => commands::cp::run(args, context).await,
        Command::Create(args) => commands::create::run(args, context).await,
        Command::Delete(args) => commands::delete::run(args, context).await,
        Command::Describe(args) => commands::describe::run(args, context).await,
        Command::Down(args) => process(cluster::run_down(args, global.home()?).await),
        Command::Drain(args) => commands::drain::run(args, context).await,
        Command::Edit(args) => commands::edit::run(args, context).await,
        Command::Events(args) => commands::events::run(args, context).await,
        Command::Exec(args) => commands::exec::run(args, context).await,
        Command::Explain(args) => commands::explain::run(args, context).await,
        Command::Expose(args) => commands::expose::run(args, context).await,
        Command::Get(args) => commands::get::run(args, context).await,
        Command::Label(args) => commands::label::run(args, context).await,
        Command::Logs(args) => commands::logs::run(args, context).await,
        Command::Node(args) => process(cluster::run_node(args, global.home()?).await),
        Command::PortForward(args) => commands::port_forward::run(args, context).await,
        Command::Rollout(args) => commands::rollout::run(args, context).await,
        Command::Run(args) => commands::run::run(args, context).await,
        Command::Scale(args) => commands::scale::run(args, context).await,
        Command::Set(args) => commands::set::run(args, context).await,
        Command::Taint(args) => commands::taint::run(args, context).await,
        Command::Uncordon(args) => commands::cordon::run(args, false, context).await,
        Command::Up(args) => process(cluster::run_up(args, global.home()?).await),
        Command::Version(args) => commands::version::run(args, context).await,
        Command::Wait(args) => commands::wait::run(args, context).await,
    }
}

fn process(result: anyhow::Result<()>) -> Result<()> {
    result.map_err(|error| CliError::message(format!("{error:#}")))
}

impl GlobalArgs {
    /// The folder of the cluster: `--home`, `$KUBUS_HOME` or `~/.kubus`.
    pub fn home(&self) -> Result<PathBuf> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        match std::env::var_os("HOME") {
            Some(home) => Ok(PathBuf::from(home).join(".kubus")),
            None => fail!("no home folder is known; name one with --home or KUBUS_HOME"),
        }
    }

    /// The file with the credentials.
    pub fn credentials_path(&self) -> Result<PathBuf> {
        match &self.credentials {
            Some(path) => Ok(path.clone()),
            None => Ok(self.home()?.join("credentials").join("admin.json")),
        }
    }

    /// Credentials, with the servers of `--server` where it is given.
    pub fn credentials(&self) -> Result<kubus_client::Credentials> {
        let mut credentials = kubus_client::Credentials::load(&self.credentials_path()?)
            .map_err(|error| CliError::message(error.to_string()))?;
        if !self.server.is_empty() {
            credentials.servers.clone_from(&self.server);
        }
        Ok(credentials)
    }
}
