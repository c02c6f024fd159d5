//! Tables for apply, for old states and for the change log.

use super::*;
use kubus_proto::event::ChangeType;
use kubus_proto::kinds::{config_map, pod};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

const MAPS: &str = "/configmaps";
const PODS: &str = "/pods";

fn map_key(name: &str) -> Key {
    Key::new(MAPS, "default", name)
}

fn map(name: &str, uid: &str, value: &str) -> Draft {
    let object = json!({"metadata": {"name": name, "namespace": "default", "uid": uid}, "data": {"v": value}});
    Draft::encode(&config_map::ROW, &object).expect("encodes")
}

fn pod_on(name: &str, node: &str) -> Op {
    let object = json!({"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": {"nodeName": node}});
    let draft = Draft::encode(&pod::ROW, &object).expect("encodes");
    Op { key: Key::new(PODS, "default", name), require: Require::default(), action: Action::Put(draft) }
}

fn put(name: &str, require: Require, value: &str) -> Op {
    Op { key: map_key(name), require, action: Action::Put(map(name, &format!("uid-{name}"), value)) }
}

fn op(name: &str, require: Require, action: Action) -> Op {
    Op { key: map_key(name), require, action }
}

fn id(request: u128) -> RequestId {
    RequestId { request: Uuid::from_u128(request), part: 0 }
}

/// Applies one transaction under an id of its own.
fn run(state: &mut State, ops: Vec<Op>) -> Outcome {
    let next = id(1_000_000 + u128::from(state.revision()));
    run_as(state, next, ops)
}

fn run_as(state: &mut State, id: RequestId, ops: Vec<Op>) -> Outcome {
    let command = Command { transactions: vec![Transaction { id, ops }], now_ms: 0 };
    state.apply(command).outcomes.remove(0)
}

fn done(revisions: &[u64]) -> Outcome {
    Outcome::Done { revisions: revisions.to_vec() }
}

fn value_of(state: &State, name: &str) -> Option<String> {
    let object = state.get(&map_key(name))?.decode().expect("decodes");
    Some(object["data"]["v"].as_str().expect("text").to_owned())
}

#[test]
fn requirements_decide() {
    use Action::{Check, Delete};
    let failed = |conflict| Outcome::Failed { op: 0, conflict };
    let uid = |uid: &str| Require::uid(uid);
    // Each runs on a state that holds `a` with uid `uid-a` at revision 1.
    let table = [
        ("create", put("b", Require::absent(), "2"), done(&[2])),
        ("create what is there", put("a", Require::absent(), "2"), failed(Conflict::Exists)),
        ("put", put("a", Require::default(), "2"), done(&[2])),
        ("put as new", put("b", Require::default(), "2"), done(&[2])),
        ("update", put("a", Require::revision(1), "2"), done(&[2])),
        ("update of a newer state", put("a", Require::revision(7), "2"), failed(Conflict::Revision { actual: 1 })),
        ("update of nothing", put("b", Require::revision(1), "2"), failed(Conflict::Missing)),
        ("update of a namesake", put("a", uid("x"), "2"), failed(Conflict::Uid { actual: "uid-a".into() })),
        ("update by uid", put("a", uid("uid-a"), "2"), done(&[2])),
        ("delete", op("a", Require::default(), Delete), done(&[2])),
        ("delete of nothing", op("b", Require::default(), Delete), failed(Conflict::Missing)),
        ("delete of a newer state", op("a", Require::revision(7), Delete), failed(Conflict::Revision { actual: 1 })),
        ("check", op("a", uid("uid-a"), Check), done(&[1])),
        ("check for absence", op("b", Require::absent(), Check), done(&[0])),
        ("check that fails", op("b", uid("uid-a"), Check), failed(Conflict::Missing)),
    ];
    for (what, operation, expected) in table {
        let mut state = State::default();
        assert_eq!(run(&mut state, vec![put("a", Require::absent(), "1")]), done(&[1]));
        assert_eq!(run(&mut state, vec![operation]), expected, "{what}");
        let changed = matches!(&expected, Outcome::Done { revisions } if revisions == &[2]);
        assert_eq!(state.revision(), if changed { 2 } else { 1 }, "{what}");
    }
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let mut state = State::default();
    run(&mut state, vec![put("a", Require::absent(), "1")]);
    let before = state.image();
    let ops = vec![
        put("b", Require::absent(), "2"),
        op("a", Require::default(), Action::Delete),
        put("b", Require::absent(), "3"),
    ];
    assert_eq!(run(&mut state, ops), Outcome::Failed { op: 2, conflict: Conflict::Exists });
    assert_eq!(state.image(), before);
    let ops = vec![
        op("a", Require::revision(1), Action::Check),
        put("b", Require::absent(), "2"),
        op("b", Require::default(), Action::Delete),
    ];
    assert_eq!(run(&mut state, ops), done(&[1, 2, 3]));
    assert_eq!(state.entry(3).expect("entry").previous, 2);
}

#[test]
fn a_repeated_request_is_answered_and_not_carried_out() {
    let mut state = State::default();
    let ops = || {
        vec![
            put("a", Require::absent(), "1"),
            op("z", Require::absent(), Action::Check),
            put("b", Require::absent(), "1"),
        ]
    };
    assert_eq!(run_as(&mut state, id(5), ops()), done(&[1, 0, 2]));
    run(&mut state, vec![put("a", Require::default(), "2")]);
    assert_eq!(run_as(&mut state, id(5), ops()), Outcome::Repeated { revisions: vec![1, 0, 2] });
    assert_eq!(state.revision(), 3);
    assert_eq!(state.answered(&id(5)), Some(vec![(map_key("a"), 1), (map_key("b"), 2)]));
    assert_eq!(state.answered(&id(6)), None);
    let then = state.object_at(&map_key("a"), 1).expect("kept").expect("there");
    assert_eq!(then.decode().expect("decodes")["data"]["v"], "1");
    // Another part of the same request is another transaction.
    let part = RequestId { part: 1, ..id(5) };
    assert_eq!(run_as(&mut state, part, vec![put("c", Require::absent(), "1")]), done(&[4]));
    // One that failed may be tried again.
    assert!(matches!(run_as(&mut state, id(7), vec![put("c", Require::absent(), "1")]), Outcome::Failed { .. }));
    run(&mut state, vec![op("c", Require::default(), Action::Delete)]);
    assert_eq!(run_as(&mut state, id(7), vec![put("c", Require::absent(), "1")]), done(&[6]));
}

#[test]
fn changes_name_the_change_before_them() {
    let mut state = State::default();
    let ops = [
        put("a", Require::absent(), "1"),
        pod_on("p", ""),
        pod_on("q", "n1"),
        put("a", Require::default(), "2"),
        pod_on("p", "n1"),
        op("a", Require::default(), Action::Delete),
        Op { key: Key::new(PODS, "default", "q"), require: Require::default(), action: Action::Delete },
    ];
    for operation in ops {
        assert!(matches!(run(&mut state, vec![operation]), Outcome::Done { .. }));
    }
    let chain: Vec<_> = (1..=7)
        .map(|revision| {
            let change = state.entry(revision).expect("kept").to_change();
            (change.name, change.change, change.scope, change.previous, change.previous_in_scope)
        })
        .collect();
    use ChangeType::{Added, Deleted, Modified};
    let expected = [
        ("a", Added, "", 0, 0),
        ("p", Added, "", 0, 0),
        ("q", Added, "n1", 2, 0),
        ("a", Modified, "", 1, 1),
        ("p", Modified, "n1", 3, 3),
        ("a", Deleted, "", 4, 4),
        ("q", Deleted, "n1", 5, 5),
    ];
    let expected = expected.map(|(name, change, scope, p, s)| (name.to_owned(), change, scope.to_owned(), p, s));
    assert_eq!(chain, expected);
    let gone = state.entry(6).expect("kept").to_change();
    let object: serde_json::Value = kubus_proto::codec::decode(&gone.object).expect("decodes");
    assert_eq!((object["metadata"]["resourceVersion"].as_str(), object["data"]["v"].as_str()), (Some("6"), Some("2")));
    assert_eq!(gone.before.expect("before").fields["metadata.name"], "a");
    let revisions = |changes: Result<kubus_proto::event::Changes, Compacted>| {
        let changes = changes.expect("kept");
        (changes.changes.iter().map(|c| c.revision).collect::<Vec<_>>(), changes.revision, changes.more)
    };
    assert_eq!(revisions(state.changes(PODS, None, 0, usize::MAX)), (vec![2, 3, 5, 7], 7, false));
    assert_eq!(revisions(state.changes(PODS, None, 3, usize::MAX)), (vec![5, 7], 7, false));
    assert_eq!(revisions(state.changes(PODS, Some("n1"), 0, usize::MAX)), (vec![3, 5, 7], 7, false));
    assert_eq!(revisions(state.changes(PODS, Some("n2"), 0, usize::MAX)), (vec![], 7, false));
    assert_eq!(revisions(state.changes(PODS, None, 0, 1)), (vec![2], 2, true));
    assert_eq!(revisions(state.changes(PODS, None, 5, 1)), (vec![7], 7, false));
}

#[test]
fn lists_are_in_order_and_go_on_where_they_stopped() {
    let mut state = State::default();
    for (namespace, name) in [("b", "x"), ("a", "y"), ("a", "x"), ("b", "a"), ("aa", "x"), ("a", "x-1")] {
        let object = json!({"metadata": {"name": name, "namespace": namespace}});
        let draft = Draft::encode(&config_map::ROW, &object).expect("encodes");
        let key = Key::new(MAPS, namespace, name);
        run(&mut state, vec![Op { key, require: Require::default(), action: Action::Put(draft) }]);
    }
    let all = ["a/x", "a/x-1", "a/y", "aa/x", "b/a", "b/x"];
    type Case<'a> = (Option<&'a str>, Option<(&'a str, &'a str)>, &'a [&'a str]);
    let table: [Case<'_>; 8] = [
        (None, None, &all),
        (None, Some(("a", "x")), &all[1..]),
        (None, Some(("a", "zzz")), &all[3..]),
        (None, Some(("b", "x")), &[]),
        (Some("a"), None, &all[..3]),
        (Some("a"), Some(("a", "x-1")), &all[2..3]),
        (Some("b"), Some(("a", "x")), &all[4..]),
        (Some("c"), None, &[]),
    ];
    for (namespace, after, expected) in table {
        let names: Vec<String> =
            state.list(MAPS, namespace, after).map(|(name, _)| format!("{}/{}", name.namespace, name.name)).collect();
        assert_eq!(names, expected, "{namespace:?} {after:?}");
    }
    assert_eq!(state.list("apps/deployments", None, None).count(), 0);
}

#[test]
fn the_log_forgets_by_count_bytes_and_age() {
    let default = Limits { count: 1_000, bytes: usize::MAX, age_ms: 1_000_000, floor: 0, answer_age_ms: 0 };
    let table = [
        ("count", Limits { count: 3, ..default }, 3),
        ("bytes", Limits { bytes: 400, ..default }, 1),
        ("age", Limits { age_ms: 25, ..default }, 3),
        ("bytes, while its requests may come again", Limits { bytes: 400, answer_age_ms: 1_000_000, ..default }, 5),
        ("age above the floor", Limits { age_ms: 25, floor: 6, ..default }, 6),
        ("nothing", default, 10),
    ];
    for (what, limits, kept) in table {
        let mut state = State::with_limits(limits);
        for i in 1..=10u32 {
            let transaction =
                Transaction { id: id(u128::from(i)), ops: vec![put(&format!("n{i}"), Require::absent(), "1")] };
            // The clock of the new leader at 6 is behind: entries do not grow younger by it.
            let now_ms = if i == 6 { 0 } else { i64::from(i) * 10 };
            state.apply(Command { transactions: vec![transaction], now_ms });
        }
        let oldest = 10 - kept;
        assert!(state.changes(MAPS, None, oldest, usize::MAX).is_ok(), "{what}");
        assert_eq!(state.at(MAPS, oldest).map(|view| view.len() as u64), Ok(oldest), "{what}");
        assert_eq!(state.answered(&id(u128::from(oldest) + 1)).map(|a| a.len()), Some(1), "{what}");
        if oldest > 0 {
            assert!(matches!(state.changes(MAPS, None, oldest - 1, usize::MAX), Err(Compacted)), "{what}");
            assert_eq!(state.at(MAPS, oldest - 1).map(|view| view.len()), Err(Compacted), "{what}");
            assert_eq!(state.answered(&id(u128::from(oldest))), None, "{what}");
        }
        // A resource that did not change since is known even from before the log's beginning.
        assert!(state.changes(PODS, None, 0, usize::MAX).is_ok(), "{what}");
    }
}

/// A random history over few names, with what each revision held.
fn history(choices: &[(u8, u8)], limits: Limits) -> (State, Vec<BTreeMap<String, String>>) {
    let mut state = State::with_limits(limits);
    let mut held = vec![BTreeMap::new()];
    for (i, (name, action)) in choices.iter().enumerate() {
        let name = format!("n{}", name % 5);
        let operation = match action % 3 {
            0 => op(&name, Require::default(), Action::Delete),
            _ => put(&name, Require::default(), &i.to_string()),
        };
        let transaction = Transaction { id: id(i as u128), ops: vec![operation] };
        let outcome = state.apply(Command { transactions: vec![transaction], now_ms: i as i64 }).outcomes.remove(0);
        if matches!(outcome, Outcome::Done { .. }) {
            let names = (0..5).map(|n| format!("n{n}"));
            held.push(names.filter_map(|n| Some((n.clone(), value_of(&state, &n)?))).collect());
        }
    }
    (state, held)
}

fn held_at(state: &State, revision: u64) -> BTreeMap<String, String> {
    let view = state.at(MAPS, revision).expect("kept");
    let value = |object: &Object| object.decode().expect("decodes")["data"]["v"].as_str().expect("text").to_owned();
    view.list(None, None).map(|(name, object)| (name.name.to_string(), value(object))).collect()
}

proptest! {
    #[test]
    fn every_old_revision_is_found_again(choices in prop::collection::vec(any::<(u8, u8)>(), 0..60)) {
        let (state, held) = history(&choices, Limits::default());
        for (revision, expected) in held.iter().enumerate() {
            let revision = revision as u64;
            prop_assert_eq!(&held_at(&state, revision), expected);
            for name in 0..5 {
                let name = format!("n{name}");
                let object = state.object_at(&map_key(&name), revision).expect("kept");
                prop_assert_eq!(object.is_some(), expected.contains_key(&name));
                prop_assert!(object.is_none_or(|object| object.revision <= revision));
            }
        }
    }

    #[test]
    fn a_state_survives_its_image(choices in prop::collection::vec(any::<(u8, u8)>(), 0..60), count in 1usize..80) {
        let limits = Limits { count, answer_age_ms: 0, ..Limits::default() };
        let (state, _) = history(&choices, limits);
        let bytes = rmp_serde::to_vec(&state.image()).expect("encodes");
        let image: Image = rmp_serde::from_slice(&bytes).expect("decodes");
        let restored = State::restore(image, limits).expect("restores");
        prop_assert_eq!(restored.image(), state.image());
        let entries = |state: &State| (1..=state.revision()).map(|r| state.entry(r).cloned()).collect::<Vec<_>>();
        prop_assert_eq!(entries(&restored), entries(&state));
        for i in 0..choices.len() {
            prop_assert_eq!(restored.answered(&id(i as u128)), state.answered(&id(i as u128)));
        }
    }
}

#[test]
fn an_image_with_a_hole_is_refused() {
    let (state, _) = history(&[(1, 1), (2, 1), (3, 1)], Limits::default());
    let mut image = state.image();
    image.undo.remove(1);
    assert!(matches!(State::restore(image, Limits::default()), Err(ImageError::Hole { expected: 2, found: 1 })));
}
