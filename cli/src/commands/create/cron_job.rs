//! `kubus create cronjob NAME --image=IMAGE --schedule='0/5 * * * ?' [-- COMMAND…]`.

use clap::Args;
use serde_json::{Value, json};

/// A cron job by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct CronJobArgs {
    /// Its name
    name: String,
    /// Image to run
    #[arg(long, value_name = "IMAGE", required = true)]
    image: String,
    /// When to run it, in Cron's format
    #[arg(long, value_name = "SCHEDULE", required = true)]
    schedule: String,
    /// Restart policy of the job's pods: OnFailure, Never
    #[arg(long, value_name = "POLICY", default_value = "OnFailure")]
    restart: String,
    /// Command to run instead of the image's
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The object.
pub(super) fn object(args: &CronJobArgs) -> Value {
    let mut container = json!({"name": args.name, "image": args.image, "resources": {}});
    if !args.command.is_empty() {
        container["command"] = json!(args.command);
    }
    let pod = json!({"containers": [container], "restartPolicy": args.restart});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": args.name},
        "spec": {
            "schedule": args.schedule,
            "jobTemplate": {
                "metadata": {"name": args.name},
                "spec": {"template": {"metadata": {}, "spec": pod}},
            },
        },
    })
}
