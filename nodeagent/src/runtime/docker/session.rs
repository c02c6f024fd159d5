//! Logs, exec and attach. What nobody reads is not read from the engine either, so the writer waits.

use super::super::{ExecSpec, LogQuery, Output, RuntimeError, Session, SessionId};
use super::failure;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::{AttachContainerOptions, LogsOptions, ResizeContainerTTYOptions};
use futures::stream::{BoxStream, StreamExt};

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
pub(super) fn logs(docker: &Docker, id: &str, query: &LogQuery) -> BoxStream<'static, Result<Output, RuntimeError>> {
    let options = LogsOptions {
        follow: query.follow,
        stdout: true,
        stderr: true,
        since: query.since.and_then(|t| i32::try_from(t.as_second()).ok()).unwrap_or(0),
        timestamps: query.timestamps,
        tail: query.tail_lines.map_or_else(|| "all".to_owned(), |n| n.to_string()),
        ..LogsOptions::default()
    };
    let id = id.to_owned();
    let docker = docker.clone();
    docker.logs(&id.clone(), Some(options)).map(move |item| output(&id, item)).boxed()
}

/// Runs a process in a container.
pub(super) async fn exec(docker: &Docker, id: &str, spec: &ExecSpec) -> Result<Session, RuntimeError> {
    let options = CreateExecOptions {
        attach_stdin: Some(spec.stdin),
        attach_stdout: Some(spec.stdout),
        attach_stderr: Some(spec.stderr),
        tty: Some(spec.tty),
        cmd: Some(spec.command.clone()),
        ..CreateExecOptions::default()
    };
    let exec = docker.create_exec(id, options).await.map_err(|e| failure(id, e))?.id;
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

/// Attaches to a container's main process.
pub(super) async fn attach(docker: &Docker, id: &str, spec: &ExecSpec) -> Result<Session, RuntimeError> {
    let options = AttachContainerOptions {
        stream: true,
        stdin: spec.stdin,
        stdout: spec.stdout,
        stderr: spec.stderr,
        ..AttachContainerOptions::default()
    };
    let attached = docker.attach_container(id, Some(options)).await.map_err(|e| failure(id, e))?;
    let about = id.to_owned();
    let items = attached.output.map(move |item| output(&about, item)).boxed();
    Ok(Session { id: SessionId::Attach(id.to_owned()), output: items, input: attached.input })
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

/// Exit code of a session whose output has ended.
pub(super) async fn exit_code(docker: &Docker, id: &SessionId) -> Result<Option<i32>, RuntimeError> {
    match id {
        SessionId::Exec(exec) => {
            let details = docker.inspect_exec(exec).await.map_err(|e| failure(exec, e))?;
            Ok(details.exit_code.and_then(|c| i32::try_from(c).ok()))
        }
        SessionId::Attach(container) => {
            let details = docker.inspect_container(container, None).await.map_err(|e| failure(container, e))?;
            let state = details.state.unwrap_or_default();
            let code = state.exit_code.filter(|_| state.running != Some(true));
            Ok(code.and_then(|c| i32::try_from(c).ok()))
        }
    }
}
