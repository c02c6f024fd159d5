//! Validation of probes and lifecycle hooks.
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes>

use super::{not_negative, required_one_of, text};
use crate::behaviour::causes::{forbidden, invalid, required};
use crate::behaviour::names::{http_header, port_name, port_number};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{
    ExecAction, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubus_proto::status::Cause;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Restarts a container that fails it.
    Liveness,
    /// Takes a pod that fails it out of its services.
    Readiness,
    /// Holds the other probes back until it succeeds.
    Startup,
}

/// The ways to ask or tell a container something; exactly one must be given.
#[derive(Default)]
struct Handler<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc: Option<&'a GRPCAction>,
    sleep: Option<(&'a SleepAction, i64)>,
}

impl Handler<'_> {
    fn validate(&self, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
        let mut count = 0;
        // The first handler is checked; each one more is one too many.
        let mut first = |field: &'static str, causes: &mut Vec<Cause>| {
            count += 1;
            if count > 1 {
                causes.push(forbidden(path.field(field), "may not specify more than 1 handler type"));
            }
            count == 1
        };
        if let Some(exec) = self.exec
            && first("exec", causes)
            && exec.command.as_ref().is_none_or(Vec::is_empty)
        {
            causes.push(required(path.field("exec").field("command"), ""));
        }
        if let Some(action) = self.http_get
            && first("httpGet", causes)
        {
            validate_http(action, &path.field("httpGet"), causes);
        }
        if let Some(action) = self.tcp_socket
            && first("tcpSocket", causes)
        {
            validate_port(&action.port, &path.field("tcpSocket").field("port"), causes);
        }
        if let Some(action) = self.grpc
            && first("grpc", causes)
        {
            validate_port(&IntOrString::Int(action.port), &path.field("grpc").field("port"), causes);
        }
        if let Some((action, grace)) = self.sleep
            && first("sleep", causes)
            && !(0..=grace).contains(&action.seconds)
        {
            let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
            causes.push(invalid(path.field("sleep"), action.seconds, detail));
        }
        if count == 0 {
            causes.push(required(path, "must specify a handler type"));
        }
    }
}

fn validate_http(action: &HTTPGetAction, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if text(&action.path).is_empty() {
        causes.push(required(path.field("path"), ""));
    }
    validate_port(&action.port, &path.field("port"), causes);
    required_one_of(&path.field("scheme"), &action.scheme, &["HTTP", "HTTPS"], causes);
    for header in action.http_headers.iter().flatten() {
        let wrong = http_header(&header.name);
        causes.extend(wrong.iter().map(|p| invalid(path.field("httpHeaders"), header.name.as_str(), p)));
    }
}

fn validate_port(port: &IntOrString, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match port {
        IntOrString::Int(number) => {
            causes.extend(port_number((*number).into()).iter().map(|p| invalid(path, *number, p)));
        }
        IntOrString::String(name) => causes.extend(port_name(name).iter().map(|p| invalid(path, name.as_str(), p))),
    }
}

/// One probe.
pub fn validate_probe(probe: &Probe, kind: Kind, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let handler = Handler {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        grpc: probe.grpc.as_ref(),
        sleep: None,
    };
    handler.validate(path, causes);
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        not_negative(&path.field(field), value.unwrap_or_default(), causes);
    }
    if let Some(seconds) = probe.termination_grace_period_seconds {
        if seconds <= 0 {
            causes.push(invalid(path.field("terminationGracePeriodSeconds"), seconds, "must be greater than 0"));
        }
        if kind == Kind::Readiness {
            let detail = "must not be set for readinessProbes";
            causes.push(invalid(path.field("terminationGracePeriodSeconds"), seconds, detail));
        }
    }
    let successes = probe.success_threshold.unwrap_or_default();
    if kind != Kind::Readiness && successes != 1 {
        causes.push(invalid(path.field("successThreshold"), successes, "must be 1"));
    }
}

/// `postStart`, `preStop` and `stopSignal`.
/// `os` is the pod's operating system, empty if it does not say.
pub fn validate_lifecycle(
    lifecycle: &Lifecycle,
    grace_seconds: i64,
    os: &str,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    let hook = |hook: &Option<LifecycleHandler>, field: &str, causes: &mut Vec<Cause>| {
        let Some(hook) = hook else { return };
        let handler = Handler {
            exec: hook.exec.as_ref(),
            http_get: hook.http_get.as_ref(),
            tcp_socket: hook.tcp_socket.as_ref(),
            sleep: hook.sleep.as_ref().map(|sleep| (sleep, grace_seconds)),
            grpc: None,
        };
        handler.validate(&path.field(field), causes);
    };
    hook(&lifecycle.post_start, "postStart", causes);
    hook(&lifecycle.pre_stop, "preStop", causes);
    if let Some(signal) = lifecycle.stop_signal.as_deref() {
        let field = path.field("stopSignal");
        if os.is_empty() {
            causes.push(forbidden(field, "may not be set for containers with empty `spec.os.name`"));
        } else if !signal.starts_with("SIG") {
            causes.push(invalid(field, signal, "must be the name of a signal, such as SIGTERM"));
        }
    }
}
