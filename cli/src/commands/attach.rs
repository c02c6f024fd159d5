//! `kubus attach`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_attach/>.

use super::pod_of;
use crate::context::{Context, Query};
use crate::error::Result;
use crate::{fail, session};
use clap::Args;
use kubus_proto::ApiRequest;
use kubus_proto::kinds::pod;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use serde_json::Value;

/// Attach to a process that is already running inside a container
#[derive(Args, Clone, Debug)]
pub struct AttachArgs {
    /// POD or TYPE/NAME
    #[arg(value_name = "POD | TYPE/NAME")]
    pod: String,
    /// The container
    #[arg(short = 'c', long, value_name = "CONTAINER")]
    container: Option<String>,
    /// Pass stdin to the container
    #[arg(short = 'i', long)]
    stdin: bool,
    /// stdin is a terminal
    #[arg(short = 't', long)]
    tty: bool,
    /// Print only what the container says
    #[arg(short = 'q', long)]
    quiet: bool,
}

/// Runs the command.
pub async fn run(args: AttachArgs, context: &Context) -> Result<()> {
    let target = pod_of::one(&args.pod, context).await?;
    let phase = target["status"]["phase"].as_str().unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        fail!("cannot attach a container in a completed pod; current phase is {phase}");
    }
    let container = pod_of::container(&target, args.container.as_deref(), context)?;
    let spec = spec_of(&target, &container);
    let mut tty = session::terminal_wanted(args.tty, args.stdin, context);
    if tty && spec["tty"] != true {
        context.console.error_line(&format!("error: Unable to use a TTY - container {container} did not allocate one"));
        tty = false;
    }
    let flag = |on: bool| if on { "true" } else { "" };
    let query = Query::new()
        .with("container", &container)
        .with("stdin", flag(args.stdin))
        .with("stdout", "true")
        // A terminal has one output only.
        .with("stderr", flag(!tty))
        .with("tty", flag(tty));
    let name = pod_of::name_of(&target);
    let mut request = ApiRequest::new(Method::Post, ResourcePath::of(&pod::ROW, context.namespace(), name, "attach"));
    request.query = query.into_string();
    let duplex = session::open(request, context).await?;
    if !args.quiet {
        context.console.error_line("If you don't see a command prompt, try pressing enter.");
    }
    session::run(args.stdin, tty, duplex, context).await?;
    if args.stdin && tty && target["spec"]["restartPolicy"] == "Always" {
        context.console.print(&format!(
            "Session ended, resume using 'kubus attach {name} -c {container} -i -t' command when the pod is running\n"
        ));
    }
    Ok(())
}

/// The container of that name, among those of every kind.
fn spec_of<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let mut all = lists.iter().flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten());
    all.find(|container| container["name"] == name).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use crate::fake::FakeServer;
    use kubus_client::stream::Received;
    use kubus_proto::stream::channel;
    use serde_json::json;

    #[tokio::test]
    async fn it_says_what_the_container_says() {
        let pod = |name: &str, phase: &str| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
                "spec": {"containers": [{"name": "c"}, {"name": "d"}]}, "status": {"phase": phase}})
        };
        let server = FakeServer::with(&[pod("web", "Running"), pod("done", "Succeeded")]);
        let hint = "If you don't see a command prompt, try pressing enter.\n";
        let defaulted = "Defaulted container \"c\" out of: c, d\n";
        let completed = "error: cannot attach a container in a completed pod; current phase is Succeeded\n";
        for (line, out, err, code) in [
            ("attach web", "out\n", format!("{defaulted}{hint}err\n"), 0),
            ("attach pod/web -c d -q", "out\n", "err\n".to_owned(), 0),
            ("attach done", "", completed.to_owned(), 1),
        ] {
            let data = |channel: u8, text: &'static str| Received::Data { channel, data: text.into() };
            let end = Received::End { exit_code: None };
            *server.received.lock().expect("received") =
                vec![data(channel::STDOUT, "out\n"), data(channel::STDERR, "err\n"), end];
            let outcome = server.run(line).await;
            assert_eq!((outcome.out.as_str(), outcome.err.as_str(), outcome.code), (out, err.as_str(), code), "{line}");
        }
        let requests = server.requests();
        let sent = "POST /api/v1/namespaces/default/pods/web/attach?container=d&stdout=true&stderr=true";
        assert!(requests.iter().any(|request| request.starts_with(sent)), "{requests:#?}");
    }
}
