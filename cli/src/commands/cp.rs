//! `kubus cp`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_cp/>. Files travel as a tar archive between
//! this program and the `tar` of the container.

mod pack;
mod place;
mod unpack;

use super::pod_of;
use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::server::Duplex;
use crate::{fail, session};
use bytes::Bytes;
use clap::Args;
use kubus_client::stream::Received;
use kubus_proto::ApiRequest;
use kubus_proto::kinds::pod;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::stream::channel;
use place::{Place, Remote};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Pieces of an archive that wait on their way.
const PIECES_LIMIT: usize = 8;
/// Longest text of the container's `tar` that is kept for an error, in bytes.
const COMPLAINT_BYTES: usize = 8 * 1024;

/// Copy files and directories to and from containers
#[derive(Args, Clone, Debug)]
pub struct CpArgs {
    /// What to copy: a local path, POD:PATH or NAMESPACE/POD:PATH
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Where to: a local path, POD:PATH or NAMESPACE/POD:PATH
    #[arg(value_name = "DESTINATION")]
    destination: String,
    /// The container
    #[arg(short = 'c', long, value_name = "CONTAINER")]
    container: Option<String>,
    /// Do not keep owner and permissions in the container
    #[arg(long)]
    no_preserve: bool,
}

/// Runs the command.
pub async fn run(args: CpArgs, context: &Context) -> Result<()> {
    match (Place::parse(&args.source)?, Place::parse(&args.destination)?) {
        (Place::Remote(_), Place::Remote(_)) => fail!("one of src or dest must be a local file specification"),
        (Place::Local(_), Place::Local(_)) => fail!("one of src or dest must be a remote file specification"),
        (Place::Local(from), Place::Remote(to)) => {
            let container = Container::of(&to, &args, context).await?;
            upload(&from, &to.path, args.no_preserve, &container).await
        }
        (Place::Remote(from), Place::Local(to)) => {
            let container = Container::of(&from, &args, context).await?;
            download(&from.path, &to, &container).await
        }
    }
}

/// Where programs are run.
struct Container<'a> {
    context: &'a Context,
    namespace: String,
    pod: String,
    name: String,
}

impl<'a> Container<'a> {
    async fn of(place: &Remote, args: &CpArgs, context: &'a Context) -> Result<Self> {
        let namespace = place.namespace.clone().unwrap_or_else(|| context.namespace().to_owned());
        let pod = context.get(&pod::ROW, &namespace, &place.pod).await?;
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        if matches!(phase, "Succeeded" | "Failed") {
            fail!("cannot exec into a container in a completed pod; current phase is {phase}");
        }
        let name = pod_of::container(&pod, args.container.as_deref(), context)?;
        Ok(Self { context, namespace, pod: place.pod.clone(), name })
    }

    async fn exec(&self, command: &[&str], stdin: bool) -> Result<Duplex> {
        let mut query = Query::new()
            .with("container", &self.name)
            .with("stdin", if stdin { "true" } else { "" })
            .with("stdout", "true")
            .with("stderr", "true");
        for word in command {
            query = query.with("command", word);
        }
        let mut request =
            ApiRequest::new(Method::Post, ResourcePath::of(&pod::ROW, &self.namespace, &self.pod, "exec"));
        request.query = query.into_string();
        session::open(request, self.context).await
    }

    /// Runs a program to its end; its output is of no interest.
    async fn succeeds(&self, command: &[&str]) -> Result<bool> {
        let (_writer, mut reader) = self.exec(command, false).await?;
        loop {
            if let Received::End { exit_code } = reader.next().await? {
                return Ok(exit_code.unwrap_or(0) == 0);
            }
        }
    }
}

/// What the container's `tar` said when it failed.
#[derive(Default)]
struct Complaint(Vec<u8>);

impl Complaint {
    fn add(&mut self, data: &[u8]) {
        let room = COMPLAINT_BYTES.saturating_sub(self.0.len()).min(data.len());
        self.0.extend_from_slice(&data[..room]);
    }

    /// An error for any code but 0.
    fn check(self, exit_code: Option<i32>, context: &Context) -> Result<()> {
        match exit_code.unwrap_or(0) {
            0 => Ok(()),
            code => {
                context.console.write_error(&self.0);
                Err(CliError::message(format!("command terminated with exit code {code}")))
            }
        }
    }
}

async fn upload(from: &Path, to: &str, no_preserve: bool, container: &Container<'_>) -> Result<()> {
    if from.symlink_metadata().is_err() {
        fail!("{} doesn't exist in local filesystem", from.display());
    }
    let mut to = to.to_owned();
    if container.succeeds(&["test", "-d", &to]).await? {
        to = place::join(&to, &place::base_name(&from.to_string_lossy()));
    }
    let (folder, name) = place::split(&to);
    let mut command = vec!["tar", "-xmf", "-"];
    if no_preserve {
        command.splice(1..2, ["--no-same-permissions", "--no-same-owner", "-xmf"]);
    }
    command.extend(["-C", folder.as_str()]);
    let (mut writer, mut reader) = container.exec(&command, true).await?;
    let (pieces, mut queue) = mpsc::channel::<Bytes>(PIECES_LIMIT);
    let source = from.to_owned();
    let packing = tokio::task::spawn_blocking(move || pack::pack(&source, &name, pieces));
    let sending = async {
        while let Some(piece) = queue.recv().await {
            if writer.send(channel::STDIN, piece).await.is_err() {
                // Why is told by the other direction. What cannot be sent need not be packed.
                drop(queue);
                return std::future::pending().await;
            }
        }
        // An archive that broke off must not look whole.
        match packing.await {
            Ok(Ok(())) => match writer.close(channel::STDIN).await {
                Ok(()) | Err(_) => std::future::pending().await,
            },
            Ok(Err(error)) => CliError::message(format!("cannot read {}: {error}", from.display())),
            Err(error) => CliError::message(format!("cannot pack {}: {error}", from.display())),
        }
    };
    let mut complaint = Complaint::default();
    let receiving = async {
        loop {
            match reader.next().await? {
                Received::Data { data, .. } => complaint.add(&data),
                Received::Close { .. } => {}
                Received::End { exit_code } => return Ok(exit_code),
            }
        }
    };
    let exit_code = tokio::select! {
        ended = receiving => ended,
        error = sending => Err(error),
    };
    complaint.check(exit_code?, container.context)
}

async fn download(from: &str, to: &Path, container: &Container<'_>) -> Result<()> {
    let mut to: PathBuf = to.to_owned();
    if to.is_dir() {
        to.push(place::base_name(from));
    }
    let (_writer, mut reader) = container.exec(&["tar", "cf", "-", from], false).await?;
    let (pieces, queue) = mpsc::channel::<Bytes>(PIECES_LIMIT);
    // Members of archives have no leading slash.
    let prefix = from.trim_start_matches('/').trim_end_matches('/').to_owned();
    let unpacking = tokio::task::spawn_blocking(move || unpack::unpack(queue, &prefix, &to));
    let mut complaint = Complaint::default();
    let mut pieces = Some(pieces);
    let exit_code = loop {
        match reader.next().await? {
            Received::Data { channel: channel::STDERR, data } => complaint.add(&data),
            Received::Data { data, .. } => {
                // Who unpacks may have failed; that is told below.
                let failed = match &pieces {
                    Some(pieces) => pieces.send(data).await.is_err(),
                    None => false,
                };
                if failed {
                    pieces = None;
                    break Some(0);
                }
            }
            Received::Close { .. } => {}
            Received::End { exit_code } => break exit_code,
        }
    };
    drop(pieces);
    let unpacked = unpacking.await.map_err(|error| CliError::message(format!("cannot unpack: {error}")))?;
    if exit_code.unwrap_or(0) == 0 {
        // tar tells on stderr that it leaves slashes out, as kubectl shows it.
        container.context.console.write_error(&complaint.0);
        for warning in unpacked.map_err(|error| CliError::message(error.to_string()))? {
            container.context.console.error_line(&warning);
        }
    }
    complaint.check(exit_code, container.context)
}
