//! `kubus create deployment NAME --image=IMAGE…`.

use crate::error::Result;
use crate::fail;
use clap::Args;
use serde_json::{Value, json};

/// A deployment by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct DeploymentArgs {
    /// Its name
    name: String,
    /// Image to run; several make several containers
    #[arg(long, value_name = "IMAGE", required = true, value_delimiter = ',')]
    image: Vec<String>,
    /// How many pods
    #[arg(short = 'r', long, value_name = "N", default_value_t = 1)]
    replicas: u32,
    /// Port the container listens on
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Command to run instead of the image's
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The object.
pub(super) fn object(args: &DeploymentArgs) -> Result<Value> {
    if args.image.len() > 1 && !args.command.is_empty() {
        fail!("cannot specify multiple --image options and command");
    }
    let mut containers: Vec<Value> = Vec::new();
    for image in &args.image {
        let base = container_name(image);
        let taken = |name: &str| containers.iter().any(|c| c["name"] == name);
        let name = (1..).map(|i| if i == 1 { base.clone() } else { format!("{base}-{i}") }).find(|name| !taken(name));
        let mut container = json!({"name": name, "image": image, "resources": {}});
        if !args.command.is_empty() {
            container["command"] = json!(args.command);
        }
        if let Some(port) = args.port {
            container["ports"] = json!([{"containerPort": port}]);
        }
        containers.push(container);
    }
    let labels = json!({"app": args.name});
    Ok(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": args.name, "labels": labels},
        "spec": {
            "replicas": args.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }))
}

/// The last part of an image's path without tag and digest, as far as a container may be called that.
fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let base = last.split(['@', ':']).next().unwrap_or(last).to_lowercase();
    let name: String = base.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "container".to_owned() } else { name.chars().take(63).collect() }
}

#[cfg(test)]
mod tests {
    use super::container_name;

    #[test]
    fn containers_are_named_after_their_image() {
        for (image, name) in [
            ("nginx", "nginx"),
            ("nginx:1.14.2", "nginx"),
            ("registry.cn-hangzhou.aliyuncs.com:5000/google_containers/kube-proxy:v1.22.1", "kube-proxy"),
            ("ximage/kubia@sha256:11b8", "kubia"),
            ("a/My_App", "my-app"),
        ] {
            assert_eq!(container_name(image), name, "{image}");
        }
    }
}
