//! `kubus-bench`: figures beside a peer's or a floor's, measured in the same run. Nothing here asserts on time.

mod api;
mod etcd;
mod figures;
mod load;
mod pods;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "kubus-bench", about = "Figures beside a peer's or a floor's, measured in the same run")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The API: three apiservers, all synced to disk, beside a three-member etcd; watches, memory; pod starts beside
    /// bare docker
    Api {
        /// How long each figure is measured, in seconds
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Only a part of the figures
        #[arg(long, value_enum)]
        only: Option<api::Only>,
        /// How many apiservers
        #[arg(long, default_value_t = 3)]
        control_planes: u8,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Api { seconds, only, control_planes } = Arguments::parse().command;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let span = std::time::Duration::from_secs(seconds);
        if only != Some(api::Only::Pods) {
            let peer = etcd::measure(span).await?;
            api::measure(span, &peer, control_planes, only).await?;
        }
        if only == Some(api::Only::Creates) {
            return Ok(());
        }
        pods::measure().await
    })
}
