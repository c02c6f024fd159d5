//! Stories of single pods, told to the machine event by event with a clock of their own.

use super::machine::step;
use super::message::{Command, Event, Fetched, Found, ImageFailure, StartFailure};
use super::state::{PodState, Run, Sandbox};
use super::status::status;
use crate::runtime::{Exit, ImageInfo, Observed, Owner, RunState, SANDBOX, SandboxInfo};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("in range")
}

fn image() -> ImageInfo {
    ImageInfo {
        id: "sha256:aa".into(),
        digest: Some("nginx@sha256:bb".into()),
        reference: "nginx:latest".into(),
        ..ImageInfo::default()
    }
}

fn observed(name: &str, attempt: u32, state: RunState) -> Observed {
    let id = format!("{name}-{attempt}");
    let ip = if name == SANDBOX { "172.17.0.2".to_owned() } else { String::new() };
    Observed { id, owner: Owner::default(), name: name.into(), attempt, state, ip, image: image() }
}

fn exit(code: i32, second: i64) -> Exit {
    Exit { code, oom: false, error: String::new(), started_at: Some(at(second - 1)), finished_at: at(second) }
}

fn pod(spec: Value) -> Value {
    json!({"metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 1}, "spec": spec,
        "status": {"phase": "Pending", "qosClass": "BestEffort",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "1970-01-12T13:46:40Z"}]}})
}

fn one(policy: &str) -> Value {
    json!({"restartPolicy": policy, "terminationGracePeriodSeconds": 30, "containers": [{"name": "c", "image": "nginx"}]})
}

/// A pod under the machine, with everything it ever asked for.
struct Story {
    state: PodState,
    now: i64,
    object: Value,
    status: PodStatus,
}

impl Story {
    fn new(spec: Value) -> (Self, Vec<Command>) {
        Self::resumed(pod(spec), vec![])
    }

    fn resumed(object: Value, found: Vec<Observed>) -> (Self, Vec<Command>) {
        let typed: Arc<Pod> = Arc::new(serde_json::from_value(object.clone()).expect("a pod"));
        let state = PodState::new(typed.clone(), at(0));
        let status = typed.status.clone().unwrap_or_default();
        let mut story = Self { state, now: 0, object, status };
        assert_eq!(story.hear(Event::Updated(typed)), []);
        let found = found.into_iter().map(|observed| Found { observed, message: String::new() }).collect();
        let commands = story.hear(Event::Adopted(found));
        (story, commands)
    }

    fn hear(&mut self, event: Event) -> Vec<Command> {
        let (state, commands) = step(self.state.clone(), event, at(self.now));
        self.state = state;
        self.status = status(&self.state, &self.status, "10.0.0.1", at(self.now));
        commands
    }

    fn at(&mut self, second: i64, event: Event) -> Vec<Command> {
        self.now = second;
        self.hear(event)
    }

    fn update(&mut self, change: impl FnOnce(&mut Value)) -> Vec<Command> {
        change(&mut self.object);
        let typed = serde_json::from_value(self.object.clone()).expect("a pod");
        self.hear(Event::Updated(Arc::new(typed)))
    }

    fn delete(&mut self, grace_s: i64) -> Vec<Command> {
        self.update(|object| {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            object["metadata"]["deletionGracePeriodSeconds"] = json!(grace_s);
        })
    }

    fn started(&mut self, index: usize, attempt: u32) -> Vec<Command> {
        let name = self.state.containers[index].name.clone();
        let observed = observed(&name, attempt, RunState::Running { started_at: at(self.now) });
        self.hear(Event::Started { index, result: Ok(Box::new(Found { observed, message: String::new() })) })
    }

    fn ended(&mut self, name: &str, attempt: u32, code: i32) -> Vec<Command> {
        let (id, exit) = (format!("{name}-{attempt}"), exit(code, self.now));
        self.hear(Event::Ended { id, exit, message: String::new() })
    }

    fn fetched(&mut self, index: usize) -> Vec<Command> {
        self.hear(Event::Image { index, result: Ok(Fetched { image: image(), message: "present".into() }) })
    }

    fn sandbox(&mut self, attempt: u32) -> Vec<Command> {
        let id = format!("{SANDBOX}-{attempt}");
        self.hear(Event::SandboxStarted(Ok(SandboxInfo { id, ip: "172.17.0.2".into() })))
    }

    /// To the point where the container of a pod with one runs.
    fn running(spec: Value) -> Self {
        let (mut story, _) = Story::new(spec);
        story.hear(Event::Volumes(Ok(())));
        story.sandbox(0);
        story.fetched(0);
        story.started(0, 0);
        story
    }

    fn container(&self) -> Value {
        json!(self.status)["containerStatuses"][0].clone()
    }

    fn phase(&self) -> &str {
        self.status.phase.as_deref().unwrap_or_default()
    }
}

/// Commands in one word each.
fn brief(commands: &[Command]) -> Vec<String> {
    let word = |command: &Command| match command {
        Command::PrepareVolumes => "volumes".to_owned(),
        Command::StartSandbox { attempt } => format!("sandbox {attempt}"),
        Command::RemoveSandbox { id } => format!("-sandbox {id}"),
        Command::FetchImage { index } => format!("image {index}"),
        Command::StartContainer { index, attempt, .. } => format!("start {index} {attempt}"),
        Command::Signal { id, signal } => format!("{signal} {id}"),
        Command::RemoveContainer { id } => format!("-container {id}"),
        Command::RemovePod => "-pod".to_owned(),
        Command::DeleteFromApi => "delete".to_owned(),
        Command::Record(record) => format!("{}!", record.reason),
        Command::WakeAt(when) => format!("wake {}", when.as_second() - 1_000_000),
        Command::Finish => "finish".to_owned(),
    };
    commands.iter().map(word).collect()
}

#[test]
fn a_pod_starts_with_everything_at_once_and_is_reported_as_kubernetes_does() {
    let (mut story, commands) = Story::new(one("Always"));
    assert_eq!(brief(&commands), ["volumes", "sandbox 0", "image 0"]);
    assert_eq!(story.container()["state"]["waiting"]["reason"], "ContainerCreating");
    assert_eq!(brief(&story.fetched(0)), ["Pulled!"]);
    assert_eq!(brief(&story.hear(Event::Volumes(Ok(())))), [""; 0]);
    assert_eq!(brief(&story.sandbox(0)), ["start 0 0"]);
    assert_eq!((story.phase(), story.status.pod_ip.as_deref()), ("Pending", Some("172.17.0.2")));
    story.now = 4;
    assert_eq!(brief(&story.started(0, 0)), ["Created!", "Started!"]);
    let status = json!(story.status);
    let started = "1970-01-12T13:46:44Z";
    assert_eq!(
        status["containerStatuses"],
        json!([{
            "containerID": "docker://c-0", "image": "nginx:latest", "imageID": "docker-pullable://nginx@sha256:bb",
            "lastState": {}, "name": "c", "ready": true, "restartCount": 0, "started": true,
            "state": {"running": {"startedAt": started}},
        }])
    );
    for (key, value) in [
        ("phase", json!("Running")),
        ("hostIP", json!("10.0.0.1")),
        ("hostIPs", json!([{"ip": "10.0.0.1"}])),
        ("podIP", json!("172.17.0.2")),
        ("podIPs", json!([{"ip": "172.17.0.2"}])),
        ("qosClass", json!("BestEffort")),
        ("startTime", json!("1970-01-12T13:46:40Z")),
        ("observedGeneration", json!(1)),
    ] {
        assert_eq!(status[key], value, "{key}");
    }
    let conditions: Vec<_> = status["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .map(|c| {
            let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
            (text("type"), text("status"), text("lastTransitionTime"))
        })
        .collect();
    let begun = "1970-01-12T13:46:40Z";
    let expected = [
        ("PodReadyToStartContainers", "True", begun),
        ("Initialized", "True", begun),
        ("Ready", "True", started),
        ("ContainersReady", "True", started),
        ("PodScheduled", "True", begun),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).collect();
    assert_eq!(conditions, expected);
}

#[test]
fn restarts_back_off_ten_seconds_doubling_and_say_so() {
    let mut story = Story::running(one("Always"));
    let mut now = 1;
    let mut attempt = 0;
    for delay in [0, 10, 20, 40, 80, 160, 300, 300] {
        story.now = now;
        let commands = story.ended("c", attempt, 1);
        if delay > 0 {
            assert_eq!(brief(&commands), ["BackOff!".to_owned(), format!("wake {}", now + delay)]);
            let (status, lap) = (
                story.container(),
                if delay < 60 { format!("{delay}s") } else { format!("{}m{}s", delay / 60, delay % 60) },
            );
            assert_eq!(status["state"]["waiting"]["reason"], "CrashLoopBackOff");
            assert_eq!(
                status["state"]["waiting"]["message"],
                format!("back-off {lap} restarting failed container=c pod=p_n(u)")
            );
            assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
            assert_eq!(
                brief(&story.at(now + delay - 1, Event::Tick)),
                [format!("wake {}", now + delay)],
                "not said twice"
            );
            now += delay;
            assert_eq!(brief(&story.at(now, Event::Tick)), ["image 0"]);
        } else {
            assert_eq!(brief(&commands), ["image 0"]);
        }
        assert_eq!(story.phase(), "Running");
        attempt += 1;
        let mut expected = vec!["Pulled!".to_owned()];
        // The last dead container is kept, the one before it goes.
        expected.extend((attempt >= 2).then(|| format!("-container c-{}", attempt - 2)));
        expected.push(format!("start 0 {attempt}"));
        assert_eq!(brief(&story.fetched(0)), expected);
        story.started(0, attempt);
        assert_eq!(story.container()["restartCount"], attempt);
        now += 1;
    }
    story.now = now + 601;
    assert_eq!(brief(&story.ended("c", attempt, 1)), ["image 0"], "ten minutes of running make it new");
}

#[test]
fn a_pod_that_is_done_keeps_its_dead_containers_and_loses_its_sandbox() {
    for (policy, code, phase, reason) in [
        ("Never", 0, "Succeeded", "Completed"),
        ("Never", 1, "Failed", "Error"),
        ("OnFailure", 0, "Succeeded", "Completed"),
    ] {
        let mut story = Story::running(one(policy));
        assert_eq!(brief(&story.ended("c", 0, code)), ["-sandbox POD-0"], "{policy} {code}");
        assert_eq!((story.phase(), story.container()["state"]["terminated"]["reason"].as_str()), (phase, Some(reason)));
        assert_eq!(story.status.pod_ip.as_deref(), Some("172.17.0.2"), "it keeps the address it had");
        assert_eq!(brief(&story.hear(Event::SandboxRemoved(Ok(())))), [""; 0]);
        let settled = story.update(|object| object["status"]["phase"] = json!(phase));
        assert_eq!(brief(&settled), [""; 0]);
        assert_eq!(brief(&story.delete(0)), ["-pod"]);
        assert_eq!(brief(&story.hear(Event::Removed(Ok(())))), ["delete"]);
        assert_eq!(brief(&story.hear(Event::Vanished { grace_s: None })), ["finish"]);
    }
}

#[test]
fn deletion_is_graceful_and_can_be_hurried() {
    let mut story = Story::running(one("Always"));
    story.now = 10;
    assert_eq!(brief(&story.delete(30)), ["Killing!", "SIGTERM c-0", "wake 40"]);
    assert_eq!(brief(&story.at(12, Event::Tick)), ["wake 40"], "said and signalled once");
    story.now = 15;
    assert_eq!(brief(&story.delete(5)), ["wake 20"], "a shorter grace period counts");
    assert_eq!(brief(&story.delete(60)), ["wake 20"], "a longer one does not");
    assert_eq!(brief(&story.at(20, Event::Tick)), ["SIGKILL c-0", "wake 30"]);
    assert_eq!(
        brief(&story.at(30, Event::Tick)),
        ["SIGKILL c-0", "wake 40"],
        "an end that is not heard of is asked for again"
    );
    assert_eq!(brief(&story.ended("c", 0, 137)), ["-pod"]);
    assert_eq!((story.phase(), story.container()["state"]["terminated"]["exitCode"].as_i64()), ("Failed", Some(137)));
    assert_eq!(brief(&story.hear(Event::Removed(Err("busy".into())))), ["wake 35"]);
    assert_eq!(brief(&story.at(35, Event::Tick)), ["-pod"]);
    assert_eq!(brief(&story.hear(Event::Removed(Ok(())))), ["delete"]);
}

#[test]
fn a_pod_that_vanished_ends_without_a_word_to_the_api() {
    let mut story = Story::running(one("Always"));
    let commands = story.hear(Event::Vanished { grace_s: Some(0) });
    assert_eq!(brief(&commands), ["Killing!", "SIGKILL c-0", "wake 10"]);
    assert_eq!(brief(&story.ended("c", 0, 137)), ["-pod"]);
    assert_eq!(brief(&story.hear(Event::Removed(Ok(())))), ["finish"]);
}

#[test]
fn a_start_under_way_is_waited_for_before_the_pod_is_removed() {
    let (mut story, _) = Story::new(one("Always"));
    assert_eq!(brief(&story.delete(30)), [""; 0], "the sandbox is being made");
    assert_eq!(brief(&story.sandbox(0)), ["-pod"]);
    let (mut story, _) = Story::new(one("Always"));
    story.hear(Event::Volumes(Ok(())));
    story.sandbox(0);
    story.fetched(0);
    assert_eq!(brief(&story.delete(30)), [""; 0], "the container is being started");
    let commands = story.started(0, 0);
    assert_eq!(brief(&commands), ["Created!", "Started!", "Killing!", "SIGTERM c-0", "wake 30"]);
}

#[test]
fn images_that_cannot_be_had_are_backed_off() {
    let (mut story, _) = Story::new(one("Always"));
    let failure =
        |reason| Event::Image { index: 0, result: Err(ImageFailure { reason, message: "no such thing".into() }) };
    assert_eq!(brief(&story.hear(failure("ErrImagePull"))), ["Failed!", "Failed!", "wake 3"]);
    assert_eq!(story.container()["state"]["waiting"], json!({"reason": "ErrImagePull", "message": "no such thing"}));
    assert_eq!(brief(&story.at(3, Event::Tick)), ["BackOff!", "Failed!", "wake 10"]);
    let message = "Back-off pulling image \"nginx\": ErrImagePull: no such thing";
    assert_eq!(story.container()["state"]["waiting"], json!({"reason": "ImagePullBackOff", "message": message}));
    assert_eq!(brief(&story.at(10, Event::Tick)), ["image 0"]);
    assert_eq!(brief(&story.hear(failure("ErrImagePull"))), ["Failed!", "Failed!", "wake 13"]);
    assert_eq!(brief(&story.at(13, Event::Tick)), ["BackOff!", "Failed!", "wake 30"]);
    let (mut story, _) = Story::new(one("Always"));
    story.hear(failure("InvalidImageName"));
    story.at(5, Event::Tick);
    assert_eq!(
        story.container()["state"]["waiting"]["reason"],
        "InvalidImageName",
        "it does not become better by waiting"
    );
}

#[test]
fn starts_that_fail_are_told_apart() {
    let failed = |result| Event::Started { index: 0, result: Err(result) };
    let mut story = Story::running(one("Never"));
    story.state.containers[0].run = Run::Starting;
    let config =
        StartFailure::Create { reason: "CreateContainerConfigError", message: "configmap \"x\" not found".into() };
    assert_eq!(brief(&story.hear(failed(config))), ["Failed!", "wake 5"]);
    assert_eq!(
        (story.phase(), story.container()["state"]["waiting"]["reason"].as_str()),
        ("Pending", Some("CreateContainerConfigError"))
    );
    story.state.containers[0].run = Run::Starting;
    let run =
        StartFailure::Run { id: "c-0".into(), exit_code: 127, message: "failed to start container \"c\": no".into() };
    assert_eq!(brief(&story.hear(failed(run))), ["Created!", "Failed!", "-sandbox POD-0"]);
    let end = story.container()["state"]["terminated"].clone();
    assert_eq!(
        (&end["reason"], &end["exitCode"], story.phase()),
        (&json!("ContainerCannotRun"), &json!(127), "Failed")
    );
}

#[test]
fn a_dead_sandbox_takes_its_containers_with_it() {
    let mut story = Story::running(one("Always"));
    let dead = Event::SandboxEnded { id: "POD-0".into() };
    assert_eq!(brief(&story.at(5, dead)), ["SandboxChanged!", "Killing!", "SIGTERM c-0", "wake 35"]);
    assert_eq!(brief(&story.ended("c", 0, 143)), ["-sandbox POD-0"]);
    assert_eq!(brief(&story.hear(Event::SandboxRemoved(Ok(())))), ["sandbox 1", "image 0"]);
    assert_eq!(story.status.pod_ip, None);
    story.fetched(0);
    assert_eq!(brief(&story.sandbox(1)), ["start 0 1"]);
    let mut story = Story::running(one("Never"));
    story.hear(Event::SandboxEnded { id: "POD-0".into() });
    story.ended("c", 0, 143);
    assert_eq!(brief(&story.hear(Event::SandboxRemoved(Ok(())))), [""; 0], "what must not restart does not");
    assert_eq!(story.phase(), "Failed");
}

#[test]
fn a_pod_past_its_deadline_fails() {
    let mut spec = one("Always");
    spec["activeDeadlineSeconds"] = json!(60);
    let mut story = Story::running(spec);
    assert_eq!(brief(&story.at(59, Event::Tick)), ["wake 60"]);
    assert_eq!(brief(&story.at(60, Event::Tick)), ["DeadlineExceeded!", "Killing!", "SIGTERM c-0", "wake 90"]);
    story.ended("c", 0, 143);
    assert_eq!((story.phase(), story.status.reason.as_deref()), ("Failed", Some("DeadlineExceeded")));
}

#[test]
fn what_the_runtime_has_is_taken_over() {
    let runs = |name: &str, attempt| observed(name, attempt, RunState::Running { started_at: at(-50) });
    let dead = |name: &str, attempt, code| observed(name, attempt, RunState::Exited(exit(code, -60)));
    let (story, commands) =
        Story::resumed(pod(one("Always")), vec![runs(SANDBOX, 0), dead("c", 1, 1), runs("c", 2), dead("c", 0, 1)]);
    assert_eq!(brief(&commands), ["-container c-0"]);
    assert_eq!((story.phase(), &story.container()["restartCount"]), ("Running", &json!(2)));
    assert_eq!(story.container()["lastState"]["terminated"]["containerID"], "docker://c-1");
    let (_, commands) = Story::resumed(pod(one("Always")), vec![runs(SANDBOX, 3), observed("c", 0, RunState::Created)]);
    assert_eq!(brief(&commands), ["volumes", "image 0"], "what was never started is started, in the sandbox there is");
    let (_, commands) = Story::resumed(pod(one("Always")), vec![dead(SANDBOX, 3, 0), runs("c", 0)]);
    assert_eq!(brief(&commands), ["Killing!", "SIGTERM c-0", "wake 30"], "a dead sandbox is replaced");
    // After a reboot everything is dead; after a prune it is gone, and only the API knows of it.
    let (story, commands) = Story::resumed(pod(one("Always")), vec![dead(SANDBOX, 0, 255), dead("c", 0, 255)]);
    assert_eq!(brief(&commands), ["-sandbox POD-0"]);
    assert_eq!(story.state.sandbox, Sandbox::Removing { id: "POD-0".into() });
    let mut object = pod(one("Never"));
    object["status"]["containerStatuses"] = json!([{"name": "c", "image": "nginx", "imageID": "", "ready": true,
        "restartCount": 0, "containerID": "docker://c-0", "state": {"running": {}}}]);
    let (story, commands) = Story::resumed(object, vec![]);
    assert_eq!(brief(&commands), [""; 0], "a lost container of a pod that must not restart is not run twice");
    assert_eq!(story.container()["state"]["terminated"]["reason"], "ContainerStatusUnknown");
    assert_eq!(story.phase(), "Failed");
}

#[test]
fn init_containers_hold_up_the_others() {
    let mut spec = one("OnFailure");
    spec["initContainers"] = json!([{"name": "i", "image": "nginx"}]);
    let (mut story, commands) = Story::new(spec);
    assert_eq!(brief(&commands), ["volumes", "sandbox 0", "image 0"]);
    assert_eq!(story.container()["state"]["waiting"]["reason"], "PodInitializing");
    story.hear(Event::Volumes(Ok(())));
    story.sandbox(0);
    assert_eq!(brief(&story.fetched(0)), ["Pulled!", "start 0 0"]);
    story.started(0, 0);
    assert_eq!(brief(&story.ended("i", 0, 1)), ["image 0"], "a failed one is started again");
    story.fetched(0);
    story.started(0, 1);
    assert_eq!(brief(&story.ended("i", 1, 0)), ["image 1"]);
    assert_eq!(brief(&story.fetched(1)), ["Pulled!", "start 1 0"]);
}

/// Whatever comes in whatever order, twice or late: no attempt is started twice, no two attempts of a container are
/// under way together, and a deleted pod comes to its end.
#[test]
fn nothing_is_started_twice_whatever_is_heard() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let policy = ["Always", "OnFailure", "Never"].choose(&mut random).copied().expect("one");
        let (mut story, mut queue) = Story::new(one(policy));
        let mut starts: BTreeMap<u32, u32> = BTreeMap::new();
        let mut heard: Vec<Event> = Vec::new();
        let mut live: Vec<u32> = Vec::new();
        for turn in 0..200 {
            story.now += random.random_range(0..20);
            let mut answers = Vec::new();
            for command in std::mem::take(&mut queue) {
                match command {
                    Command::PrepareVolumes => {
                        answers.push(Event::Volumes(if random.random_bool(0.8) { Ok(()) } else { Err("no".into()) }))
                    }
                    Command::StartSandbox { attempt } => {
                        let info = SandboxInfo { id: format!("{SANDBOX}-{attempt}"), ip: "1.1.1.1".into() };
                        answers.push(Event::SandboxStarted(if random.random_bool(0.8) {
                            Ok(info)
                        } else {
                            Err("no".into())
                        }));
                    }
                    Command::RemoveSandbox { .. } => answers.push(Event::SandboxRemoved(Ok(()))),
                    Command::FetchImage { index } => answers
                        .push(Event::Image { index, result: Ok(Fetched { image: image(), message: String::new() }) }),
                    Command::StartContainer { index, attempt, .. } => {
                        assert!(live.is_empty(), "seed {seed}: {attempt} is started while {live:?} lives");
                        if random.random_bool(0.9) {
                            let count = starts.entry(attempt).or_default();
                            *count += 1;
                            assert_eq!(*count, 1, "seed {seed}: attempt {attempt} started twice");
                            live.push(attempt);
                            let observed = observed("c", attempt, RunState::Running { started_at: at(story.now) });
                            answers.push(Event::Started {
                                index,
                                result: Ok(Box::new(Found { observed, message: String::new() })),
                            });
                        } else {
                            let failure = StartFailure::Create { reason: "CreateContainerError", message: "no".into() };
                            answers.push(Event::Started { index, result: Err(failure) });
                        }
                    }
                    Command::Signal { .. } => {
                        for attempt in live.drain(..) {
                            answers.push(Event::Ended {
                                id: format!("c-{attempt}"),
                                exit: exit(143, story.now),
                                message: String::new(),
                            });
                        }
                    }
                    Command::RemovePod => {
                        answers.push(Event::Removed(if random.random_bool(0.8) { Ok(()) } else { Err("no".into()) }))
                    }
                    Command::WakeAt(_)
                    | Command::Record(_)
                    | Command::RemoveContainer { .. }
                    | Command::DeleteFromApi
                    | Command::Finish => {}
                }
            }
            if let Some(attempt) = live.first().copied().filter(|_| answers.is_empty() && random.random_bool(0.3)) {
                live.clear();
                answers.push(Event::Ended {
                    id: format!("c-{attempt}"),
                    exit: exit(random.random_range(0..2), story.now),
                    message: String::new(),
                });
            }
            if random.random_bool(0.05) {
                answers.push(Event::SandboxEnded { id: format!("{SANDBOX}-{}", story.state.sandbox_attempt) });
            }
            // Ends may be heard of again, much later.
            if let Some(old) = heard.choose(&mut random).filter(|_| random.random_bool(0.2)) {
                answers.push(old.clone());
            }
            answers.push(Event::Tick);
            for answer in answers {
                if matches!(answer, Event::Ended { .. } | Event::SandboxEnded { .. }) {
                    heard.push(answer.clone());
                }
                queue.extend(story.hear(answer));
            }
            if turn == 150 {
                queue.extend(story.delete(10));
            }
        }
        let asked = queue.contains(&Command::DeleteFromApi);
        assert!(asked && live.is_empty(), "seed {seed}: the pod did not end: {:?}", story.state);
    }
}
