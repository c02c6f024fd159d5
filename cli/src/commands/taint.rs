//! `kubus taint`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_taint/>.

use super::dry_run::DryRunArgs;
use crate::context::{Context, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::selection::{Selection, SelectorArgs, select};
use clap::Args;
use kubus_proto::Reason;
use kubus_proto::kinds::node;
use kubus_proto::selector::{is_label_value, is_qualified_name};
use serde_json::{Value, json};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
/// How often a node that somebody else changes meanwhile is read again.
const ATTEMPT_LIMIT: usize = 8;

/// Update the taints of nodes
#[derive(Args, Clone, Debug)]
pub struct TaintArgs {
    /// NODE NAME KEY=VALUE:EFFECT... ; KEY:EFFECT- or KEY- takes a taint away
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// All nodes
    #[arg(long)]
    all: bool,
    /// Replace taints that are there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    selectors: SelectorArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

/// A taint as it is written; the effect may be left out where it is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes {
    add: Vec<Taint>,
    remove: Vec<Taint>,
}

/// Runs the command.
pub async fn run(args: TaintArgs, context: &Context) -> Result<()> {
    let first = args.words.iter().position(|word| word.contains(['=', ':']) || word.ends_with('-'));
    let (resources, specs) = args.words.split_at(first.unwrap_or(args.words.len()));
    if specs.is_empty() {
        fail!("at least one taint update is required");
    }
    let changes = parse(specs)?;
    let files = FileArgs::default();
    let selection =
        Selection { words: resources, files: &files, selectors: &args.selectors, all: args.all, all_namespaces: false };
    let (nodes, mut errors) = select(context, &selection).await?;
    for selected in nodes {
        if selected.row.kind != "Node" {
            fail!("invalid resource type {}, only node(s) is supported", selected.row.singular);
        }
        if let Err(error) = taint(&args, &changes, selected.object, context).await {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

async fn taint(args: &TaintArgs, changes: &Changes, mut object: Value, context: &Context) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    for attempt in 1.. {
        let done = apply(&mut object, changes, args.overwrite)?;
        if !args.dry_run.is_client() {
            match context.replace(&Target::of(&node::ROW, "", &name), &object).await {
                Err(error) if error.is(Reason::Conflict) && attempt < ATTEMPT_LIMIT => {
                    object = context.get(&node::ROW, "", &name).await?;
                    continue;
                }
                other => drop(other?),
            }
        }
        context.console.line(&args.dry_run.message(&format!("node/{name} {done}")));
        break;
    }
    Ok(())
}

fn parse(words: &[String]) -> Result<Changes> {
    let mut changes = Changes::default();
    for word in words {
        let (spec, removed) = word.strip_suffix('-').map_or((word.as_str(), false), |spec| (spec, true));
        let (pair, effect) = spec.split_once(':').unwrap_or((spec, ""));
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !removed && effect.is_empty() {
            fail!("invalid taint spec: {word}, format must be <key>=<value>:<taint-effect>");
        }
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            fail!("invalid taint effect: {effect}, unsupported taint effect");
        }
        if !is_qualified_name(key) || !is_label_value(value) {
            fail!("invalid taint spec: {word}, key and value must be those of a label");
        }
        let taint = Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() };
        if removed {
            changes.remove.push(taint);
        } else if changes.add.iter().any(|other| (&other.key, &other.effect) == (&taint.key, &taint.effect)) {
            fail!("duplicated taints with the same key and effect: {word}");
        } else {
            changes.add.push(taint);
        }
    }
    Ok(changes)
}

/// Changes a node's taints; says what was done.
fn apply(node: &mut Value, changes: &Changes, overwrite: bool) -> Result<&'static str> {
    let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let is = |taint: &Value, wanted: &Taint| {
        taint["key"] == json!(wanted.key) && (wanted.effect.is_empty() || taint["effect"] == json!(wanted.effect))
    };
    for gone in &changes.remove {
        let before = taints.len();
        taints.retain(|taint| !is(taint, gone));
        if taints.len() == before {
            let effect = if gone.effect.is_empty() { String::new() } else { format!(":{}", gone.effect) };
            fail!("taint {:?} not found", format!("{}{effect}", gone.key));
        }
    }
    let mut replaced = false;
    for new in &changes.add {
        if let Some(old) = taints.iter().position(|taint| is(taint, new)) {
            if !overwrite {
                let name = node["metadata"]["name"].as_str().unwrap_or_default();
                fail!("node {name} already has {} taint(s) with same effect(s) and --overwrite is false", new.key);
            }
            taints.remove(old);
            replaced = true;
        }
        let mut taint = json!({"key": new.key, "effect": new.effect});
        if !new.value.is_empty() {
            taint["value"] = json!(new.value);
        }
        taints.push(taint);
    }
    node["spec"]["taints"] = json!(taints);
    Ok(match (changes.add.is_empty(), changes.remove.is_empty()) {
        (true, false) => "untainted",
        (false, true) if !replaced => "tainted",
        _ => "modified",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;

    fn node(taints: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}, "spec": {"taints": taints}})
    }

    #[tokio::test]
    async fn taints_come_and_go() {
        let server = FakeServer::with(&[node(json!([]))]);
        for (words, out, err) in [
            ("key=value:NoSchedule", "node/node1 tainted\n", ""),
            (
                "key=other:NoSchedule",
                "",
                "error: node node1 already has key taint(s) with same effect(s) and --overwrite is false\n",
            ),
            ("key=other:NoSchedule --overwrite", "node/node1 modified\n", ""),
            ("key:NoSchedule-", "node/node1 untainted\n", ""),
            ("key:NoSchedule-", "", "error: taint \"key:NoSchedule\" not found\n"),
            ("key=value", "", "error: invalid taint spec: key=value, format must be <key>=<value>:<taint-effect>\n"),
            ("key=value:Never", "", "error: invalid taint effect: Never, unsupported taint effect\n"),
        ] {
            let outcome = server.run(&format!("taint nodes node1 {words}")).await;
            assert_eq!((outcome.out.as_str(), outcome.err.as_str()), (out, err), "{words}");
        }
    }

    #[test]
    fn a_key_alone_takes_every_effect_away() {
        let mut object = node(json!([{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}]));
        apply(&mut object, &parse(&["a-".to_owned()]).expect("parse"), false).expect("apply");
        assert_eq!(object["spec"]["taints"], json!([]));
    }
}
