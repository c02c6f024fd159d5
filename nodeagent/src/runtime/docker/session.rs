//! Logs, exec and attach. What nobody reads is not read from the engine either, so the writer waits.

use super::super::{ExecSpec, LogQuery, Output, RuntimeError, Session, SessionId};
use super::hijack::{Hijacked, get, hijack};
use super::{DockerRuntime, failure, process};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::{AttachContainerOptions, LogsOptions, ResizeContainerTTYOptions};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use std::time::Duration;

/// First pause before the engine is asked again whether a process has ended, in milliseconds; it doubles.
const EXIT_POLL_MS: u64 = 5;
/// Longest such pause, in milliseconds.
const EXIT_POLL_LIMIT_MS: u64 = 500;

fn output(id: &str, item: Result<LogOutput, bollard::errors::Error>) -> Result<Output, RuntimeError> {
    match item {
        Ok(LogOutput::StdErr { message }) => Ok(Output::Stderr(message)),
        Ok(LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message }) => {
            Ok(Output::Stdout(message))
        }
        Err(error) => Err(failure(id, error)),
    }
}

/// Log lines of a container.
pub(super) fn logs(
    runtime: &DockerRuntime,
    id: &str,
    query: &LogQuery,
) -> BoxStream<'static, Result<Output, RuntimeError>> {
    let tail = query.tail_lines.map_or_else(|| "all".to_owned(), |n| n.to_string());
    if let Some(socket) = runtime.socket.clone() {
        let LogQuery { follow, timestamps, tty, since, .. } = *query;
        let since = since.map(|t| format!("{}.{:09}", t.as_second(), t.subsec_nanosecond())).unwrap_or_default();
        let version = runtime.docker.client_version();
        let path = format!(
            "/v{version}/containers/{id}/logs?stdout=1&stderr=1&follow={follow}&timestamps={timestamps}&since={since}&tail={tail}"
        );
        let lines = async move { get(&socket, &path, tty).await };
        return stream::once(lines).try_flatten().boxed();
    }
    let options = LogsOptions {
        follow: query.follow,
        stdout: true,
        stderr: true,
        since: query.since.and_then(|t| i32::try_from(t.as_second()).ok()).unwrap_or(0),
        timestamps: query.timestamps,
        tail,
        ..LogsOptions::default()
    };
    let id = id.to_owned();
    let docker = runtime.docker.clone();
    docker.logs(&id.clone(), Some(options)).map(move |item| output(&id, item)).boxed()
}

/// Runs a process in a container.
pub(super) async fn exec(runtime: &DockerRuntime, id: &str, spec: &ExecSpec) -> Result<Session, RuntimeError> {
    let docker = &runtime.docker;
    let options = CreateExecOptions {
        attach_stdin: Some(spec.stdin),
        attach_stdout: Some(spec.stdout),
        attach_stderr: Some(spec.stderr),
        tty: Some(spec.tty),
        cmd: Some(spec.command.clone()),
        ..CreateExecOptions::default()
    };
    let exec = docker.create_exec(id, options).await.map_err(|e| failure(id, e))?.id;
    if let Some(socket) = &runtime.socket {
        let path = format!("/v{}/exec/{exec}/start", docker.client_version());
        let body = serde_json::json!({"Detach": false, "Tty": spec.tty}).to_string();
        let Hijacked { output, input } = hijack(socket, &path, &body, spec.tty).await?;
        return Ok(Session { id: SessionId::Exec(exec), output, input: Box::pin(input) });
    }
    let start = StartExecOptions { detach: false, tty: spec.tty, output_capacity: None };
    match docker.start_exec(&exec, Some(start)).await.map_err(|e| failure(id, e))? {
        StartExecResults::Attached { output: items, input } => {
            let about = id.to_owned();
            let items = items.map(move |item| output(&about, item)).boxed();
            Ok(Session { id: SessionId::Exec(exec), output: items, input })
        }
        StartExecResults::Detached => Err(RuntimeError::Refused("the engine detached the process".to_owned())),
    }
}

/// Attaches to a container's main process; `spec.tty` says whether that is on a terminal.
pub(super) async fn attach(runtime: &DockerRuntime, id: &str, spec: &ExecSpec) -> Result<Session, RuntimeError> {
    let docker = &runtime.docker;
    let ExecSpec { stdin, stdout, stderr, tty, .. } = *spec;
    if let Some(socket) = &runtime.socket {
        let version = docker.client_version();
        let path = format!(
            "/v{version}/containers/{id}/attach?stream=true&stdin={stdin}&stdout={stdout}&stderr={}",
            // A terminal has one output; the engine wants to hear of both.
            stderr || tty
        );
        let Hijacked { output, input } = hijack(socket, &path, "", tty).await?;
        return Ok(Session { id: SessionId::Attach(id.to_owned()), output, input: Box::pin(input) });
    }
    let options = AttachContainerOptions { stream: true, stdin, stdout, stderr, ..AttachContainerOptions::default() };
    let attached = docker.attach_container(id, Some(options)).await.map_err(|e| failure(id, e))?;
    let about = id.to_owned();
    let items = attached.output.map(move |item| output(&about, item)).boxed();
    Ok(Session { id: SessionId::Attach(id.to_owned()), output: items, input: attached.input })
}

/// Kills the process of a session whose client has left; a container's own process goes on.
pub(super) async fn abandon(docker: &Docker, id: &SessionId) -> Result<(), RuntimeError> {
    let SessionId::Exec(exec) = id else { return Ok(()) };
    let details = docker.inspect_exec(exec).await.map_err(|e| failure(exec, e))?;
    if details.running == Some(true) {
        let container = details.container_id.unwrap_or_default();
        process::kill_in_container(details.pid.unwrap_or_default(), &container);
    }
    Ok(())
}

/// Sets the size of a session's terminal, in characters.
pub(super) async fn resize(docker: &Docker, id: &SessionId, width: u16, height: u16) -> Result<(), RuntimeError> {
    match id {
        SessionId::Exec(exec) => {
            docker.resize_exec(exec, ResizeExecOptions { height, width }).await.map_err(|e| failure(exec, e))
        }
        SessionId::Attach(container) => {
            let options = ResizeContainerTTYOptions { h: height.into(), w: width.into() };
            docker.resize_container_tty(container, options).await.map_err(|e| failure(container, e))
        }
    }
}

/// Exit code of a session whose output has ended; waits for a process that has closed its output and still runs.
pub(super) async fn exit_code(docker: &Docker, id: &SessionId) -> Result<Option<i32>, RuntimeError> {
    let SessionId::Exec(exec) = id else { return Ok(None) };
    let mut pause = Duration::from_millis(EXIT_POLL_MS);
    loop {
        // The engine may say that the output has ended before it knows that the process has.
        let details = docker.inspect_exec(exec).await.map_err(|e| failure(exec, e))?;
        if details.running != Some(true) {
            return Ok(details.exit_code.and_then(|c| i32::try_from(c).ok()));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(EXIT_POLL_LIMIT_MS));
    }
}
