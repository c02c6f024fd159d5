//! log, exec, attach, portforward, proxy: the apiserver checks, asks the node, and hands out a ticket; the bytes go past
//! it.

mod log;
mod proxy;

use super::Api;
use super::answer::{self, Accept};
use super::call::{Call, decode};
use super::options::{Freshness, Query};
use crate::authorize::{self, Attributes};
use crate::state::{Object, State};
use futures::future::BoxFuture;
use kubus_proto::stream::{OpenStream, Operation, STREAM_ACCEPT, StreamTicket};
use kubus_proto::{ApiError, ApiResponse, Reason, Verb};
use serde_json::Value;

/// Subresources that run something or reach into a pod, whatever the method.
const UPGRADES: [&str; 3] = ["exec", "attach", "portforward"];

/// Carries a request for a stream to its node.
pub trait OpenStreams: Send + Sync + 'static {
    /// Tells the node; whether it hears is seen by the client.
    fn open(&self, stream: OpenStream) -> BoxFuture<'_, Result<(), ApiError>>;
}

/// What is asked of a pod's node.
struct Request {
    /// Namespace, name and uid of the pod.
    namespace: String,
    name: String,
    uid: String,
    /// Empty while the pod has none.
    node: String,
    /// None where the request only asks whether it may.
    operation: Option<Operation>,
}

impl Api {
    /// Opens a stream to a pod and answers with its ticket.
    pub(super) async fn connect(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let state = self.state(Freshness::Newest).await?;
        call.authorize(&state)?;
        if call.verb == Verb::Get && UPGRADES.contains(&call.path.subresource.as_str()) {
            // A WebSocket always begins with GET; the right to read is not the right to run something.
            let create = Attributes { verb: Verb::Create.as_str(), ..call.attributes() };
            call.access.see(&state, |sight| authorize::authorize(&call.caller, &create, sight))?;
        }
        if call.accept != Accept::Stream {
            return Err(match call.path.subresource.as_str() {
                "log" => {
                    let message = format!("only the following media types are accepted: {STREAM_ACCEPT}");
                    ApiError::new(Reason::NotAcceptable, message)
                }
                _ => bad("Upgrade request required".to_owned()),
            });
        }
        let request = match (call.row().plural, call.path.subresource.as_str()) {
            ("services", _) => proxy::service(&state, &call.path, rand::random())?,
            (_, "proxy") => proxy::pod(&state, &call.path)?,
            _ => pod_request(&state, call)?,
        };
        if request.node.is_empty() {
            return Err(bad(format!("pod {} does not have a host assigned", request.name)));
        }
        // A retried request opens the same session, not a second one; its id is random and known to its sender only.
        let session = request.operation.as_ref().map(|_| call.id.simple().to_string()).unwrap_or_default();
        let ticket = StreamTicket { node: request.node, identity: call.caller.identity.clone(), session };
        if let Some(operation) = request.operation {
            let Request { namespace, name, uid, .. } = request;
            let stream = OpenStream { ticket: ticket.clone(), namespace, pod: name, uid, operation };
            self.streams.open(stream).await?;
        }
        answer::value(200, &ticket)
    }
}

/// Everything but proxies: the pod is the path's object.
fn pod_request(state: &State, call: &Call) -> Result<Request, ApiError> {
    let object = state.get(&call.key()).ok_or_else(|| call.not_found())?;
    let pod: Value = decode(&object.bytes)?;
    let operation = match call.path.subresource.as_str() {
        "log" => Some(log::logs(&pod, &call.query)?),
        "exec" => Some(exec(&pod, &call.query)?),
        "portforward" => port_forward(&call.query)?,
        _ => Some(attach(&pod, &call.query)?),
    };
    Ok(Request::of(object, call.path.namespace.clone(), call.path.name.clone(), operation))
}

impl Request {
    fn of(object: &Object, namespace: String, name: String, operation: Option<Operation>) -> Self {
        Self { namespace, name, uid: object.uid.clone(), node: object.scope.clone(), operation }
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

/// A connection to the one port that is named. Clients that name none, or several, ask for each when it is needed.
fn port_forward(query: &Query) -> Result<Option<Operation>, ApiError> {
    let ports = query.all("ports").flat_map(|ports| ports.split(',')).map(port).collect::<Result<Vec<_>, _>>()?;
    Ok(match ports.as_slice() {
        [port] => Some(Operation::PortForward { port: *port }),
        _ => None,
    })
}

/// A port's number.
fn port(text: &str) -> Result<u16, ApiError> {
    let number = text.parse().ok().filter(|port: &u16| *port > 0);
    number.ok_or_else(|| bad(format!("{text:?} is not a valid port number: must be between 1 and 65535, inclusive")))
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
    fn ports_are_forwarded_one_at_a_time() {
        for (query, expected) in [
            ("", Ok(None)),
            ("ports=80", Ok(Some(80))),
            ("ports=80&ports=81", Ok(None)),
            ("ports=80,81", Ok(None)),
            ("ports=0", Err("\"0\" is not a valid port number: must be between 1 and 65535, inclusive")),
            ("ports=x", Err("\"x\" is not a valid port number: must be between 1 and 65535, inclusive")),
        ] {
            let got = port_forward(&Query::parse(query)).map(|operation| match operation {
                Some(Operation::PortForward { port }) => Some(port),
                _ => None,
            });
            assert_eq!(got.as_ref().map_err(|e| e.message.as_str()), expected.as_ref().map_err(|e| *e), "{query}");
        }
    }

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
}
