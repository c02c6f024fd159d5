//! Processes of a cluster: started detached, found again by their pid files, stopped in order.

use super::Home;
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a process that should end is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How much of a dead process' log is shown.
const LOG_TAIL_LINES: usize = 5;

/// How to start one process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Names its log and pid file.
    pub name: String,
    /// What to run.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// A program of ours: beside this one, or where `PATH` says.
pub fn program(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

/// The id of a running process, `None` where it does not run. A file beside the pid file names the moment the process
/// started, since ids are used again.
pub fn running(home: &Home, name: &str) -> Option<i32> {
    let id = std::fs::read_to_string(home.pid(name)).ok()?.trim().parse().ok()?;
    let started = std::fs::read_to_string(home.started(name)).ok()?;
    (start_time(id)? == started.trim()).then_some(id)
}

/// Names of all processes that have a pid file.
pub fn known(home: &Home) -> Vec<String> {
    let folder = std::fs::read_dir(home.run_folder()).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        folder.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".pid")?.to_owned())).collect();
    names.sort();
    names
}

/// Starts a process unless it runs; `true` where it was started now.
pub fn start(home: &Home, process: &Process) -> anyhow::Result<bool> {
    if running(home, &process.name).is_some() {
        return Ok(false);
    }
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.log(&process.name))
        .with_context(|| format!("cannot write {}", home.log(&process.name).display()))?;
    // A process group of its own: Ctrl-C in the terminal that ran `up` is not meant for the cluster.
    let child = Command::new(&process.program)
        .args(&process.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", process.program.display()))?;
    let id = i32::try_from(child.id())?;
    let Some(started) = start_time(id) else {
        bail!("{} ended at once\n{}", process.name, log_tail(home, &process.name));
    };
    super::home::write_private(&home.started(&process.name), format!("{started}\n").as_bytes())?;
    super::home::write_private(&home.pid(&process.name), format!("{id}\n").as_bytes())?;
    Ok(true)
}

/// An error with the end of its log, where a process that should run does not.
pub fn check(home: &Home, name: &str) -> anyhow::Result<()> {
    match running(home, name) {
        Some(_) => Ok(()),
        None => bail!("{name} has ended; the end of {}:\n{}", home.log(name).display(), log_tail(home, name)),
    }
}

/// Sends a signal; nothing where it does not run.
pub fn signal(home: &Home, name: &str, signal: Signal) -> anyhow::Result<()> {
    if let Some(id) = running(home, name) {
        kill(Pid::from_raw(id), signal).with_context(|| format!("cannot signal {name} (process {id})"))?;
    }
    Ok(())
}

/// Asks processes to end, kills those that do not within `grace`, and forgets them.
pub fn stop(home: &Home, names: &[String], grace: Duration) -> anyhow::Result<()> {
    for name in names {
        signal(home, name, Signal::SIGTERM)?;
        // A stopped process takes its SIGTERM only when it goes on.
        signal(home, name, Signal::SIGCONT)?;
    }
    let alive = || names.iter().filter(|name| running(home, name).is_some()).collect::<Vec<_>>();
    wait_until(grace, || alive().is_empty());
    for name in alive() {
        signal(home, name, Signal::SIGKILL)?;
    }
    if !wait_until(grace, || alive().is_empty()) {
        bail!("processes that cannot be killed: {:?}", alive());
    }
    for name in names {
        let _ = std::fs::remove_file(home.pid(name));
        let _ = std::fs::remove_file(home.started(name));
    }
    Ok(())
}

fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// When the process started, in the kernel's ticks, as text; `None` where there is none or only its remains.
fn start_time(id: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name may hold blanks and parentheses: the fields start after the last one.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

fn log_tail(home: &Home, name: &str) -> String {
    let text = std::fs::read_to_string(home.log(name)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_started_once_found_again_and_stopped() {
        let folder = tempfile::tempdir().expect("folder");
        let home = Home::at(folder.path().join("home"));
        home.create().expect("folders");
        let process = Process { name: "sleeper".into(), program: "sleep".into(), arguments: vec!["600".into()] };
        assert!(start(&home, &process).expect("starts"));
        assert!(!start(&home, &process).expect("runs already"));
        let id = running(&home, "sleeper").expect("runs");
        assert_eq!(known(&home), ["sleeper"]);
        kill(Pid::from_raw(id), Signal::SIGSTOP).expect("stops");
        stop(&home, &["sleeper".into()], Duration::from_secs(5)).expect("ends");
        assert_eq!(running(&home, "sleeper"), None);
        assert!(known(&home).is_empty());
    }

    #[test]
    fn a_pid_used_by_another_process_is_not_ours() {
        let folder = tempfile::tempdir().expect("folder");
        let home = Home::at(folder.path().join("home"));
        home.create().expect("folders");
        std::fs::write(home.pid("old"), format!("{}\n", std::process::id())).expect("pid file");
        std::fs::write(home.started("old"), "1\n").expect("start file");
        assert_eq!(running(&home, "old"), None);
    }
}
