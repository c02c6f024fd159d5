//! `kubus rollout status`.

use crate::context::Context;
use crate::error::Result;
use crate::fail;
use crate::selection::Selected;
use crate::watching::wait_until;
use serde_json::Value;
use std::time::Duration;

/// Prints how far the rollout is, each state once, until it is done.
pub(super) async fn run(selected: &Selected, watch: bool, timeout: Option<Duration>, context: &Context) -> Result<()> {
    if !watch {
        context.console.line(&progress(&selected.object)?.0);
        return Ok(());
    }
    let mut last = String::new();
    let timeout = timeout.filter(|timeout| !timeout.is_zero());
    let (namespace, name) = (selected.namespace(), selected.name());
    let text = "timed out waiting for the condition";
    wait_until(context, selected.row, namespace, name, timeout, text, |object| {
        let Some(object) = object else { fail!("object has been deleted") };
        let (text, done) = progress(object)?;
        if text != last {
            context.console.line(&text);
            last = text;
        }
        Ok(done)
    })
    .await?;
    Ok(())
}

/// What the state of a deployment means for its rollout, and whether it is done.
fn progress(deployment: &Value) -> Result<(String, bool)> {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let count = |key: &str| status[key].as_i64().unwrap_or(0);
    if deployment["metadata"]["generation"].as_i64().unwrap_or(0) > count("observedGeneration") {
        return Ok(("Waiting for deployment spec update to be observed...".to_owned(), false));
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let exceeded = |c: &Value| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded";
    if conditions.into_iter().any(exceeded) {
        fail!("deployment {name:?} exceeded its progress deadline");
    }
    let (updated, total, available) = (count("updatedReplicas"), count("replicas"), count("availableReplicas"));
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let waiting = |what: String| Ok((format!("Waiting for deployment {name:?} rollout to finish: {what}..."), false));
    if updated < wanted {
        return waiting(format!("{updated} out of {wanted} new replicas have been updated"));
    }
    if total > updated {
        return waiting(format!("{} old replicas are pending termination", total - updated));
    }
    if available < updated {
        return waiting(format!("{available} of {updated} updated replicas are available"));
    }
    Ok((format!("deployment {name:?} successfully rolled out"), true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn states_are_told_in_kubectls_words() {
        let object = |generation: i64, updated: i64, total: i64, available: i64| {
            json!({"metadata": {"name": "web", "generation": generation}, "spec": {"replicas": 3}, "status": {
                "observedGeneration": 1, "updatedReplicas": updated, "replicas": total, "availableReplicas": available}})
        };
        for (object, expected) in [
            (object(2, 0, 0, 0), ("Waiting for deployment spec update to be observed...", false)),
            (
                object(1, 1, 3, 3),
                (
                    "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...",
                    false,
                ),
            ),
            (
                object(1, 3, 4, 3),
                ("Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...", false),
            ),
            (
                object(1, 3, 3, 2),
                ("Waiting for deployment \"web\" rollout to finish: 2 of 3 updated replicas are available...", false),
            ),
            (object(1, 3, 3, 3), ("deployment \"web\" successfully rolled out", true)),
        ] {
            let (text, done) = progress(&object).expect("progress");
            assert_eq!((text.as_str(), done), expected);
        }
        let mut late = object(1, 1, 3, 3);
        late["status"]["conditions"] = json!([{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]);
        assert!(progress(&late).is_err());
    }
}
