//! `kubus explain`: what a kind's fields are for, from the server's OpenAPI documents, printed as kubectl prints it.

mod fields;
mod plaintext;
mod plaintext_v2;
mod wrap;

use crate::context::{Context, Query};
use crate::discovery::{self, Resource};
use crate::error::{CliError, Result};
use crate::fail;
use clap::Args;
use fields::Document;
use kubus_proto::codec;
use serde_json::Value;

/// Get documentation for a resource and its fields
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// A kind, and below it a field: pods.spec.containers
    #[arg(value_name = "TYPE[.FIELD]…")]
    resource: Vec<String>,
    /// Print the names of all fields below, without their descriptions
    #[arg(long)]
    recursive: bool,
    /// Version of the kind, e.g. apps/v1
    #[arg(long, value_name = "GROUP/VERSION")]
    api_version: Option<String>,
    /// Output format: plaintext, plaintext-openapiv2
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "plaintext", hide_default_value = true)]
    output: String,
}

/// A kind in one version, and a field below it.
struct Subject {
    group: String,
    version: String,
    plural: String,
    kind: String,
    fields: Vec<String>,
}

/// Runs the command.
pub async fn run(args: ExplainArgs, context: &Context) -> Result<()> {
    let [resource] = args.resource.as_slice() else {
        if args.resource.is_empty() {
            fail!(
                "You must specify the type of resource to explain. Use \"kubus api-resources\" for a complete list of \
                 supported resources."
            );
        }
        fail!("We accept only this format: explain RESOURCE");
    };
    let resources = discovery::fetch(context).await?;
    let subject = subject(resource, args.api_version.as_deref(), &resources)?;
    let print = match args.output.as_str() {
        "plaintext" => plaintext::print,
        "plaintext-openapiv2" => plaintext_v2::print,
        other => fail!("unrecognized format: {other}"),
    };
    let document = document(&subject, &args.output, context).await?;
    let Some(schema) = document.of_kind(&subject.group, &subject.version, &subject.kind) else {
        return Err(unknown(&subject, &args.output));
    };
    let mut out = String::new();
    let printed = print(&subject, &document, schema, args.recursive, &mut out);
    context.console.print(&out);
    printed
}

/// Reads `deployments.spec.replicas` or `deployments.apps.spec.replicas`.
fn subject(text: &str, api_version: Option<&str>, resources: &[Resource]) -> Result<Subject> {
    let mut words = text.trim_end_matches('.').split('.').map(str::to_owned);
    let name = words.next().unwrap_or_default();
    let mut fields: Vec<String> = words.collect();
    let called = |resource: &&Resource| resource.is_called(&name);
    // A name with its group is the longest that the words begin with.
    let qualified = resources.iter().filter(called).filter(|resource| {
        let group: Vec<&str> = resource.group.split('.').collect();
        resource.plural == name
            && !resource.group.is_empty()
            && fields.iter().map(String::as_str).take(group.len()).eq(group)
    });
    let found = match qualified.max_by_key(|resource| resource.group.len()) {
        Some(resource) => {
            fields.drain(..resource.group.split('.').count());
            // The first version of the group is the one that is meant.
            resources.iter().find(|r| r.group == resource.group && r.plural == resource.plural)
        }
        None => resources.iter().find(called),
    };
    let Some(found) = found else {
        // Here kubectl leaves its `error: ` out.
        return Err(CliError::Connection(format!("the server doesn't have a resource type {name:?}")));
    };
    let (group, version) = match api_version {
        None => (found.group.clone(), found.version.clone()),
        Some(api_version) => {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            (group.to_owned(), version.to_owned())
        }
    };
    Ok(Subject { group, version, plural: found.plural.clone(), kind: found.kind.clone(), fields })
}

fn unknown(subject: &Subject, output: &str) -> CliError {
    let what = match output {
        "plaintext" => format!("Resource={}", subject.plural),
        _ => format!("Kind={}", subject.kind),
    };
    CliError::message(format!("couldn't find resource for \"{}/{}, {what}\"", subject.group, subject.version))
}

/// The document of the subject's version.
async fn document(subject: &Subject, output: &str, context: &Context) -> Result<Document> {
    let index = context.get_path("/openapi/v3", Query::new(), codec::JSON).await?;
    let name = match subject.group.as_str() {
        "" => format!("api/{}", subject.version),
        group => format!("apis/{group}/{}", subject.version),
    };
    let Some(url) = index["paths"][&name]["serverRelativeURL"].as_str() else { return Err(unknown(subject, output)) };
    let path = url.split('?').next().unwrap_or_default();
    let document: Value = context.get_path(path, Query::new(), codec::JSON).await?;
    Ok(Document(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, version: &str, plural: &str, kind: &str) -> Resource {
        Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            kind: kind.to_owned(),
            ..Resource::default()
        }
    }

    #[test]
    fn subjects_are_kinds_with_fields() {
        let resources = [
            resource("", "v1", "events", "Event"),
            resource("apps", "v1", "deployments", "Deployment"),
            resource("apps", "v1beta2", "deployments", "Deployment"),
            resource("events.k8s.io", "v1", "events", "Event"),
        ];
        for (text, api_version, expected) in [
            ("deployment", None, "apps/v1 Deployment"),
            ("deployments.spec.replicas", None, "apps/v1 Deployment spec replicas"),
            ("deployments.apps.spec", None, "apps/v1 Deployment spec"),
            ("events.reason", None, "/v1 Event reason"),
            ("events.events.k8s.io.reason", None, "events.k8s.io/v1 Event reason"),
            ("events.events.k8s.io", None, "events.k8s.io/v1 Event"),
            ("deployments.spec.", Some("apps/v1beta2"), "apps/v1beta2 Deployment spec"),
            ("events", Some("v9"), "/v9 Event"),
        ] {
            let found = subject(text, api_version, &resources).expect(text);
            let mut words = vec![format!("{}/{} {}", found.group, found.version, found.kind)];
            words.extend(found.fields);
            assert_eq!(words.join(" "), expected, "{text}");
        }
        let error = subject("foo.bar", None, &resources).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the server doesn't have a resource type \"foo\""));
    }
}
