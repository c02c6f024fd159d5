//! PodSecurity: the levels a namespace's labels ask for, enforced or warned of.
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>

mod checks;

use kubus_proto::{ApiError, KindRow};
use serde_json::Value;

/// Prefix of the labels.
const LABELS: &str = "pod-security.kubernetes.io";

/// A level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything is allowed.
    Privileged,
    /// No known way out of the container.
    Baseline,
    /// As tight as is good practice.
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Self {
        match text {
            "baseline" => Level::Baseline,
            "restricted" => Level::Restricted,
            _ => Level::Privileged,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        }
    }
}

fn level(namespace: &Value, mode: &str) -> (Level, String) {
    let label = |key: String| namespace["metadata"]["labels"][key].as_str().unwrap_or_default().to_owned();
    let version = label(format!("{LABELS}/{mode}-version"));
    let version = if version.is_empty() { "latest".to_owned() } else { version };
    (Level::parse(&label(format!("{LABELS}/{mode}"))), version)
}

/// Refuses a pod below its namespace's level; gives the warnings for pods and for templates of pods.
pub fn check(row: &KindRow, object: &Value, namespace: &Value) -> Result<Vec<String>, ApiError> {
    let (spec, metadata, is_pod) = match (row.group, row.plural) {
        ("", "pods") => (&object["spec"], &object["metadata"], true),
        ("", "replicationcontrollers") | ("apps", _) | ("batch", "jobs") => {
            (&object["spec"]["template"]["spec"], &object["spec"]["template"]["metadata"], false)
        }
        ("batch", "cronjobs") => {
            let template = &object["spec"]["jobTemplate"]["spec"]["template"];
            (&template["spec"], &template["metadata"], false)
        }
        _ => return Ok(Vec::new()),
    };
    if !spec.is_object() {
        return Ok(Vec::new());
    }
    let violated = |mode: &str| {
        let (level, version) = level(namespace, mode);
        let wrong = checks::violations(level, spec, metadata);
        (!wrong.is_empty()).then(|| format!("\"{}:{version}\": {}", level.as_str(), wrong.join(", ")))
    };
    if let (true, Some(text)) = (is_pod, violated("enforce")) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(ApiError::forbidden("", "pods", name, &format!("violates PodSecurity {text}")));
    }
    Ok(violated("warn").map(|text| format!("would violate PodSecurity {text}")).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::{deployment, pod};
    use serde_json::json;

    fn namespace(mode: &str, level: &str) -> Value {
        json!({"metadata": {"labels": {format!("{LABELS}/{mode}"): level}}})
    }

    #[test]
    fn a_level_lets_pass_what_it_should() {
        let plain = json!({"containers": [{"name": "c"}]});
        let privileged = json!({"containers": [{"name": "c", "securityContext": {"privileged": true}}]});
        let tight = json!({
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "securityContext":
                {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]});
        for (level, spec, message) in [
            ("privileged", &privileged, ""),
            ("baseline", &plain, ""),
            (
                "baseline",
                &privileged,
                "violates PodSecurity \"baseline:latest\": privileged (container \"c\" must not set \
                 securityContext.privileged=true)",
            ),
            (
                "baseline",
                &json!({"hostNetwork": true, "hostPID": true, "containers": [{"name": "c"}]}),
                "violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true, hostPID=true)",
            ),
            (
                "baseline",
                &json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}], "containers": [{"name": "c"}]}),
                "violates PodSecurity \"baseline:latest\": hostPath volumes (volume \"v\")",
            ),
            ("restricted", &tight, ""),
            (
                "restricted",
                &plain,
                "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must \
                 set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must \
                 set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must \
                 set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set \
                 securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            ),
        ] {
            let object = json!({"metadata": {"name": "p"}, "spec": spec});
            let answer = check(&pod::ROW, &object, &namespace("enforce", level));
            let said = answer.err().map_or_else(String::new, |error| error.message);
            let expected =
                if message.is_empty() { String::new() } else { format!("pods \"p\" is forbidden: {message}") };
            assert_eq!(said, expected, "{level} {spec}");
        }
    }

    #[test]
    fn templates_are_warned_of() {
        let object = json!({"metadata": {"name": "d"}, "spec": {"template": {"spec":
            {"hostIPC": true, "containers": [{"name": "c"}]}}}});
        let warnings = check(&deployment::ROW, &object, &namespace("warn", "baseline")).expect("allowed");
        assert_eq!(warnings, ["would violate PodSecurity \"baseline:latest\": host namespaces (hostIPC=true)"]);
        assert_eq!(check(&deployment::ROW, &object, &namespace("enforce", "baseline")), Ok(Vec::new()));
    }
}
