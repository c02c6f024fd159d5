//! CronJob on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/>

use super::causes::{invalid, not_supported, required};
use super::cron_schedule::check_schedule;
use super::defaulting::{object_or_new, put, put_empty, put_filled};
use super::job_spec::{CRON_JOB_NAME_LIMIT, validate_job_spec};
use super::metadata::check;
use super::path::FieldPath;
use super::pod_spec::{required_one_of, text};
use super::workload::{default_template, not_negative};
use super::{Behaviour, WITH_STATUS, schema_of, warnings};
use jiff::tz::TimeZone;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of CronJob.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::cron_job::ROW,
    schema: schema_of!(CronJob),
    defaults,
    rules: |job, causes| {
        check(job, causes, |job: &CronJob, causes| validate_spec(&job.spec, causes));
    },
    create_rules: |job, causes| {
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        if name.len() > CRON_JOB_NAME_LIMIT {
            let detail = format!("must be no more than {CRON_JOB_NAME_LIMIT} characters");
            causes.push(invalid("metadata.name", name, detail));
        }
        let zone = job["spec"]["timeZone"].as_str().map(str::to_owned);
        validate_zone(&zone, &FieldPath::root("spec").field("timeZone"), causes);
    },
    warnings: |job| {
        let mut all = warnings::of_pods_name(job, "Pod names and hostnames");
        let path = FieldPath::root("spec");
        let path = path.field("jobTemplate");
        let template = &job["spec"]["jobTemplate"]["spec"]["template"];
        warnings::of_template(template, &path.field("spec").field("template"), &mut all);
        all
    },
    // A zone that was taken once stays taken.
    update_rules: |new, old, causes| {
        let zone = |job: &Value| job["spec"]["timeZone"].as_str().map(str::to_owned);
        if zone(new) != zone(old) {
            validate_zone(&zone(new), &FieldPath::root("spec").field("timeZone"), causes);
        }
    },
    ..WITH_STATUS
};

const POLICIES: &[&str] = &["Allow", "Forbid", "Replace"];
const SUCCESSES_KEPT: i32 = 3;
const FAILURES_KEPT: i32 = 1;

fn defaults(job: &mut Value) {
    let Some(spec) = job.as_object_mut().and_then(|job| object_or_new(job, "spec")) else { return };
    put_filled(spec, "concurrencyPolicy", "Allow");
    put(spec, "suspend", false);
    put(spec, "successfulJobsHistoryLimit", SUCCESSES_KEPT);
    put(spec, "failedJobsHistoryLimit", FAILURES_KEPT);
    if let Some(template) = object_or_new(spec, "jobTemplate") {
        put_empty(template, "metadata");
        if let Some(spec) = object_or_new(template, "spec") {
            default_template(spec);
        }
    }
}

fn validate_spec(spec: &CronJobSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let (schedule, schedule_path) = (spec.schedule.as_str(), path.field("schedule"));
    if schedule.is_empty() {
        causes.push(required(schedule_path, ""));
    } else if schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        causes.push(invalid(schedule_path, schedule, detail));
    } else if let Err(error) = check_schedule(schedule) {
        causes.push(invalid(schedule_path, schedule, error.to_string()));
    }
    not_negative(&path.field("startingDeadlineSeconds"), spec.starting_deadline_seconds, causes);
    required_one_of(&path.field("concurrencyPolicy"), &spec.concurrency_policy, POLICIES, causes);
    let path_of_job = path.field("jobTemplate");
    let path_of_job = path_of_job.field("spec");
    let job = spec.job_template.spec.clone().unwrap_or_default();
    validate_job_spec(&job, &path_of_job, causes);
    if let Some(selector) = &job.selector {
        let detail = "`selector` will be auto-generated";
        causes.push(invalid(path_of_job.field("selector"), json!(selector), detail));
    }
    if job.manual_selector == Some(true) {
        causes.push(not_supported(path_of_job.field("manualSelector"), true, &["nil", "false"]));
    }
    not_negative(&path.field("successfulJobsHistoryLimit"), spec.successful_jobs_history_limit, causes);
    not_negative(&path.field("failedJobsHistoryLimit"), spec.failed_jobs_history_limit, causes);
}

fn validate_zone(zone: &Option<String>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let name = text(zone);
    let detail = match zone {
        None => return,
        Some(_) if name.is_empty() => "timeZone must be nil or non-empty string".to_owned(),
        Some(_) if name.eq_ignore_ascii_case("local") => {
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones".to_owned()
        }
        Some(_) if TimeZone::get(name).is_ok() => return,
        Some(_) => format!("unknown time zone {name}"),
    };
    causes.push(invalid(path, name, detail));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_and_zones_are_checked() {
        for (spec, expected) in [
            (json!({}), ""),
            (json!({"timeZone": "UTC"}), ""),
            (json!({"schedule": ""}), "spec.schedule: Required value"),
            (
                json!({"schedule": "nonsense"}),
                "spec.schedule: Invalid value: \"nonsense\": expected exactly 5 fields, found 1: [nonsense]",
            ),
            (
                json!({"schedule": "TZ=UTC * * * * *"}),
                "spec.schedule: Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone \
                 field instead",
            ),
            (json!({"timeZone": "Mars/One"}), "spec.timeZone: Invalid value: \"Mars/One\": unknown time zone Mars/One"),
            (
                json!({"concurrencyPolicy": "Sometimes"}),
                "spec.concurrencyPolicy: Unsupported value: \"Sometimes\": \
                supported values: \"Allow\", \"Forbid\", \"Replace\"",
            ),
        ] {
            let mut all = json!({"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}}});
            json_patch::merge(&mut all, &spec);
            let mut job = json!({"metadata": {"name": "j", "namespace": "n"}, "spec": all});
            BEHAVIOUR.default(&mut job);
            let said: Vec<String> =
                BEHAVIOUR.validate(&job).iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            assert_eq!(said.join("; "), expected, "{spec}");
        }
        let long = json!({"metadata": {"name": "x".repeat(53), "namespace": "n"}});
        let fields: Vec<String> = BEHAVIOUR.validate(&long).into_iter().map(|cause| cause.field).collect();
        assert!(fields.contains(&"metadata.name".to_owned()));
    }
}
