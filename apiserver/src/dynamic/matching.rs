//! Which requests a webhook or a policy looks at.

use super::{Objects, Operation, Write};
use crate::custom::{Conversion, registry};
use crate::state::{Key, State};
use kubus_proto::kinds::namespace;
use kubus_proto::kinds::versions::{SERVED_VERSIONS, ServedVersion};
use kubus_proto::selector::Selector;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One rule: what is done to which resources.
#[derive(Clone, Debug, Default)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    scope: String,
}

/// Which requests are looked at.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    namespaces: Selector,
    objects: Selector,
    /// Whether a rule about one version of a kind is about all of them.
    equivalent: bool,
}

/// A version of a kind in which a request was matched.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Its group.
    pub group: &'a str,
    /// Its version.
    pub version: &'a str,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// The one the pipeline works on.
    AsItIs,
    /// Another version of a built-in kind.
    Served(&'static ServedVersion),
    /// Another version of a custom kind, of which only the name differs.
    Renamed,
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn selector(value: &Value) -> Selector {
    let parsed = serde_json::from_value(value.clone()).ok();
    parsed.and_then(|selector| Selector::from_label_selector(&selector).ok()).unwrap_or_else(Selector::everything)
}

fn holds(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

impl Rule {
    fn read(rule: &Value) -> Self {
        Self {
            operations: texts(&rule["operations"]),
            groups: texts(&rule["apiGroups"]),
            versions: texts(&rule["apiVersions"]),
            resources: texts(&rule["resources"]),
            names: texts(&rule["resourceNames"]),
            scope: rule["scope"].as_str().unwrap_or("*").to_owned(),
        }
    }

    fn matches(&self, write: &Write<'_>, group: &str, version: &str) -> bool {
        let path = write.path;
        let resource = |pattern: &String| {
            let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
            (resource == "*" || resource == path.row.plural) && (subresource == "*" || subresource == path.subresource)
        };
        let scope = match self.scope.as_str() {
            "Namespaced" => path.row.namespaced,
            "Cluster" => !path.row.namespaced,
            _ => true,
        };
        scope
            && holds(&self.operations, write.operation.name())
            && holds(&self.groups, group)
            && holds(&self.versions, version)
            && self.resources.iter().any(resource)
            && (self.names.is_empty() || self.names.iter().any(|name| name == write.name))
    }
}

impl Matcher {
    /// Reads what stands beside a webhook (`rules`) or in the constraints of a policy (`resourceRules`).
    pub fn read(holder: &Value) -> Self {
        let rules = |key: &str| holder[key].as_array().into_iter().flatten().map(Rule::read).collect::<Vec<_>>();
        Self {
            rules: [rules("rules"), rules("resourceRules")].concat(),
            excluded: rules("excludeResourceRules"),
            namespaces: selector(&holder["namespaceSelector"]),
            objects: selector(&holder["objectSelector"]),
            equivalent: holder["matchPolicy"] != "Exact",
        }
    }

    /// The version in which a request is looked at, if it is.
    pub fn matches<'a>(&self, write: &Write<'a>, objects: Objects<'_>, state: &'a State) -> Option<Version<'a>> {
        if !self.selects(write, objects, state) {
            return None;
        }
        let versions = versions(write, self.equivalent, state);
        let excluded = |version: &Version<'_>| {
            self.excluded.iter().any(|rule| rule.matches(write, version.group, version.version))
        };
        if versions.iter().any(excluded) {
            return None;
        }
        // Constraints of a binding may be without rules: then they narrow nothing.
        if self.rules.is_empty() {
            return versions.first().copied();
        }
        let matched =
            |version: &Version<'_>| self.rules.iter().any(|rule| rule.matches(write, version.group, version.version));
        versions.into_iter().find(matched)
    }

    fn selects(&self, write: &Write<'_>, objects: Objects<'_>, state: &State) -> bool {
        let labels = |object: &Value| -> BTreeMap<String, String> {
            let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
            labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        let by_object = self.objects.is_empty()
            || [objects.new, objects.old].iter().any(|o| o.is_object() && self.objects.matches(&labels(o)));
        by_object && (self.namespaces.is_empty() || self.selects_namespace(write, objects, state, labels))
    }

    fn selects_namespace(
        &self,
        write: &Write<'_>,
        objects: Objects<'_>,
        state: &State,
        labels: impl Fn(&Value) -> BTreeMap<String, String>,
    ) -> bool {
        let row = write.path.row;
        if row.group.is_empty() && row.plural == "namespaces" {
            let object = if write.operation == Operation::Delete { objects.old } else { objects.new };
            return self.namespaces.matches(&labels(object));
        }
        if !row.namespaced {
            return true;
        }
        let key = Key::new(namespace::ROW.resource_key(), "", write.path.namespace.as_str());
        let known = state.get(&key).map(|namespace| namespace.selectable().labels).unwrap_or_default();
        self.namespaces.matches(&known)
    }
}

/// Versions of the kind that a request is about, the one it was made in first.
fn versions<'a>(write: &Write<'a>, equivalent: bool, state: &'a State) -> Vec<Version<'a>> {
    let path = write.path;
    let own = Version { group: path.group(), version: path.version.as_str(), form: Form::AsItIs };
    let mut found = match path.served {
        Some(served) => vec![Version { form: Form::Served(served), ..own }],
        None => vec![own],
    };
    if !equivalent {
        return found;
    }
    let row = path.row;
    if path.served.is_some() {
        found.push(Version { group: row.group, version: row.version, form: Form::AsItIs });
    }
    let others = SERVED_VERSIONS.iter().filter(|served| std::ptr::eq(served.row, row));
    found.extend(others.map(|served| Version {
        group: served.group,
        version: served.version,
        form: Form::Served(served),
    }));
    if let Some(kind) = registry::named(state, &format!("{}.{}", row.plural, row.group))
        && kind.conversion == Conversion::None
    {
        let others = kind.versions.iter().filter(|v| v.served && v.row.version != path.version);
        found.extend(others.map(|v| Version { group: v.row.group, version: v.row.version, form: Form::Renamed }));
    }
    found
}

impl Version<'_> {
    /// `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// An object of the pipeline in this version.
    pub fn show(&self, object: &Value) -> Value {
        let mut shown = object.clone();
        if !shown.is_object() {
            return shown;
        }
        match self.form {
            Form::AsItIs => {}
            Form::Served(served) => served.from_stored(&mut shown),
            Form::Renamed => shown["apiVersion"] = json!(self.api_version()),
        }
        shown
    }

    /// An object of this version in the one the pipeline works on.
    pub fn take_back(&self, object: &mut Value, own: &str) {
        match self.form {
            Form::AsItIs => {}
            Form::Served(served) => served.to_stored(object),
            Form::Renamed => object["apiVersion"] = json!(own),
        }
    }
}
