//! What must hold of every object and every applier, tried on many.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

const TIMES: [&str; 2] = ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"];

/// A kind with every way of merging there is.
static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let item = json!({"type": "object", "properties": {"name": text, "value": text, "nested": {"type": "object",
        "properties": {"a": text, "b": text}}}});
    Types::of_json_schema(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "scalar": text,
        "map": {"type": "object", "additionalProperties": text},
        "struct": {"type": "object", "properties": {"a": text, "b": text}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": text, "b": text}},
        "list": {"type": "array", "items": text},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item},
    }}}}))
});

fn word() -> impl Strategy<Value = Value> {
    prop_oneof![Just("x"), Just("y"), Just("z")].prop_map(|word| json!(word))
}

fn some_fields(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(names), word(), 1..=names.len()).prop_map(|map| json!(map))
}

fn some_items() -> impl Strategy<Value = Value> {
    let nested = prop::option::of(some_fields(&["a", "b"]));
    let item = (prop::option::of(word()), nested).prop_map(|(value, nested)| {
        let mut item = json!({});
        if let Some(value) = value {
            item["value"] = value;
        }
        if let Some(nested) = nested {
            item["nested"] = nested;
        }
        item
    });
    prop::collection::btree_map(prop::sample::select(&["i", "j", "k"][..]), item, 1..=3)
        .prop_flat_map(|items| Just(items.into_iter().collect::<Vec<_>>()).prop_shuffle())
        .prop_map(|items| {
            let named = |(name, mut item): (&str, Value)| {
                item["name"] = json!(name);
                item
            };
            items.into_iter().map(named).collect()
        })
}

/// What one applier says.
fn some_config() -> impl Strategy<Value = Value> {
    let words = || prop::collection::btree_set("[xyz]", 1..=3).prop_map(|words| json!(words));
    let field = prop_oneof![
        word().prop_map(|v| ("scalar", v)),
        some_fields(&["a", "b", "c"]).prop_map(|v| ("map", v)),
        some_fields(&["a", "b"]).prop_map(|v| ("struct", v)),
        some_fields(&["a", "b"]).prop_map(|v| ("whole", v)),
        words().prop_map(|v| ("list", v)),
        words().prop_map(|v| ("set", v)),
        some_items().prop_map(|v| ("items", v)),
    ];
    prop::collection::vec(field, 0..6).prop_map(|fields| {
        let mut config = json!({"apiVersion": "x.example/v1", "kind": "Thing", "metadata": {"name": "t"}});
        for (name, value) in fields {
            config["spec"][name] = value;
        }
        config
    })
}

#[derive(Clone, Debug)]
enum Move {
    Apply { who: &'static str, config: Value },
    Write { who: &'static str, config: Value },
}

fn some_move() -> impl Strategy<Value = Move> {
    let who = || prop::sample::select(&["alice", "bob", "carol"][..]);
    prop_oneof![
        3 => (who(), some_config()).prop_map(|(who, config)| Move::Apply { who, config }),
        1 => (who(), some_config()).prop_map(|(who, config)| Move::Write { who, config }),
    ]
}

fn writer(manager: &str, time: usize) -> Writer<'_> {
    Writer { manager, api_version: "x.example/v1", subresource: "", time: TIMES[time] }
}

fn apply(
    live: &Value,
    stored: &Value,
    config: &Value,
    force: bool,
    who: &str,
    time: usize,
) -> Result<Applied, ApplyError> {
    applied(&TYPES, Scope::NotStatus, (live, stored), config, force, &writer(who, time))
}

/// The value of every leaf that a config names: of a plain value, of a whole, of an item of a set or a list by its name.
fn leaves(config: &Value) -> Vec<(Vec<String>, Value)> {
    fn walk(value: &Value, path: Vec<String>, found: &mut Vec<(Vec<String>, Value)>) {
        let of = path.last().map(String::as_str).unwrap_or_default();
        let below = |step: &str| path.iter().cloned().chain([step.to_owned()]).collect::<Vec<_>>();
        match value {
            Value::Object(map) if of != "whole" => map.iter().for_each(|(k, v)| walk(v, below(k), found)),
            Value::Array(items) if of == "items" => {
                items.iter().for_each(|item| walk(item, below(item["name"].as_str().unwrap_or_default()), found));
            }
            Value::Array(items) if of == "set" => {
                items.iter().for_each(|item| found.push((below(&item.to_string()), json!(true))));
            }
            value => found.push((path, value.clone())),
        }
    }
    let mut found = Vec::new();
    walk(&config["spec"], Vec::new(), &mut found);
    found
}

/// Whether `object` has everything that `config` says.
fn holds(object: &Value, config: &Value) -> bool {
    let has = leaves(object);
    config["spec"].is_null() || leaves(config).iter().all(|leaf| has.contains(leaf))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn to_apply_again_is_no_change(moves in prop::collection::vec(some_move(), 0..5), config in some_config()) {
        let (live, stored) = played(&moves);
        let once = apply(&live, &stored, &config, true, "alice", 0).expect("forced");
        prop_assert!(holds(&once.object, &config), "{}", once.object);
        let managed = once.managed.unwrap_or_default();
        let twice = apply(&once.object, &managed, &config, false, "alice", 1).expect("no conflict with what is so");
        prop_assert_eq!(twice.object, once.object);
        prop_assert_eq!(twice.managed.unwrap_or_default(), managed);
    }

    #[test]
    fn two_managers_never_lose_each_others_fields(
        moves in prop::collection::vec(some_move(), 0..4),
        mine in some_config(),
        theirs in prop::collection::vec(some_config(), 1..4),
    ) {
        let (live, stored) = played(&moves);
        let first = apply(&live, &stored, &mine, true, "alice", 0).expect("forced");
        let (mut live, mut stored) = (first.object, first.managed.unwrap_or_default());
        for config in &theirs {
            // Without force nothing of what alice said can change, whatever bob says, and however little he says next.
            if let Ok(done) = apply(&live, &stored, config, false, "bob", 1) {
                prop_assert!(holds(&done.object, config), "{} lacks {}", done.object, config);
                (live, stored) = (done.object, done.managed.unwrap_or_default());
            }
            prop_assert!(holds(&live, &mine), "{} lacks {}", live, mine);
        }
    }

    #[test]
    fn who_applies_alone_gets_what_it_says(configs in prop::collection::vec(some_config(), 1..4)) {
        let (mut live, mut stored) = (json!({}), Value::Null);
        for config in &configs {
            let done = apply(&live, &stored, config, false, "alice", 0).expect("nobody else is there");
            (live, stored) = (done.object, done.managed.unwrap_or_default());
        }
        let mut found = leaves(&live);
        let mut said = configs.last().map(leaves).unwrap_or_default();
        let key = |(path, _): &(Vec<String>, Value)| path.clone();
        found.sort_by_key(key);
        said.sort_by_key(key);
        found.retain(|(path, _)| !path.is_empty());
        said.retain(|(path, _)| !path.is_empty());
        prop_assert_eq!(found, said);
    }

    #[test]
    fn nobody_owns_what_is_not_there(moves in prop::collection::vec(some_move(), 0..8)) {
        let (live, stored) = played(&moves);
        let there = super::compare::everything(TYPES.root(), Scope::NotStatus, &live);
        for entry in super::entry::trusted(stored) {
            let mut stray = entry.fields.clone();
            stray.subtract(&there);
            prop_assert!(stray.is_empty(), "{:?} owns {:?} of {}", entry.manager, stray.paths(), live);
        }
    }
}

/// The object and its managed fields after some moves.
fn played(moves: &[Move]) -> (Value, Value) {
    let (mut live, mut stored) = (json!({}), Value::Null);
    for step in moves {
        match step {
            Move::Apply { who, config } => {
                if let Ok(done) = apply(&live, &stored, config, false, who, 0) {
                    (live, stored) = (done.object, done.managed.unwrap_or_default());
                }
            }
            Move::Write { who, config } => {
                let nothing = live.as_object().is_some_and(serde_json::Map::is_empty);
                stored = if nothing {
                    created(&TYPES, Scope::NotStatus, config, &Value::Null, &writer(who, 0)).unwrap_or_default()
                } else {
                    let managed = updated(&TYPES, Scope::NotStatus, (&live, config), stored, None, &writer(who, 0));
                    managed.fields.unwrap_or_default()
                };
                live = config.clone();
            }
        }
    }
    (live, stored)
}
