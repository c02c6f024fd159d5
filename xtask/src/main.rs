//! `cargo xtask`: set up, start, test and measure Kubus from a clone.

mod build;
mod tidy;
mod tools;
mod wheels;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set up, start, test and measure Kubus from a clone")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, build, and start a cluster; arguments go to `kubus up`
    Up {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install what is missing and run every check and test; arguments go to `cargo test`
    Test {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure against a peer in the same run; arguments go to the benchmark (`api`)
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// What CI runs
    Ci,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Up { arguments } => {
            tools::ensure(&[&tools::NATS_SERVER, &tools::DOCKER, &tools::NFTABLES])?;
            let folder = build::programs(build::Profile::Release)?;
            eprintln!("Programs are in {}; put that folder into PATH to type `kubus`", folder.display());
            build::run(std::process::Command::new(folder.join("kubus")).arg("up").args(arguments))
        }
        Command::Test { arguments } => test(&arguments),
        Command::Bench { arguments } => {
            tools::ensure(&[&tools::NATS_SERVER, &tools::DOCKER, &tools::BUSYBOX, &tools::ETCD])?;
            let folder = build::programs(build::Profile::Release)?;
            build::run(std::process::Command::new(folder.join("kubus-bench")).args(arguments))
        }
        Command::Ci => test(&[]),
    }
}

fn test(arguments: &[String]) -> anyhow::Result<()> {
    tools::ensure(&[&tools::NATS_SERVER, &tools::DOCKER, &tools::NFTABLES, &tools::BUSYBOX])?;
    tools::ensure(&[&tools::KUBECTL, &tools::HELM, &tools::PYTHON_CLIENT])?;
    tidy::check()?;
    build::cargo(&["fmt", "--all", "--check"])?;
    build::cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    if tools::CARGO_DENY.is_present() {
        // Advisories need a database from the network: `cargo deny check advisories` where there is one.
        build::cargo(&["deny", "check", "bans", "licenses", "sources"])?;
    } else {
        eprintln!("SKIPPED: licences and sources of dependencies are checked where cargo-deny is installed");
    }
    // The stories start the real programs, so these are built before the tests that look for them.
    build::programs(build::Profile::Dev)?;
    let mut all = vec!["test", "--workspace", "--no-fail-fast"];
    all.extend(arguments.iter().map(String::as_str));
    build::cargo(&all)
}
