//! Job: pods that run to their end.

use super::{Fields, KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of Job.
pub static ROW: KindRow = KindRow {
    group: "batch",
    kind: "Job",
    plural: "jobs",
    singular: "job",
    categories: &["all"],
    subresources: &[status("Job")],
    columns: &[
        NAME,
        text("Status"),
        text("Completions"),
        text("Duration"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: job_cells,
    fields: |o| -> Fields { vec![("status.successful", cells::number(&o["status"]["succeeded"]).to_string())] },
    ..PLAIN
};

/// Conditions that name the state of a job, the strongest first; none of them means it runs.
const STATES: [(&str, &str); 5] = [
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
];

/// What the STATUS column says.
pub fn display_status(job: &Value) -> &'static str {
    let has =
        |kind: &str| cells::list(&job["status"]["conditions"]).any(|c| c["type"] == kind && c["status"] == "True");
    let ended = has("Complete") || has("Failed");
    if !ended && !job["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating";
    }
    STATES.iter().find(|(kind, _)| has(kind)).map_or("Running", |(_, text)| text)
}

fn job_cells(job: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&job["spec"], &job["status"]);
    let done = cells::number(&status["succeeded"]);
    let completions = match (spec["completions"].as_i64(), cells::number(&spec["parallelism"])) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{done}/1 of {parallelism}"),
        (None, _) => format!("{done}/1"),
    };
    let moment = |key: &str| status[key].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let duration = moment("startTime").map(|start| {
        let end = moment("completionTime").unwrap_or(now);
        crate::duration::human(end.as_second() - start.as_second())
    });
    let pods = &spec["template"]["spec"];
    vec![
        cells::name(job),
        json!(display_status(job)),
        json!(completions),
        json!(duration.unwrap_or_default()),
        cells::age(job, now),
        cells::containers(pods, "name"),
        cells::containers(pods, "image"),
        cells::selector(&spec["selector"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_like_kubectls() {
        let now = Timestamp::from_second(100).expect("a time");
        let condition = |kind: &str| json!([{"type": kind, "status": "True"}]);
        for (metadata, spec, status, expected) in [
            (json!({}), json!({"completions": 1}), json!({}), ["Running", "0/1", ""]),
            (
                json!({}),
                json!({"completions": 3}),
                json!({"succeeded": 3, "conditions": condition("Complete"),
                    "startTime": "1970-01-01T00:00:10Z", "completionTime": "1970-01-01T00:00:15Z"}),
                ["Complete", "3/3", "5s"],
            ),
            (
                json!({"deletionTimestamp": "x"}),
                json!({"parallelism": 3}),
                json!({"startTime": "1970-01-01T00:00:10Z"}),
                ["Terminating", "0/1 of 3", "90s"],
            ),
            (
                json!({}),
                json!({"parallelism": 1}),
                json!({"conditions": condition("Suspended")}),
                ["Suspended", "0/1", ""],
            ),
        ] {
            let cells = job_cells(&json!({"metadata": metadata, "spec": spec, "status": status}), now);
            assert_eq!(cells[1..4], expected.map(Value::from), "{spec} {status}");
        }
    }
}
