//! `kubus create job NAME --image=IMAGE [-- COMMAND…]`, or a run of a cron job out of turn with `--from`.

use crate::context::Context;
use crate::error::Result;
use crate::{fail, resource_args};
use clap::Args;
use serde_json::{Value, json};

/// Marks jobs that a person started out of a cron job.
const INSTANTIATE: &str = "cronjob.kubernetes.io/instantiate";

/// A job by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct JobArgs {
    /// Its name
    name: String,
    /// Image to run
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Cron job to take the template from
    #[arg(long, value_name = "CRONJOB/NAME")]
    from: Option<String>,
    /// Command to run instead of the image's
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The object; with `--from` the cron job is read first.
pub(super) async fn object(args: &JobArgs, context: &Context) -> Result<Value> {
    match (&args.image, &args.from) {
        (Some(image), None) => Ok(of_image(&args.name, image, &args.command)),
        (None, Some(from)) => {
            let Some((kind, name)) = from.split_once('/') else { fail!("from must be an existing cronjob") };
            if !args.command.is_empty() {
                fail!("cannot specify --from and command");
            }
            let row = resource_args::row(kind, context).await?;
            if row.kind != "CronJob" {
                fail!("from must be an existing cronjob");
            }
            Ok(of_cron_job(&args.name, &context.get(row, &context.namespace_of(row), name).await?))
        }
        _ => fail!("either --image or --from must be specified"),
    }
}

fn of_image(name: &str, image: &str, command: &[String]) -> Value {
    let mut container = json!({"name": name, "image": image, "resources": {}});
    if !command.is_empty() {
        container["command"] = json!(command);
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"metadata": {}, "spec": {"containers": [container], "restartPolicy": "Never"}}},
    })
}

fn of_cron_job(name: &str, cron_job: &Value) -> Value {
    let template = &cron_job["spec"]["jobTemplate"];
    let mut annotations = template["metadata"]["annotations"].clone();
    if !annotations.is_object() {
        annotations = json!({});
    }
    annotations[INSTANTIATE] = json!("manual");
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "annotations": annotations, "labels": template["metadata"]["labels"],
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "CronJob", "name": cron_job["metadata"]["name"],
                "uid": cron_job["metadata"]["uid"], "controller": true,
            }],
        },
        "spec": template["spec"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cron_jobs_template_becomes_a_job_it_owns() {
        let cron_job = json!({"metadata": {"name": "c", "uid": "u"}, "spec": {"jobTemplate":
            {"metadata": {"labels": {"a": "b"}}, "spec": {"completions": 2}}}});
        let job = of_cron_job("now", &cron_job);
        assert_eq!(
            (&job["metadata"]["annotations"][INSTANTIATE], &job["spec"]["completions"]),
            (&json!("manual"), &json!(2))
        );
        assert_eq!(
            (&job["metadata"]["labels"]["a"], &job["metadata"]["ownerReferences"][0]["uid"]),
            (&json!("b"), &json!("u"))
        );
    }
}
