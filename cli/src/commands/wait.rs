//! `kubus wait`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_wait/>.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::fail;
use crate::jsonpath::{Path, text_of};
use crate::manifest::FileArgs;
use crate::printer::full_name;
use crate::resource_args::ResourceArgs;
use crate::selection::{Selection, SelectorArgs, select};
use crate::watching::{parse_duration, wait_until};
use clap::Args;
use kubus_proto::Reason;
use serde_json::Value;
use std::time::Duration;

/// Wait for a condition on resources
#[derive(Args, Clone, Debug)]
pub struct WaitArgs {
    /// TYPE NAME... or TYPE/NAME...
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    /// delete, create, condition=NAME[=VALUE] or jsonpath={PATH}[=VALUE]
    #[arg(long = "for", value_name = "CONDITION", required = true)]
    condition: String,
    /// How long to wait, e.g. 1m
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", default_value = "30s")]
    timeout: Duration,
    /// All objects of the kind in the namespace
    #[arg(long)]
    all: bool,
    /// The objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
}

enum Condition {
    Delete,
    Create,
    Status { name: String, value: String },
    JsonPath { path: Path, value: Option<String> },
}

impl Condition {
    fn parse(text: &str) -> Result<Self> {
        if let Some(condition) = text.strip_prefix("condition=") {
            let (name, value) = condition.split_once('=').unwrap_or((condition, "true"));
            return Ok(Condition::Status { name: name.to_owned(), value: value.to_owned() });
        }
        if let Some(expression) = text.strip_prefix("jsonpath=") {
            let end = expression.rfind('}').map_or(0, |at| at + 1);
            let (path, value) = match expression[end..].split_once('=') {
                Some((rest, value)) => (&expression[..end + rest.len()], Some(value.to_owned())),
                None => (expression, None),
            };
            return Ok(Condition::JsonPath { path: Path::parse_relaxed(path.trim_matches('\''))?, value });
        }
        match text.to_lowercase().as_str() {
            "delete" => Ok(Condition::Delete),
            "create" => Ok(Condition::Create),
            _ => fail!("unrecognized condition: {text:?}"),
        }
    }

    fn holds(&self, object: Option<&Value>) -> Result<bool> {
        let Some(object) = object else { return Ok(matches!(self, Condition::Delete)) };
        Ok(match self {
            Condition::Delete => false,
            Condition::Create => true,
            Condition::Status { name, value } => {
                object["status"]["conditions"].as_array().into_iter().flatten().any(|condition| {
                    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_lowercase();
                    text("type") == name.to_lowercase() && text("status") == value.to_lowercase()
                })
            }
            Condition::JsonPath { path, value } => {
                // An index that is not there yet may be there later.
                let found = path.find(object).unwrap_or_default();
                match value {
                    Some(value) => !found.is_empty() && found.iter().all(|v| text_of(v) == *value),
                    None => !found.is_empty(),
                }
            }
        })
    }
}

/// Runs the command.
pub async fn run(args: WaitArgs, context: &Context) -> Result<()> {
    let condition = Condition::parse(&args.condition)?;
    let mut targets = Vec::new();
    let named = ResourceArgs::parse(&args.resources, context).await?;
    let mut errors = Vec::new();
    if matches!(condition, Condition::Create) && named.has_names() && !named.has_kinds() {
        // What is waited for need not be there yet.
        targets
            .extend(named.args.into_iter().filter_map(|arg| Some((arg.row, context.namespace_of(arg.row), arg.name?))));
    } else {
        let selection = Selection {
            words: &args.resources,
            files: &args.files,
            selectors: &args.selectors,
            all: args.all,
            all_namespaces: args.all_namespaces,
        };
        let (objects, mut wrong) = select(context, &selection).await?;
        if matches!(condition, Condition::Delete) {
            // What is gone already has met the condition.
            wrong.retain(|error| !error.is(Reason::NotFound));
        } else if objects.is_empty() && wrong.is_empty() {
            fail!("no matching resources found");
        }
        errors.extend(wrong);
        targets.extend(objects.iter().map(|o| (o.row, o.namespace().to_owned(), o.name().to_owned())));
    }
    for (row, namespace, name) in targets {
        let text = format!("timed out waiting for the condition on {}/{name}", row.plural);
        let timeout = Some(args.timeout);
        match wait_until(context, row, &namespace, &name, timeout, &text, |object| condition.holds(object)).await {
            Ok(_) => context.console.line(&format!("{} condition met", full_name(row, &name))),
            Err(error) => errors.push(error),
        }
    }
    CliError::all(errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_are_read_and_checked() {
        let pod = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        for (text, holds) in [
            ("condition=Ready", true),
            ("condition=ready=true", true),
            ("condition=Ready=false", false),
            ("condition=Other", false),
            ("jsonpath={.status.phase}=Running", true),
            ("jsonpath='{.status.phase}'=Running", true),
            ("jsonpath={.status.phase}", true),
            ("jsonpath={.status.podIP}", false),
            (r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}=True"#, true),
            ("delete", false),
            ("create", true),
        ] {
            let condition = Condition::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(condition.holds(Some(&pod)).expect(text), holds, "{text}");
        }
        assert!(Condition::parse("ready").is_err());
        assert!(Condition::Delete.holds(None).expect("delete"));
    }
}
