//! log, exec, attach: the apiserver checks, asks the node, and hands out a ticket; the bytes go past it.

use super::Api;
use super::answer::{self, Accept};
use super::call::{Call, decode};
use super::options::{Freshness, Query};
use futures::future::BoxFuture;
use kubus_proto::stream::{OpenStream, Operation, STREAM_ACCEPT, StreamTicket};
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::Value;

/// Carries a request for a stream to its node.
pub trait OpenStreams: Send + Sync + 'static {
    /// Tells the node; whether it hears is seen by the client.
    fn open(&self, stream: OpenStream) -> BoxFuture<'_, Result<(), ApiError>>;
}

impl Api {
    /// Opens a stream to a pod and answers with its ticket.
    pub(super) async fn connect(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let state = self.state(Freshness::Newest).await?;
        call.authorize(&state)?;
        if call.accept != Accept::Stream {
            let message = format!("only the following media types are accepted: {STREAM_ACCEPT}");
            return Err(ApiError::new(Reason::NotAcceptable, message));
        }
        let object = state.get(&call.key()).ok_or_else(|| call.not_found())?;
        let pod: Value = decode(&object.bytes)?;
        let operation = match call.path.subresource.as_str() {
            "log" => logs(&pod, &call.query)?,
            "exec" => exec(&pod, &call.query)?,
            _ => attach(&pod, &call.query)?,
        };
        if object.scope.is_empty() {
            return Err(bad(format!("pod {} does not have a host assigned", call.path.name)));
        }
        // A retried request opens the same session, not a second one; its id is random and known to its sender only.
        let session = call.id.simple().to_string();
        let ticket = StreamTicket { node: object.scope.clone(), identity: call.caller.identity.clone(), session };
        let (namespace, name) = (call.path.namespace.clone(), call.path.name.clone());
        let stream = OpenStream { ticket: ticket.clone(), namespace, pod: name, uid: object.uid.clone(), operation };
        self.streams.open(stream).await?;
        answer::value(200, &ticket)
    }
}

fn bad(message: String) -> ApiError {
    ApiError::new(Reason::BadRequest, message)
}

fn names<'a>(pod: &'a Value, list: &str) -> Vec<&'a str> {
    pod["spec"][list].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect()
}

/// The container a request means: the one it names, or the only one.
fn container(pod: &Value, asked: &str) -> Result<String, ApiError> {
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let (main, init) = (names(pod, "containers"), names(pod, "initContainers"));
    let ephemeral = names(pod, "ephemeralContainers");
    if !asked.is_empty() {
        let known = main.iter().chain(&init).chain(&ephemeral).any(|name| *name == asked);
        return if known {
            Ok(asked.to_owned())
        } else {
            Err(bad(format!("container {asked} is not valid for pod {pod_name}")))
        };
    }
    match main.as_slice() {
        [only] => Ok((*only).to_owned()),
        many => {
            let mut message =
                format!("a container name must be specified for pod {pod_name}, choose one of: [{}]", many.join(" "));
            for (what, names) in [("init", init), ("ephemeral", ephemeral)] {
                if !names.is_empty() {
                    message.push_str(&format!(" or one of the {what} containers: [{}]", names.join(" ")));
                }
            }
            Err(bad(message))
        }
    }
}

/// What stands in the way of a container's log, in the kubelet's words.
fn check_log(pod: &Value, container: &str, previous: bool) -> Result<(), ApiError> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let status = statuses
        .iter()
        .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten())
        .find(|status| status["name"] == container);
    let waiting = |why: &str| Err(bad(format!("container {container:?} in pod {name:?} is waiting to start{why}")));
    let Some(status) = status else {
        return waiting(": ContainerCreating");
    };
    let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
    if previous {
        return match last.is_object() {
            true => Ok(()),
            false => Err(bad(format!("previous terminated container {container:?} in pod {name:?} not found"))),
        };
    }
    if state["running"].is_object() || state["terminated"].is_object() || last.is_object() {
        return Ok(());
    }
    match state["waiting"]["reason"].as_str().unwrap_or_default() {
        "" => waiting(" - no logs yet"),
        "ErrImagePull" => waiting(": image can't be pulled"),
        "ImagePullBackOff" => waiting(": trying and failing to pull image"),
        reason => waiting(&format!(": {reason}")),
    }
}

fn logs(pod: &Value, query: &Query) -> Result<Operation, ApiError> {
    let container = container(pod, query.text("container"))?;
    let previous = query.flag("previous");
    let positive = |key: &str| match query.number(key)? {
        Some(number) if number < 0 => {
            Err(bad(format!("{key}: Invalid value: {number}: must be greater than or equal to 0")))
        }
        number => Ok(number),
    };
    let operation = Operation::Logs {
        follow: query.flag("follow"),
        previous,
        tail_lines: positive("tailLines")?,
        since_seconds: positive("sinceSeconds")?,
        since_time: Some(query.text("sinceTime").to_owned()).filter(|t| !t.is_empty()),
        timestamps: query.flag("timestamps"),
        limit_bytes: positive("limitBytes")?,
        container: container.clone(),
    };
    let bound = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    if bound {
        check_log(pod, &container, previous)?;
    }
    Ok(operation)
}

fn exec(pod: &Value, query: &Query) -> Result<Operation, ApiError> {
    let command: Vec<String> = query.all("command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(bad("you must specify at least one command for the container".to_owned()));
    }
    let container = container(pod, query.text("container"))?;
    let Ends { stdin, stdout, stderr, tty } = ends(query)?;
    Ok(Operation::Exec { container, command, stdin, stdout, stderr, tty })
}

fn attach(pod: &Value, query: &Query) -> Result<Operation, ApiError> {
    let container = container(pod, query.text("container"))?;
    let Ends { stdin, stdout, stderr, tty } = ends(query)?;
    Ok(Operation::Attach { container, stdin, stdout, stderr, tty })
}

struct Ends {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

/// Which ends of the process the client wants; a terminal has no errors of its own.
fn ends(query: &Query) -> Result<Ends, ApiError> {
    let tty = query.flag("tty");
    let (stdin, stdout, stderr) = (query.flag("stdin"), query.flag("stdout"), query.flag("stderr") && !tty);
    if !stdin && !stdout && !stderr {
        return Err(bad("you must specify at least one of stdin, stdout, stderr".to_owned()));
    }
    Ok(Ends { stdin, stdout, stderr, tty })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_are_found_or_asked_for() {
        let one = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}});
        let two = json!({"metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}});
        for (pod, asked, expected) in [
            (&one, "", Ok("a")),
            (&two, "b", Ok("b")),
            (&two, "i", Ok("i")),
            (&one, "x", Err("container x is not valid for pod p")),
            (
                &two,
                "",
                Err(
                    "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]",
                ),
            ),
        ] {
            let answer = container(pod, asked);
            assert_eq!(answer.as_deref().map_err(|e| e.message.as_str()), expected, "{asked}");
        }
    }

    #[test]
    fn logs_wait_for_their_container() {
        for (status, previous, expected) in [
            (json!({}), false, Err("container \"c\" in pod \"p\" is waiting to start: ContainerCreating")),
            (json!({"name": "c", "state": {"running": {}}}), false, Ok(())),
            (json!({"name": "c", "state": {"terminated": {}}}), false, Ok(())),
            (
                json!({"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {}}}),
                false,
                Ok(()),
            ),
            (
                json!({"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}),
                false,
                Err("container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image"),
            ),
            (
                json!({"name": "c", "state": {"running": {}}}),
                true,
                Err("previous terminated container \"c\" in pod \"p\" not found"),
            ),
        ] {
            let pod = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [status]}});
            let answer = check_log(&pod, "c", previous).map_err(|e| e.message);
            assert_eq!(answer, expected.map_err(str::to_owned), "{status}");
        }
    }
}
