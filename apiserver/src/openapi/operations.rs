//! The requests that can be made about a kind: which path, which method, with which parameters. Both versions of the
//! documents are written from this.

use super::definitions::{DELETE_OPTIONS, KindName, PATCH, STATUS};
use crate::discovery::version_path;
use kubus_proto::{KindRow, Verb};

/// One path.
pub struct PathItem {
    /// With its variables in braces.
    pub path: String,
    /// What every operation takes.
    pub parameters: Vec<&'static Parameter>,
    /// What can be done there.
    pub operations: Vec<Operation>,
}

/// One request.
pub struct Operation {
    /// HTTP method in small letters.
    pub method: &'static str,
    /// What Kubernetes calls it: `list`, `post`, `deletecollection`, …
    pub action: &'static str,
    /// Name for generated clients.
    pub id: String,
    /// What it does.
    pub description: String,
    /// Group of operations.
    pub tag: String,
    /// What it takes beside the parameters of its path.
    pub parameters: &'static [Parameter],
    /// Media types of the body, none for no body.
    pub consumes: &'static [&'static str],
    /// Definition of the body; empty for no body.
    pub body: String,
    /// Definition of the answer; empty for text.
    pub answer: String,
    /// Whether the answer is 201 where something was made.
    pub creates: bool,
    /// Group, version and kind it is about.
    pub kind: serde_json::Value,
}

/// A parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// `path` or `query`.
    pub place: &'static str,
    /// `string`, `integer` or `boolean`.
    pub kind: &'static str,
    /// What it is for.
    pub description: &'static str,
}

const fn query(name: &'static str, kind: &'static str, description: &'static str) -> Parameter {
    Parameter { name, place: "query", kind, description }
}

const fn variable(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, place: "path", kind: "string", description }
}

static NAMESPACE: Parameter = variable("namespace", "Namespace of the objects.");
static NAME: Parameter = variable("name", "Name of the object.");
static REST: Parameter = variable("path", "Path of the request that is passed on.");
static PRETTY: Parameter = query("pretty", "string", "If 'true', the answer is indented.");

const DRY_RUN: Parameter = query("dryRun", "string", "If 'All', everything is done but nothing is kept.");
const FIELD_MANAGER: Parameter =
    query("fieldManager", "string", "Name under which the fields of this change are owned.");
const FIELD_VALIDATION: Parameter = query(
    "fieldValidation",
    "string",
    "What to do about fields that are unknown or there twice: Ignore, Warn or Strict.",
);
const FORCE: Parameter = query("force", "boolean", "Take fields from other managers; only for server-side apply.");
const GRACE: Parameter = query("gracePeriodSeconds", "integer", "Seconds that the object is given to end.");
const ORPHAN: Parameter = query("orphanDependents", "boolean", "Deprecated: use propagationPolicy.");
const PROPAGATION: Parameter =
    query("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground.");
const CONTINUE: Parameter = query("continue", "string", "Token of the list that this one goes on with.");
const FIELD_SELECTOR: Parameter = query("fieldSelector", "string", "Selects objects by their fields.");
const LABEL_SELECTOR: Parameter = query("labelSelector", "string", "Selects objects by their labels.");
const LIMIT: Parameter = query("limit", "integer", "Most objects in one answer.");
const RESOURCE_VERSION: Parameter = query("resourceVersion", "string", "Revision that is wanted.");
const RESOURCE_VERSION_MATCH: Parameter =
    query("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan.");
const INITIAL: Parameter = query("sendInitialEvents", "boolean", "Begin a watch with the objects that are there.");
const TIMEOUT: Parameter = query("timeoutSeconds", "integer", "Seconds after which the answer ends.");
const BOOKMARKS: Parameter = query("allowWatchBookmarks", "boolean", "Send bookmarks in a watch.");
const WATCH: Parameter = query("watch", "boolean", "Follow the changes of the objects.");

static WRITE: &[Parameter] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
static PATCHING: &[Parameter] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE];
static DELETE: &[Parameter] = &[DRY_RUN, GRACE, ORPHAN, PROPAGATION];
static LIST: &[Parameter] = &[
    BOOKMARKS,
    CONTINUE,
    FIELD_SELECTOR,
    LABEL_SELECTOR,
    LIMIT,
    RESOURCE_VERSION,
    RESOURCE_VERSION_MATCH,
    INITIAL,
    TIMEOUT,
    WATCH,
];
static DELETE_COLLECTION: &[Parameter] = &[
    CONTINUE,
    DRY_RUN,
    FIELD_SELECTOR,
    GRACE,
    LABEL_SELECTOR,
    LIMIT,
    ORPHAN,
    PROPAGATION,
    RESOURCE_VERSION,
    RESOURCE_VERSION_MATCH,
    INITIAL,
    TIMEOUT,
];

static ANY: &[&str] = &["*/*"];
/// What a patch of a built-in kind may be.
static PATCHES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
/// What a patch of a custom kind may be: nobody knows how its lists would merge.
static CUSTOM_PATCHES: &[&str] =
    &["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];

/// Every path of a kind in one version of its group.
pub fn of_kind(name: KindName<'_>, row: &KindRow, built_in: bool) -> Vec<PathItem> {
    let maker = Maker { name, row, patches: if built_in { PATCHES } else { CUSTOM_PATCHES } };
    let base = version_path(name.group, name.version);
    let own = if row.namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", row.plural)
    } else {
        format!("{base}/{}", row.plural)
    };
    let object = format!("{own}/{{name}}");
    let mut items = Vec::new();
    if row.namespaced && row.verbs.contains(&Verb::List) {
        let list = maker.operation(Verb::List, "", true);
        items.push(PathItem {
            path: format!("{base}/{}", row.plural),
            parameters: vec![&PRETTY],
            operations: vec![list],
        });
    }
    let home: &[&'static Parameter] = if row.namespaced { &[&NAMESPACE] } else { &[] };
    let with = |own: &[&'static Parameter]| [home, own].concat();
    let all = [Verb::List, Verb::Create, Verb::DeleteCollection];
    items.push(maker.item(own, with(&[&PRETTY]), row.verbs, &all, ""));
    let all = [Verb::Get, Verb::Update, Verb::Patch, Verb::Delete];
    items.push(maker.item(object.clone(), with(&[&NAME, &PRETTY]), row.verbs, &all, ""));
    let all = [Verb::Get, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
    for part in row.subresources {
        let path = format!("{object}/{}", part.name);
        if part.name == "proxy" {
            let parameters = with(&[&NAME, &REST]);
            items.push(maker.item(format!("{path}/{{path}}"), parameters, part.verbs, &all, part.name));
        }
        items.push(maker.item(path, with(&[&NAME, &PRETTY]), part.verbs, &all, part.name));
    }
    items.retain(|item| !item.operations.is_empty());
    items
}

struct Maker<'a> {
    name: KindName<'a>,
    row: &'a KindRow,
    patches: &'static [&'static str],
}

impl Maker<'_> {
    fn item(
        &self,
        path: String,
        parameters: Vec<&'static Parameter>,
        verbs: &[Verb],
        of: &[Verb],
        part: &str,
    ) -> PathItem {
        let operations =
            of.iter().filter(|verb| verbs.contains(verb)).map(|verb| self.operation(*verb, part, false)).collect();
        PathItem { path, parameters, operations }
    }

    fn operation(&self, verb: Verb, part: &str, everywhere: bool) -> Operation {
        let own = self.name.definition();
        let subresource = self.row.subresource(part);
        let kind = match subresource {
            Some(part) if !part.group_version.is_empty() => {
                let (group, version) = part.group_version.split_once('/').unwrap_or(("", part.group_version));
                KindName { group, version, kind: part.kind }
            }
            Some(part) => KindName { kind: part.kind, ..self.name },
            None => self.name,
        };
        let streams = matches!(part, "attach" | "exec" | "portforward" | "proxy");
        let object = if streams || part == "log" { String::new() } else { kind.definition() };
        let (method, action, verb_name, parameters): (_, _, _, &'static [Parameter]) = match verb {
            Verb::Get => ("get", "get", "read", &[]),
            Verb::List | Verb::Watch => ("get", "list", "list", LIST),
            Verb::Create => ("post", "post", "create", WRITE),
            Verb::Update => ("put", "put", "replace", WRITE),
            Verb::Patch => ("patch", "patch", "patch", PATCHING),
            Verb::Delete => ("delete", "delete", "delete", DELETE),
            Verb::DeleteCollection => ("delete", "deletecollection", "deletecollection", DELETE_COLLECTION),
        };
        let (body, consumes, answer): (String, &'static [&'static str], String) = match verb {
            _ if streams => (String::new(), &[], String::new()),
            Verb::Get => (String::new(), &[], object),
            Verb::List | Verb::Watch => (String::new(), &[], format!("{own}List")),
            Verb::Create | Verb::Update => (object.clone(), ANY, object),
            Verb::Patch => (PATCH.to_owned(), self.patches, object),
            Verb::Delete | Verb::DeleteCollection => (DELETE_OPTIONS.to_owned(), ANY, STATUS.to_owned()),
        };
        let (action, verb_name, parameters): (_, _, &'static [Parameter]) = if streams {
            ("connect", format!("connect{}", pascal(method)), &[])
        } else {
            (action, verb_name.to_owned(), parameters)
        };
        Operation {
            method,
            action,
            id: self.id(&verb_name, part, everywhere),
            description: self.description(action, part),
            tag: self.tag(),
            parameters,
            consumes,
            body,
            answer,
            creates: matches!(verb, Verb::Create | Verb::Update | Verb::Patch) && !streams,
            kind: kind.extension(),
        }
    }

    /// `listAppsV1NamespacedDeployment`.
    fn id(&self, verb: &str, part: &str, everywhere: bool) -> String {
        let (verb, collection) = match verb {
            "deletecollection" => ("delete", "Collection"),
            other => (other, ""),
        };
        let group = match self.name.group.split('.').next().unwrap_or_default() {
            "" => "core",
            group => group,
        };
        let scope = if self.row.namespaced && !everywhere { "Namespaced" } else { "" };
        let end = if everywhere { "ForAllNamespaces" } else { "" };
        format!(
            "{verb}{}{}{collection}{scope}{}{}{end}",
            pascal(group),
            pascal(self.name.version),
            self.name.kind,
            pascal(part)
        )
    }

    fn tag(&self) -> String {
        let group = self.name.group.split('.').next().unwrap_or_default();
        format!("{}_{}", if group.is_empty() { "core" } else { group }, self.name.version)
    }

    fn description(&self, action: &str, part: &str) -> String {
        let kind = self.name.kind;
        let of = if part.is_empty() { format!("a {kind}") } else { format!("the {part} of a {kind}") };
        match action {
            "get" => format!("Read {of}."),
            "list" => format!("List objects of kind {kind}, or follow their changes."),
            "post" => format!("Create {of}."),
            "put" => format!("Replace {of}."),
            "patch" => format!("Change some fields of {of}."),
            "delete" => format!("Delete {of}."),
            "deletecollection" => format!("Delete objects of kind {kind}."),
            _ => format!("Open {of} as a stream."),
        }
    }
}

/// `apps` as `Apps`.
fn pascal(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds;

    #[test]
    fn a_kind_has_its_paths() {
        let name = KindName { group: "apps", version: "v1", kind: "Deployment" };
        let items = of_kind(name, &kinds::deployment::ROW, true);
        let written: Vec<String> = items
            .iter()
            .map(|item| {
                let operations: Vec<_> =
                    item.operations.iter().map(|o| format!("{} {} {}", o.method, o.action, o.id)).collect();
                format!("{}: {}", item.path, operations.join(", "))
            })
            .collect();
        let base = "/apis/apps/v1";
        let own = "/apis/apps/v1/namespaces/{namespace}/deployments";
        assert_eq!(
            written,
            [
                format!("{base}/deployments: get list listAppsV1DeploymentForAllNamespaces"),
                format!(
                    "{own}: get list listAppsV1NamespacedDeployment, post post createAppsV1NamespacedDeployment, \
                     delete deletecollection deleteAppsV1CollectionNamespacedDeployment"
                ),
                format!(
                    "{own}/{{name}}: get get readAppsV1NamespacedDeployment, put put replaceAppsV1NamespacedDeployment, \
                     patch patch patchAppsV1NamespacedDeployment, delete delete deleteAppsV1NamespacedDeployment"
                ),
                format!(
                    "{own}/{{name}}/scale: get get readAppsV1NamespacedDeploymentScale, put put \
                     replaceAppsV1NamespacedDeploymentScale, patch patch patchAppsV1NamespacedDeploymentScale"
                ),
                format!(
                    "{own}/{{name}}/status: get get readAppsV1NamespacedDeploymentStatus, put put \
                     replaceAppsV1NamespacedDeploymentStatus, patch patch patchAppsV1NamespacedDeploymentStatus"
                ),
            ]
        );
        let scale = &items[3].operations[0];
        assert_eq!(
            (scale.kind["kind"].as_str(), scale.answer.as_str()),
            (Some("Scale"), "io.k8s.api.autoscaling.v1.Scale")
        );
    }
}
