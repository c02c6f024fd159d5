//! `kubus drain`: <https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/>.

mod filter;

use super::cordon::{self, CordonArgs};
use super::dry_run::DryRunArgs;
use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::fail;
use crate::selection::{CHUNK_SIZE, SelectorArgs, list_all};
use crate::watching::{parse_duration, wait_until};
use clap::Args;
use filter::{Pods, sort_pods};
use futures::{StreamExt, stream};
use kubus_proto::kinds::{node, pod};
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::{ApiRequest, Reason, codec};
use serde_json::{Value, json};
use std::time::Duration;

/// Pods that are evicted at a time.
const EVICTIONS_AT_ONCE: usize = 16;
/// How long to wait before an eviction that a disruption budget refused is tried again.
const BUDGET_PAUSE: Duration = Duration::from_secs(5);
/// How often it is tried where no timeout is given: more than a day.
const BUDGET_ATTEMPT_LIMIT: usize = 20_000;

/// Empty a node: mark it as unschedulable and evict its pods
#[derive(Args, Clone, Debug)]
pub struct DrainArgs {
    /// Names of the nodes
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// Also delete pods that no controller replaces
    #[arg(long)]
    force: bool,
    /// Leave the pods of daemon sets where they are
    #[arg(long)]
    ignore_daemonsets: bool,
    /// Also evict pods with emptyDir volumes, whose data is lost
    #[arg(long, alias = "delete-local-data")]
    delete_emptydir_data: bool,
    /// Delete pods in place of evicting them, past disruption budgets
    #[arg(long)]
    disable_eviction: bool,
    /// Seconds pods are given to end; -1 for their own
    #[arg(long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true)]
    grace_period: i64,
    /// How long to wait before giving up, e.g. 5m; 0 for as long as it takes
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// Only pods with these labels
    #[arg(long, value_name = "SELECTOR")]
    pod_selector: Option<String>,
    #[command(flatten)]
    selectors: SelectorArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

/// Runs the command.
pub async fn run(args: DrainArgs, context: &Context) -> Result<()> {
    let mut names: Vec<String> =
        args.nodes.iter().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect();
    if !args.selectors.is_empty() {
        let nodes = list_all(context, &node::ROW, "", args.selectors.query()?, CHUNK_SIZE).await?.items;
        names.extend(nodes.iter().filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned)));
    }
    if names.is_empty() {
        fail!("USAGE: drain NODE [flags]");
    }
    cordon::run(CordonArgs::of(&names, &args.dry_run), true, context).await?;
    let mut errors = Vec::new();
    for name in &names {
        match drain(&args, name, context).await {
            Ok(()) => context.console.line(&args.dry_run.message(&format!("node/{name} drained"))),
            Err(error) => {
                context.console.error_line(&format!("error: unable to drain node {name:?} due to error: {error}"));
                errors.push(error);
            }
        }
    }
    CliError::all(errors)
}

async fn drain(args: &DrainArgs, node: &str, context: &Context) -> Result<()> {
    let selectors =
        SelectorArgs { selector: args.pod_selector.clone(), field_selector: Some(format!("spec.nodeName={node}")) };
    let found = list_all(context, &pod::ROW, "", selectors.query()?, CHUNK_SIZE).await?.items;
    let Pods { evicted, warnings, refused } =
        sort_pods(found, args.force, args.ignore_daemonsets, args.delete_emptydir_data);
    if !refused.is_empty() {
        fail!("{}", refused.join(", "));
    }
    for warning in warnings {
        context.console.error_line(&format!("Warning: {warning}"));
    }
    let work = stream::iter(&evicted).map(|pod| remove(args, pod, context)).buffer_unordered(EVICTIONS_AT_ONCE);
    let all = work.collect::<Vec<Result<()>>>();
    let ended = match args.timeout.filter(|timeout| !timeout.is_zero()) {
        Some(timeout) => tokio::time::timeout(timeout, all)
            .await
            .map_err(|_| CliError::message(format!("drain did not complete within {}s", timeout.as_secs())))?,
        None => all.await,
    };
    CliError::all(ended.into_iter().filter_map(Result::err).collect())
}

/// Evicts one pod and waits until it is gone.
async fn remove(args: &DrainArgs, pod: &Value, context: &Context) -> Result<()> {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
    let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
    let verb = if args.disable_eviction { "deleting" } else { "evicting" };
    context.console.line(&args.dry_run.message(&format!("{verb} pod {namespace}/{name}")));
    if args.dry_run.is_client() {
        return Ok(());
    }
    let mut options = json!({"preconditions": {"uid": uid}});
    if args.grace_period >= 0 {
        options["gracePeriodSeconds"] = json!(args.grace_period);
    }
    for _ in 0..BUDGET_ATTEMPT_LIMIT {
        match ask(args, namespace, name, &options, context).await {
            Ok(()) => break,
            // Somebody else was faster.
            Err(error) if error.is(Reason::NotFound) || error.is(Reason::Conflict) => return Ok(()),
            Err(error) if error.is(Reason::TooManyRequests) => {
                context.console.error_line(&format!(
                    "error when evicting pods/{name:?} -n {namespace:?} (will retry after 5s): {error}"
                ));
                tokio::time::sleep(BUDGET_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    if args.dry_run.query().into_string().is_empty() {
        let gone = |object: Option<&Value>| Ok(object.is_none_or(|now| now["metadata"]["uid"] != uid));
        wait_until(context, &pod::ROW, namespace, name, None, "the pod did not end", gone).await?;
        context.console.line(&format!("pod/{name} {}", if args.disable_eviction { "deleted" } else { "evicted" }));
    }
    Ok(())
}

async fn ask(args: &DrainArgs, namespace: &str, name: &str, options: &Value, context: &Context) -> Result<()> {
    let query: Query = args.dry_run.query();
    if args.disable_eviction {
        let target = crate::context::Target::of(&pod::ROW, namespace, name);
        return context.delete(&target, options, query).await.map(drop);
    }
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace}, "deleteOptions": options});
    let mut request = ApiRequest::new(Method::Post, ResourcePath::of(&pod::ROW, namespace, name, "eviction"));
    request.query = query.into_string();
    request.content_type = codec::JSON.to_owned();
    request.body = codec::encode(&body).map_err(|error| CliError::message(error.to_string()))?.into();
    context.send(request).await.map(drop)
}
