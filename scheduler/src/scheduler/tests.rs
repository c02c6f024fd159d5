//! Tables and properties of the scheduler's decisions.

use super::*;
use crate::fixtures::{NodeFixture, PodFixture, node, pod};
use crate::host_port::collide;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn started(nodes: Vec<NodeFixture>, pods: Vec<PodFixture>) -> Scheduler {
    let mut scheduler = Scheduler::default();
    scheduler.observe_node(Change::Relist, 0);
    scheduler.observe_pod(Change::Relist, 0);
    for node in nodes {
        scheduler.observe_node(Change::Seen(node.build()), 0);
    }
    for pod in pods {
        scheduler.observe_pod(Change::Seen(pod.observed()), 0);
    }
    scheduler.observe_node(Change::Listed, 0);
    scheduler.observe_pod(Change::Listed, 0);
    scheduler
}

/// `web-1 -> n1`, or `web-1: message`.
fn decide(scheduler: &mut Scheduler, now_ms: u64) -> Vec<String> {
    let text = |decision| match decision {
        Decision::Bind { pod, node } => format!("{} -> {node}", pod.name),
        Decision::Refuse { pod, message, .. } => format!("{}: {message}", pod.name),
    };
    scheduler.decide(now_ms, 1, 100).into_iter().map(text).collect()
}

fn requested(scheduler: &Scheduler, node: &str) -> i64 {
    scheduler.snapshot().node(node).expect("node").usage.requested.cpu_milli
}

fn conflict() -> Outcome {
    Outcome::Refused(ApiError::conflict("", "pods/binding", "a", "pod a is already assigned to node \"n9\""))
}

#[test]
fn nothing_is_decided_before_everything_was_seen() {
    let mut scheduler = Scheduler::default();
    scheduler.observe_pod(Change::Relist, 0);
    scheduler.observe_pod(Change::Seen(pod("a").observed()), 0);
    scheduler.observe_pod(Change::Listed, 0);
    assert!(decide(&mut scheduler, 0).is_empty());
    scheduler.observe_node(Change::Relist, 0);
    scheduler.observe_node(Change::Seen(node("n1").build()), 0);
    assert!(decide(&mut scheduler, 0).is_empty());
    scheduler.observe_node(Change::Listed, 0);
    assert_eq!(decide(&mut scheduler, 0), ["a -> n1"]);
}

#[test]
fn a_pod_that_was_decided_counts_until_its_fate_is_known() {
    let one = || vec![node("n1").cpu("1")];
    let two = || vec![pod("a").cpu("1"), pod("b").cpu("1")];
    let a = pod("a").cpu("1").arc();
    let again = 20_000;

    let mut scheduler = started(one(), two());
    let first = decide(&mut scheduler, 0);
    assert_eq!(first[0], "a -> n1");
    assert!(first[1].starts_with("b: 0/1 nodes are available: 1 Insufficient cpu."), "{first:?}");
    assert!(decide(&mut scheduler, again).is_empty());
    assert!(scheduler.settle(&a, Outcome::Bound, 0).is_none());
    scheduler.observe_pod(Change::Seen(pod("a").cpu("1").observed()), 1);
    assert_eq!(requested(&scheduler, "n1"), 1_000, "a stale sight of the pod without a node changes nothing");
    scheduler.observe_pod(Change::Seen(pod("a").cpu("1").on("n1").observed()), 2);
    assert_eq!(requested(&scheduler, "n1"), 1_000);
    scheduler.observe_pod(Change::Gone(a.uid.clone()), again);
    assert_eq!(decide(&mut scheduler, again), ["b -> n1"]);

    let mut scheduler = started(one(), two());
    decide(&mut scheduler, 0);
    assert!(matches!(scheduler.settle(&a, conflict(), 0), Some(Decision::Refuse { reason: "SchedulerError", .. })));
    assert_eq!(requested(&scheduler, "n1"), 0);
    assert_eq!(decide(&mut scheduler, 1_000).len(), 2, "the room is free for both to try, after their waits");

    let mut scheduler = started(one(), two());
    decide(&mut scheduler, 0);
    assert!(scheduler.settle(&a, Outcome::Refused(ApiError::not_found("", "pods", "a")), 0).is_none());
    assert_eq!(decide(&mut scheduler, 1_000), ["b -> n1"], "a pod that is not there is not tried again");

    let mut scheduler = started(one(), vec![pod("a").cpu("1")]);
    decide(&mut scheduler, 0);
    scheduler.settle(&a, Outcome::NotSent, 0);
    assert_eq!(decide(&mut scheduler, 0), ["a -> n1"], "what was not sent is free to be tried at once");
    scheduler.settle(&a, Outcome::Unknown, 0);
    assert_eq!(scheduler.next_due_ms(), Some(DOUBT_LIMIT_MS));
    assert!(decide(&mut scheduler, DOUBT_LIMIT_MS - 1).is_empty());
    assert_eq!(requested(&scheduler, "n1"), 1_000, "it may be there");
    assert_eq!(decide(&mut scheduler, DOUBT_LIMIT_MS), ["a -> n1"], "it never showed");
}

#[test]
fn a_pod_bound_by_another_is_left_to_it() {
    let mut scheduler =
        started(vec![node("n1"), node("n9")], vec![pod("a").cpu("1").selector("kubernetes.io/hostname", "n1")]);
    let a = pod("a").arc();
    assert_eq!(decide(&mut scheduler, 0), ["a -> n1"]);
    scheduler.observe_pod(Change::Seen(pod("a").cpu("1").on("n9").observed()), 1);
    assert!(scheduler.settle(&a, conflict(), 2).is_none(), "the truth was seen before the answer");
    assert_eq!((requested(&scheduler, "n1"), requested(&scheduler, "n9")), (0, 1_000));
    assert!(decide(&mut scheduler, 60_000).is_empty());
}

#[test]
fn pods_deleted_on_the_way_are_not_tried_again() {
    let mut scheduler = started(vec![node("n1")], vec![pod("a").cpu("1")]);
    let a = pod("a").arc();
    decide(&mut scheduler, 0);
    scheduler.observe_pod(Change::Seen(pod("a").cpu("1").terminating().observed()), 1);
    assert_eq!(requested(&scheduler, "n1"), 1_000, "its binding may have been carried out");
    assert!(scheduler.settle(&a, conflict(), 2).is_none());
    assert_eq!(requested(&scheduler, "n1"), 0);
    assert!(decide(&mut scheduler, 60_000).is_empty());
}

#[test]
fn finished_and_vanished_pods_make_room() {
    let nodes = || vec![node("n1").cpu("1")];
    let pods = || vec![pod("old").cpu("1").on("n1"), pod("new").cpu("1")];
    let finished = || {
        let mut old = pod("old").cpu("1").on("n1");
        old.json["status"]["phase"] = serde_json::json!("Succeeded");
        old
    };
    let mut scheduler = started(nodes(), pods());
    assert_eq!(decide(&mut scheduler, 0).len(), 1);
    scheduler.observe_pod(Change::Seen(finished().observed()), 5_000);
    assert_eq!(decide(&mut scheduler, 5_000), ["new -> n1"]);

    let mut scheduler = started(nodes(), pods());
    decide(&mut scheduler, 0);
    scheduler.observe_pod(Change::Relist, 5_000);
    scheduler.observe_pod(Change::Seen(pod("new").cpu("1").observed()), 5_000);
    assert!(decide(&mut scheduler, 5_000).is_empty(), "a list is believed when it is complete");
    scheduler.observe_pod(Change::Listed, 5_000);
    assert_eq!(decide(&mut scheduler, 5_000), ["new -> n1"]);
}

#[test]
fn nodes_come_change_and_go() {
    let mut scheduler = started(vec![], vec![pod("a").cpu("1")]);
    assert_eq!(decide(&mut scheduler, 0), ["a: no nodes available to schedule pods"]);
    scheduler.observe_node(Change::Seen(node("n1").cordoned().build()), 5_000);
    let refused = decide(&mut scheduler, 5_000);
    assert!(refused[0].starts_with("a: 0/1 nodes are available: 1 node(s) were unschedulable."), "{refused:?}");
    scheduler.observe_node(Change::Seen(node("n1").cordoned().label("x", "y").build()), 10_000);
    assert!(decide(&mut scheduler, 10_000).is_empty(), "a label does not help");
    scheduler.observe_node(Change::Seen(node("n1").build()), 10_000);
    assert_eq!(decide(&mut scheduler, 10_000), ["a -> n1"]);
    scheduler.observe_pod(Change::Seen(pod("b").cpu("1").observed()), 10_000);
    scheduler.observe_node(Change::Relist, 10_000);
    scheduler.observe_node(Change::Seen(node("n2").build()), 10_000);
    scheduler.observe_node(Change::Listed, 10_000);
    assert_eq!(decide(&mut scheduler, 10_000), ["b -> n2"]);
    scheduler.observe_node(Change::Gone("n2".into()), 10_000);
    scheduler.observe_pod(Change::Seen(pod("c").observed()), 10_000);
    assert_eq!(decide(&mut scheduler, 10_000), ["c: no nodes available to schedule pods"]);
}

#[test]
fn taking_over_tries_everything_at_once() {
    let mut scheduler = started(vec![node("n1").cpu("1")], vec![pod("a").cpu("2")]);
    assert_eq!(decide(&mut scheduler, 0).len(), 1);
    assert!(decide(&mut scheduler, 10).is_empty());
    scheduler.take_over(10);
    assert_eq!(decide(&mut scheduler, 10).len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    AddNode(u8, u8),
    RemoveNode(u8),
    AddPod { id: u8, cpu: u8, port: Option<u8> },
    DeletePod(u8),
    Settle(u8, u8),
    ShowBound,
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..6u8, 1..5u8).prop_map(|(node, cpu)| Step::AddNode(node, cpu)),
        1 => (0..6u8).prop_map(Step::RemoveNode),
        8 => (any::<u8>(), 1..9u8, proptest::option::weighted(0.3, 0..3u8))
            .prop_map(|(id, cpu, port)| Step::AddPod { id, cpu, port }),
        2 => any::<u8>().prop_map(Step::DeletePod),
        4 => (any::<u8>(), 0..8u8).prop_map(|(which, how)| Step::Settle(which, how)),
        2 => Just(Step::ShowBound),
        2 => (0..30_000u16).prop_map(Step::Pass),
    ]
}

fn fixture(id: u8, cpu: u8, port: Option<u8>) -> PodFixture {
    let plain = pod(&format!("p{id}")).cpu(&format!("{}m", u32::from(cpu) * 250)).group(u64::from(id % 3));
    match port {
        Some(port) => plain.port(8_000 + i32::from(port)),
        None => plain,
    }
}

proptest! {
    /// The API is the truth here: whatever was bound in it never overcommits a node that was there, and no two pods of a
    /// node share a port, in whatever order decisions, answers, sights and changes come. (Nodes keep their size.)
    #[test]
    fn nodes_are_never_overcommitted(steps in proptest::collection::vec(step(), 1..120), seed: u64) {
        let mut scheduler = started(vec![], vec![]);
        let mut now_ms = 0;
        let mut sizes: BTreeMap<u8, u8> = BTreeMap::new();
        let mut alive: BTreeMap<u8, PodFixture> = BTreeMap::new();
        let mut bound: BTreeMap<u8, Arc<str>> = BTreeMap::new();
        let mut on_the_way: Vec<(Arc<PodInfo>, Arc<str>)> = Vec::new();
        let id_of = |pod: &PodInfo| pod.name[1..].parse::<u8>().expect("id");
        for step in steps {
            match step {
                Step::AddNode(n, cpu) => {
                    let cpu = *sizes.entry(n).or_insert(cpu);
                    let seen = node(&format!("n{n}")).cpu(&cpu.to_string()).allocatable("pods", "6");
                    scheduler.observe_node(Change::Seen(seen.build()), now_ms);
                }
                Step::RemoveNode(n) => scheduler.observe_node(Change::Gone(format!("n{n}").into()), now_ms),
                Step::AddPod { id, cpu, port } => {
                    if !alive.contains_key(&id) && !on_the_way.iter().any(|(pod, _)| id_of(pod) == id) {
                        alive.insert(id, fixture(id, cpu, port));
                        scheduler.observe_pod(Change::Seen(alive[&id].clone().observed()), now_ms);
                    }
                }
                Step::DeletePod(id) => {
                    if let Some(pod) = alive.remove(&id) {
                        bound.remove(&id);
                        scheduler.observe_pod(Change::Gone(pod.arc().uid.clone()), now_ms);
                    }
                }
                Step::Settle(which, how) if !on_the_way.is_empty() => {
                    let (pod, node) = on_the_way.swap_remove(usize::from(which) % on_the_way.len());
                    let id = id_of(&pod);
                    let (carried_out, outcome) = match how {
                        _ if !alive.contains_key(&id) => (false, Outcome::Refused(ApiError::not_found("", "pods", "p"))),
                        0 => (false, conflict()),
                        1 => (false, Outcome::NotSent),
                        2 => (false, Outcome::Unknown),
                        3 => (true, Outcome::Unknown),
                        _ => (true, Outcome::Bound),
                    };
                    if carried_out {
                        bound.insert(id, node.clone());
                    }
                    scheduler.settle(&pod, outcome, now_ms);
                    if how == 3 && carried_out {
                        // What is in doubt is seen before the doubt ends.
                        scheduler.observe_pod(Change::Seen(alive[&id].clone().on(&node).observed()), now_ms);
                    }
                }
                Step::Settle(..) => {}
                Step::ShowBound => {
                    for (id, node) in &bound {
                        scheduler.observe_pod(Change::Seen(alive[id].clone().on(node).observed()), now_ms);
                    }
                }
                Step::Pass(ms) => {
                    // Everything that was answered is seen before its assumption ends, as it is in life.
                    for (id, node) in &bound {
                        scheduler.observe_pod(Change::Seen(alive[id].clone().on(node).observed()), now_ms);
                    }
                    if on_the_way.is_empty() {
                        now_ms += u64::from(ms);
                    }
                }
            }
            for decision in scheduler.decide(now_ms, seed, 100) {
                if let Decision::Bind { pod, node } = decision {
                    on_the_way.push((pod, node));
                }
            }
            let mut nodes: BTreeMap<Arc<str>, Vec<Arc<PodInfo>>> = BTreeMap::new();
            for (id, node) in &bound {
                nodes.entry(node.clone()).or_default().push(alive[id].clone().arc());
            }
            for (name, pods) in nodes {
                let size = i64::from(sizes[&name[1..].parse::<u8>().expect("number")]) * 1_000;
                let used: i64 = pods.iter().map(|pod| pod.demand.requests.cpu_milli).sum();
                prop_assert!(used <= size, "{name} has {size}m and its pods ask for {used}m");
                prop_assert!(pods.len() <= 6);
                for (i, one) in pods.iter().enumerate() {
                    prop_assert!(pods[i + 1..].iter().all(|other| !collide(&one.ports, &other.ports)));
                }
            }
            prop_assert!(scheduler.snapshot().nodes().iter().all(|n| n.usage.requested.cpu_milli >= 0 && n.usage.pods >= 0));
        }
        for (pod, node) in on_the_way {
            scheduler.settle(&pod, Outcome::Refused(ApiError::not_found("", "pods", &node)), now_ms);
        }
        for (_, pod) in alive {
            scheduler.observe_pod(Change::Gone(pod.arc().uid.clone()), now_ms);
        }
        for left in scheduler.snapshot().nodes() {
            prop_assert!(left.usage.is_empty() && left.usage.requested.is_zero() && left.usage.ports.is_empty());
        }
    }
}
