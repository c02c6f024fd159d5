//! CronJob: a Job at each moment of a schedule.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, boolean, integer, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of CronJob.
pub static ROW: KindRow = KindRow {
    group: "batch",
    kind: "CronJob",
    plural: "cronjobs",
    singular: "cronjob",
    short_names: &["cj"],
    categories: &["all"],
    subresources: &[status("CronJob")],
    columns: &[
        NAME,
        text("Schedule"),
        text("Timezone"),
        boolean("Suspend"),
        integer("Active"),
        text("Last Schedule"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: cron_cells,
    ..PLAIN
};

fn cron_cells(job: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&job["spec"], &job["status"]);
    let template = &spec["jobTemplate"]["spec"];
    let pods = &template["template"]["spec"];
    let last = status["lastScheduleTime"].as_str().map(|last| crate::duration::age(Some(last), now));
    let suspend = match spec["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    vec![
        cells::name(job),
        json!(cells::string(&spec["schedule"])),
        cells::or_none(cells::string(&spec["timeZone"])),
        json!(suspend),
        json!(cells::list(&status["active"]).count()),
        cells::or_none(last.unwrap_or_default()),
        cells::age(job, now),
        cells::containers(pods, "name"),
        cells::containers(pods, "image"),
        cells::selector(&template["selector"]),
    ]
}
