//! Containers in a description: of a pod with their states, of a template without.

use super::pod::field_value;
use super::writer::{Description, list, map, number, or_none, text};
use serde_json::Value;

/// Where containers and volumes stand: in a pod's description, or one level deeper in that of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indent {
    /// At the first level.
    Pod,
    /// Below `Pod Template:`.
    Template,
}

impl Indent {
    /// Blanks before a heading.
    pub(super) fn heading(self) -> &'static str {
        if self == Indent::Template { "  " } else { "" }
    }

    /// Blanks before a name, beside those of its level.
    pub(super) fn name(self) -> &'static str {
        if self == Indent::Template { " " } else { "" }
    }
}

/// Adds a list of containers; `pod` is what references to fields are looked up in.
pub(super) fn describe(
    label: &str,
    containers: &Value,
    statuses: &Value,
    pod: Option<&Value>,
    indent: Indent,
    out: &mut Description,
) {
    let none = if list(containers).is_empty() { " <none>" } else { "" };
    out.line(0, &format!("{}{label}:{none}", indent.heading()));
    for container in list(containers) {
        let status = list(statuses).iter().find(|status| status["name"] == container["name"]);
        out.line(1, &format!("{}{}:", indent.name(), text(&container["name"])));
        describe_basics(container, status, out);
        describe_words("Command", &container["command"], out);
        describe_words("Args", &container["args"], out);
        if let Some(status) = status {
            describe_states(status, out);
        }
        for (title, key) in [("Limits", "limits"), ("Requests", "requests")] {
            let quantities = map(&container["resources"][key]);
            if !quantities.is_empty() {
                out.line(2, &format!("{title}:"));
                quantities.iter().for_each(|(name, quantity)| out.field(3, name, quantity));
            }
        }
        for (title, key) in
            [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
        {
            if container[key].is_object() {
                out.field(2, title, &probe_text(&container[key]));
            }
        }
        describe_env_from(&container["envFrom"], out);
        describe_env(container, pod, out);
        describe_mounts(&container["volumeMounts"], out);
    }
}

fn describe_basics(container: &Value, status: Option<&Value>, out: &mut Description) {
    if let Some(status) = status {
        out.field(2, "Container ID", &text(&status["containerID"]));
    }
    out.field(2, "Image", &text(&container["image"]));
    if let Some(status) = status {
        out.field(2, "Image ID", &text(&status["imageID"]));
    }
    for (one, many, key) in [("Port", "Ports", "containerPort"), ("Host Port", "Host Ports", "hostPort")] {
        let ports: Vec<String> = list(&container["ports"])
            .iter()
            .map(|port| {
                let protocol = text(&port["protocol"]);
                let protocol = if protocol.is_empty() { "TCP".to_owned() } else { protocol };
                format!("{}/{protocol}", number(&port[key]))
            })
            .collect();
        let title = if ports.len() > 1 { many } else { one };
        out.field(2, title, &or_none(ports.join(", ")));
    }
}

fn describe_words(title: &str, words: &Value, out: &mut Description) {
    if list(words).is_empty() {
        return;
    }
    out.line(2, &format!("{title}:"));
    for word in list(words) {
        text(word).split('\n').for_each(|line| out.line(3, line));
    }
}

fn describe_states(status: &Value, out: &mut Description) {
    describe_state("State", &status["state"], out);
    if status["lastState"]["terminated"].is_object() {
        describe_state("Last State", &status["lastState"], out);
    }
    out.field(2, "Ready", if status["ready"] == true { "True" } else { "False" });
    out.field(2, "Restart Count", &number(&status["restartCount"]).to_string());
}

fn describe_state(title: &str, state: &Value, out: &mut Description) {
    if state["running"].is_object() {
        out.field(2, title, "Running");
        out.field(3, "Started", &out.time(&state["running"]["startedAt"]));
    } else if state["terminated"].is_object() {
        let terminated = &state["terminated"];
        out.field(2, title, "Terminated");
        out.field_if(3, "Reason", &terminated["reason"]);
        out.field_if(3, "Message", &terminated["message"]);
        out.field(3, "Exit Code", &number(&terminated["exitCode"]).to_string());
        if number(&terminated["signal"]) > 0 {
            out.field(3, "Signal", &number(&terminated["signal"]).to_string());
        }
        out.field(3, "Started", &out.time(&terminated["startedAt"]));
        out.field(3, "Finished", &out.time(&terminated["finishedAt"]));
    } else {
        out.field(2, title, "Waiting");
        out.field_if(3, "Reason", &state["waiting"]["reason"]);
    }
}

fn probe_text(probe: &Value) -> String {
    let or = |key: &str, default: i64| probe[key].as_i64().unwrap_or(default);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        or("initialDelaySeconds", 0),
        or("timeoutSeconds", 1),
        or("periodSeconds", 10),
        or("successThreshold", 1),
        or("failureThreshold", 3)
    );
    if probe["exec"].is_object() {
        let words: Vec<String> = list(&probe["exec"]["command"]).iter().map(text).collect();
        return format!("exec [{}] {attributes}", words.join(" "));
    }
    if probe["httpGet"].is_object() {
        let get = &probe["httpGet"];
        let scheme = text(&get["scheme"]).to_lowercase();
        let scheme = if scheme.is_empty() { "http".to_owned() } else { scheme };
        let path = text(&get["path"]);
        let slash = if path.starts_with('/') { "" } else { "/" };
        return format!("http-get {scheme}://{}:{}{slash}{path} {attributes}", text(&get["host"]), text(&get["port"]));
    }
    if probe["tcpSocket"].is_object() {
        let socket = &probe["tcpSocket"];
        return format!("tcp-socket {}:{} {attributes}", text(&socket["host"]), text(&socket["port"]));
    }
    if probe["grpc"].is_object() {
        let grpc = &probe["grpc"];
        return format!("grpc <pod>:{} {} {attributes}", text(&grpc["port"]), text(&grpc["service"]));
    }
    format!("unknown {attributes}")
}

fn describe_env_from(sources: &Value, out: &mut Description) {
    if list(sources).is_empty() {
        return;
    }
    out.line(2, "Environment Variables from:");
    for source in list(sources) {
        let (kind, reference) = if source["configMapRef"].is_object() {
            ("ConfigMap", &source["configMapRef"])
        } else {
            ("Secret", &source["secretRef"])
        };
        let prefix = text(&source["prefix"]);
        let with = if prefix.is_empty() { String::new() } else { format!(" with prefix '{prefix}'") };
        let optional = reference["optional"] == true;
        out.line(3, &format!("{}\t{kind}{with}\tOptional: {optional}", text(&reference["name"])));
    }
}

fn describe_env(container: &Value, pod: Option<&Value>, out: &mut Description) {
    let variables = list(&container["env"]);
    out.line(2, if variables.is_empty() { "Environment:\t<none>" } else { "Environment:" });
    for variable in variables {
        let name = text(&variable["name"]);
        let from = &variable["valueFrom"];
        if from["fieldRef"].is_object() {
            let path = text(&from["fieldRef"]["fieldPath"]);
            let version = text(&from["fieldRef"]["apiVersion"]);
            let version = if version.is_empty() { "v1".to_owned() } else { version };
            let value = pod.map(|pod| field_value(pod, &path)).unwrap_or_default();
            out.line(3, &format!("{name}:\t{value} ({version}:{path})"));
        } else if from["resourceFieldRef"].is_object() {
            let resource = text(&from["resourceFieldRef"]["resource"]);
            let (list, key) = resource.split_once('.').unwrap_or(("limits", resource.as_str()));
            let value = text(&container["resources"][list][key]);
            let value = if value.is_empty() { "node allocatable".to_owned() } else { value };
            out.line(3, &format!("{name}:\t{value} ({resource})"));
        } else if from["secretKeyRef"].is_object() {
            let source = &from["secretKeyRef"];
            let (key, of, optional) = (text(&source["key"]), text(&source["name"]), source["optional"] == true);
            out.line(3, &format!("{name}:\t<set to the key '{key}' in secret '{of}'>\tOptional: {optional}"));
        } else if from["configMapKeyRef"].is_object() {
            let source = &from["configMapKeyRef"];
            let (key, of, optional) = (text(&source["key"]), text(&source["name"]), source["optional"] == true);
            out.line(3, &format!("{name}:\t<set to the key '{key}' of config map '{of}'>\tOptional: {optional}"));
        } else {
            for (i, line) in text(&variable["value"]).split('\n').enumerate() {
                out.line(3, &if i == 0 { format!("{name}:\t{line}") } else { format!("\t{line}") });
            }
        }
    }
}

fn describe_mounts(mounts: &Value, out: &mut Description) {
    let mut mounts = list(mounts).to_vec();
    mounts.sort_by_key(|mount| text(&mount["mountPath"]));
    out.line(2, if mounts.is_empty() { "Mounts:\t<none>" } else { "Mounts:" });
    for mount in mounts {
        let mut flags = vec![if mount["readOnly"] == true { "ro".to_owned() } else { "rw".to_owned() }];
        if mount["subPath"].is_string() {
            flags.push(format!("path={:?}", text(&mount["subPath"])));
        }
        out.line(3, &format!("{} from {} ({})", text(&mount["mountPath"]), text(&mount["name"]), flags.join(",")));
    }
}
