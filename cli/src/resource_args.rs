//! The grammar of `TYPE[,TYPE] [NAME…]` and `TYPE/NAME…` that most commands share.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::fail;
use kubus_proto::KindRow;

/// What was named: a kind, and an object or all of them.
#[derive(Clone, Debug)]
pub struct ResourceArg {
    /// Its row in the kinds table.
    pub row: &'static KindRow,
    /// Name of the object, `None` for every object.
    pub name: Option<String>,
}

/// Several kinds or objects as they stand on the command line.
#[derive(Clone, Debug, Default)]
pub struct ResourceArgs {
    /// In their order.
    pub args: Vec<ResourceArg>,
}

impl ResourceArgs {
    /// Reads the arguments. Empty ones are no error here, since `-f` may stand instead.
    pub async fn parse(words: &[String], context: &Context) -> Result<Self> {
        let Some(first) = words.first() else { return Ok(Self::default()) };
        if words.iter().any(|word| word.contains('/')) {
            let mut args = Vec::new();
            for word in words {
                args.push(slash_form(word, context).await?);
            }
            return Ok(Self { args });
        }
        let rows = rows(first, context).await?;
        let mut args = Vec::new();
        for row in rows {
            match &words[1..] {
                [] => args.push(ResourceArg { row, name: None }),
                names => args.extend(names.iter().map(|name| ResourceArg { row, name: Some(name.clone()) })),
            }
        }
        Ok(Self { args })
    }

    /// Whether nothing was named.
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// Whether single objects were named.
    pub fn has_names(&self) -> bool {
        self.args.iter().any(|arg| arg.name.is_some())
    }

    /// Whether kinds were named without objects.
    pub fn has_kinds(&self) -> bool {
        self.args.iter().any(|arg| arg.name.is_none())
    }
}

async fn slash_form(word: &str, context: &Context) -> Result<ResourceArg> {
    let Some((kind, name)) = word.split_once('/') else {
        fail!(
            "there is no need to specify a resource type as a separate argument when passing arguments in \
             resource/name form (e.g. 'kubus get resource/<resource_name>' instead of 'kubus get resource \
             resource/<resource_name>'"
        );
    };
    if kind.is_empty() || name.is_empty() || name.contains('/') {
        fail!("arguments in resource/name form must have a single resource and name");
    }
    Ok(ResourceArg { row: row(kind, context).await?, name: Some(name.to_owned()) })
}

/// Kinds of a comma list; categories such as `all` are spread out.
async fn rows(list: &str, context: &Context) -> Result<Vec<&'static KindRow>> {
    let mut found: Vec<&'static KindRow> = Vec::new();
    let mut add = |row: &'static KindRow| {
        if !found.iter().any(|other| std::ptr::eq(*other, row)) {
            found.push(row);
        }
    };
    for name in list.split(',').filter(|name| !name.is_empty()) {
        let members = context.kinds.of_category(name, context).await;
        if members.is_empty() {
            add(row(name, context).await?);
        } else {
            members.into_iter().for_each(&mut add);
        }
    }
    if found.is_empty() {
        fail!("Required resource not specified.");
    }
    Ok(found)
}

/// The kind that a user calls `name`.
pub async fn row(name: &str, context: &Context) -> Result<&'static KindRow> {
    if let Some(row) = context.kinds.by_name(name, context).await? {
        return Ok(row);
    }
    let names: Vec<String> = context.kinds.all(context).await.into_iter().flat_map(|kind| kind.names).collect();
    let alike = most_alike(&name.to_lowercase(), names.iter().map(String::as_str));
    let hint = alike.map(|other| format!("\nDid you mean {other:?}?")).unwrap_or_default();
    Err(CliError::message(format!("the server doesn't have a resource type {name:?}{hint}")))
}

/// Names at least this alike are suggested.
const LIKENESS: f64 = 0.75;

/// The candidate that reads most like `word`, if any does.
pub fn most_alike<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let context = crate::fake::FakeServer::with(&[]).context();
        let args = futures::executor::block_on(ResourceArgs::parse(&words, &context))?;
        let texts: Vec<String> =
            args.args.iter().map(|a| format!("{}/{}", a.row.plural, a.name.as_deref().unwrap_or("*"))).collect();
        Ok(texts.join(" "))
    }

    /// The category `all` in the order kubectl prints it.
    const EVERYTHING: &str = "pods/* replicationcontrollers/* services/* daemonsets/* deployments/* replicasets/* \
                              statefulsets/* horizontalpodautoscalers/* cronjobs/* jobs/*";

    #[test]
    fn arguments_name_kinds_and_objects() {
        for (line, expected) in [
            ("", ""),
            ("pods", "pods/*"),
            ("po a b", "pods/a pods/b"),
            ("deployment/a rs/b", "deployments/a replicasets/b"),
            ("deploy.apps a", "deployments/a"),
            ("Deployment.v1.apps a", "deployments/a"),
            ("po,rs", "pods/* replicasets/*"),
            ("po,rs x", "pods/x replicasets/x"),
            ("all", EVERYTHING),
            ("all,pods", EVERYTHING),
        ] {
            assert_eq!(parsed(line).expect(line), expected, "{line}");
        }
    }

    #[test]
    fn wrong_arguments_are_explained() {
        for (line, part) in [
            ("foo", "the server doesn't have a resource type \"foo\""),
            ("deploymnet x", "Did you mean \"deployment\"?"),
            ("pods a/b", "there is no need to specify a resource type as a separate argument"),
            ("pods/", "must have a single resource and name"),
            ("pods/a/b", "must have a single resource and name"),
            (",", "Required resource not specified"),
        ] {
            let error = parsed(line).expect_err(line).to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
