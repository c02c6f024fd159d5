//! `kubus run`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_run/>.

use super::create::{self, CommonArgs};
use crate::context::Context;
use crate::error::Result;
use crate::fail;
use clap::Args;
use serde_json::{Value, json};

/// Field manager of what this command makes.
const MANAGER: &str = "kubectl-run";

/// Create and run one image in a pod
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Its name
    name: String,
    /// Image to run
    #[arg(long, value_name = "IMAGE", required = true)]
    image: String,
    /// Port the container listens on
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Also create a service for the port
    #[arg(long, requires = "port")]
    expose: bool,
    /// Environment of the container
    #[arg(long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Labels of the pod [default: run=NAME]
    #[arg(short = 'l', long, value_name = "KEY=VALUE,...")]
    labels: Option<String>,
    /// Annotations of the pod
    #[arg(long, value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// When its container is started again: Always, OnFailure, Never
    #[arg(long, value_name = "POLICY", default_value = "Always")]
    restart: String,
    /// When the image is pulled: Always, IfNotPresent, Never
    #[arg(long, value_name = "POLICY")]
    image_pull_policy: Option<String>,
    /// JSON that is merged into the object
    #[arg(long, value_name = "JSON")]
    overrides: Option<String>,
    /// What follows -- is the command and not its arguments
    #[arg(long)]
    command: bool,
    /// Old name of what to make: run/v1 makes a replication controller, run-pod/v1 a pod
    #[arg(long, value_name = "NAME", default_value = "run-pod/v1")]
    generator: String,
    /// How many pods a replication controller keeps
    #[arg(short = 'r', long, value_name = "N", default_value_t = 1)]
    replicas: u32,
    #[command(flatten)]
    common: CommonArgs,
    /// Arguments of the container, or with --command its command
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs the command.
pub async fn run(args: RunArgs, context: &Context) -> Result<()> {
    let object = object(&args, context)?;
    create::made(&object, MANAGER, "created", &args.common, context).await?;
    if let (true, Some(port)) = (args.expose, args.port) {
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": args.name},
            "spec": {"selector": {"run": args.name}, "ports": [{"port": port, "protocol": "TCP", "targetPort": port}]},
        });
        create::made(&service, MANAGER, "created", &args.common, context).await?;
    }
    Ok(())
}

fn object(args: &RunArgs, context: &Context) -> Result<Value> {
    if !["Always", "OnFailure", "Never"].contains(&args.restart.as_str()) {
        fail!("invalid restart policy: {}", args.restart);
    }
    let labels = match args.labels.as_deref() {
        None | Some("") => json!({"run": args.name}),
        Some(text) => pairs(text.split(','), "label")?,
    };
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": args.name, "labels": labels},
        "spec": {"containers": [container(args)?], "restartPolicy": args.restart, "dnsPolicy": "ClusterFirst"},
    });
    if !args.annotations.is_empty() {
        pod["metadata"]["annotations"] = pairs(args.annotations.iter().map(String::as_str), "annotation")?;
    }
    let mut object = match args.generator.as_str() {
        "run-pod/v1" => pod,
        "run/v1" => {
            context.console.error_line(
                "kubus run --generator=run/v1 is DEPRECATED and will be removed in a future version. Use kubus create \
                 instead.",
            );
            json!({
                "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": args.name, "labels": labels},
                "spec": {"replicas": args.replicas, "selector": labels,
                    "template": {"metadata": {"labels": labels}, "spec": pod["spec"]}},
            })
        }
        other => fail!("generator {other:?} not found: run-pod/v1 and run/v1 are there"),
    };
    if let Some(text) = &args.overrides {
        match serde_json::from_str::<Value>(text) {
            Ok(patch) => json_patch::merge(&mut object, &patch),
            Err(error) => fail!("invalid --overrides, it must be a JSON object: {error}"),
        }
    }
    Ok(object)
}

fn container(args: &RunArgs) -> Result<Value> {
    let mut container = json!({"name": args.name, "image": args.image, "resources": {}});
    if !args.env.is_empty() {
        let mut env = Vec::new();
        for pair in &args.env {
            let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                fail!("invalid env: {pair}");
            };
            env.push(json!({"name": name, "value": value}));
        }
        container["env"] = json!(env);
    }
    if let Some(port) = args.port {
        container["ports"] = json!([{"containerPort": port}]);
    }
    if let Some(policy) = &args.image_pull_policy {
        container["imagePullPolicy"] = json!(policy);
    }
    if !args.arguments.is_empty() {
        container[if args.command { "command" } else { "args" }] = json!(args.arguments);
    }
    Ok(container)
}

fn pairs<'a>(words: impl Iterator<Item = &'a str>, what: &str) -> Result<Value> {
    let mut map = json!({});
    for word in words {
        let Some((key, value)) = word.split_once('=') else { fail!("unexpected {what} spec: {word}") };
        map[key] = json!(value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use crate::fake::FakeServer;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn pods_and_old_generators() {
        for (words, kind, spec) in [
            (
                "run nginx --image=nginx --port=80 --labels=a=b --env=X=1 --restart=Never --command --dry-run=client -o \
                 json -- sleep 5",
                "Pod",
                json!({"containers": [{"name": "nginx", "image": "nginx", "env": [{"name": "X", "value": "1"}],
                    "ports": [{"containerPort": 80}], "command": ["sleep", "5"], "resources": {}}],
                    "restartPolicy": "Never", "dnsPolicy": "ClusterFirst"}),
            ),
            (
                "run kubia --image=ximage/kubia --port=8080 --generator=run/v1 --dry-run=client -o json",
                "ReplicationController",
                json!({"replicas": 1, "selector": {"run": "kubia"}, "template": {"metadata": {"labels": {"run": "kubia"}},
                    "spec": {"containers": [{"name": "kubia", "image": "ximage/kubia",
                        "ports": [{"containerPort": 8080}], "resources": {}}],
                        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}}}),
            ),
        ] {
            let outcome = FakeServer::with(&[]).run(words).await;
            let object: Value = serde_json::from_str(&outcome.out).unwrap_or_else(|e| panic!("{e}: {}", outcome.err));
            assert_eq!((&object["kind"], &object["spec"]), (&json!(kind), &spec), "{words}");
        }
        let outcome = FakeServer::with(&[]).run("run a --image=b --restart=x").await;
        assert_eq!(outcome.err.trim_end(), "error: invalid restart policy: x");
    }
}
