//! What the server says it serves: groups, versions and resources, those of custom kinds among them.

use crate::context::{Context, Query};
use crate::error::Result;
use kubus_proto::kinds::custom::{self, Definition, ScalePaths, TooManyKinds};
use kubus_proto::{KindRow, kinds};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Asks for everything at once.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// One resource in one version of its group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Whether it is the first version of its group that has the resource.
    pub preferred: bool,
    /// Name in paths.
    pub plural: String,
    /// Name of one.
    pub singular: String,
    /// CamelCase name.
    pub kind: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: Vec<String>,
    /// What users type.
    pub short_names: Vec<String>,
    /// Groups of kinds (`all`).
    pub categories: Vec<String>,
    /// Names of its subresources.
    pub subresources: Vec<String>,
}

impl Resource {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`.
    pub fn qualified(&self) -> String {
        kubus_proto::status::qualified(&self.plural, &self.group)
    }

    /// Whether a user means it by `pods`, `po`, `pod`, `Pod`, `deployments.apps` or `deploy.v1.apps`.
    pub fn is_called(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let (head, tail) = name.split_once('.').map_or((name.as_str(), None), |(head, tail)| (head, Some(tail)));
        let named = self.plural == head
            || self.singular == head
            || self.kind.to_lowercase() == head
            || self.short_names.iter().any(|short| short == head);
        let grouped = tail.is_none_or(|tail| {
            tail == self.group || tail == self.version || tail == format!("{}.{}", self.version, self.group)
        });
        named && grouped
    }

    /// Its row: the one of the kinds table, or one made for this process.
    pub fn row(&self) -> Result<&'static KindRow, TooManyKinds> {
        if let Some(row) = kinds::by_kind(&self.api_version(), &self.kind).filter(|row| row.plural == self.plural) {
            return Ok(row);
        }
        let has = |name: &str| self.subresources.iter().any(|part| part == name);
        custom::intern(&Definition {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            list_kind: format!("{}List", self.kind),
            plural: self.plural.clone(),
            singular: self.singular.clone(),
            short_names: self.short_names.clone(),
            categories: self.categories.clone(),
            namespaced: self.namespaced,
            has_status: has("status"),
            // Only the server reads where the parts of a Scale are.
            scale: has("scale").then(|| ScalePaths {
                spec: String::new(),
                status: String::new(),
                selector: String::new(),
            }),
            ..Definition::default()
        })
    }
}

/// Everything that is served, in the order in which names are looked up.
pub async fn fetch(context: &Context) -> Result<Vec<Resource>> {
    let mut resources = Vec::new();
    for path in ["/api", "/apis"] {
        let list = context.get_path(path, Query::new(), AGGREGATED).await?;
        for group in items(&list["items"]) {
            read_group(group, &mut resources);
        }
    }
    Ok(resources)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    items(value).map(text).collect()
}

fn read_group(group: &Value, resources: &mut Vec<Resource>) {
    let first = resources.len();
    for version in items(&group["versions"]) {
        for resource in items(&version["resources"]) {
            let plural = text(&resource["resource"]);
            let preferred = !resources[first..].iter().any(|known| known.plural == plural);
            resources.push(Resource {
                group: text(&group["metadata"]["name"]),
                version: text(&version["version"]),
                preferred,
                singular: text(&resource["singularResource"]),
                kind: text(&resource["responseKind"]["kind"]),
                namespaced: resource["scope"] == "Namespaced",
                verbs: texts(&resource["verbs"]),
                short_names: texts(&resource["shortNames"]),
                categories: texts(&resource["categories"]),
                subresources: items(&resource["subresources"]).map(|part| text(&part["subresource"])).collect(),
                plural,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resources_are_read_and_found() {
        let group = json!({"metadata": {"name": "stable.example.com"}, "versions": [
            {"version": "v2", "resources": [{"resource": "crontabs", "singularResource": "crontab",
                "responseKind": {"group": "stable.example.com", "version": "v2", "kind": "CronTab"},
                "scope": "Namespaced", "verbs": ["get", "list"], "shortNames": ["ct"], "categories": ["all"],
                "subresources": [{"subresource": "status"}]}]},
            {"version": "v1", "resources": [{"resource": "crontabs", "singularResource": "crontab",
                "responseKind": {"kind": "CronTab"}, "scope": "Namespaced", "verbs": ["get"]}]},
        ]});
        let mut resources = Vec::new();
        read_group(&group, &mut resources);
        assert_eq!(resources.iter().map(|r| r.preferred).collect::<Vec<_>>(), [true, false]);
        let found = |name: &str| resources.iter().find(|r| r.is_called(name)).map(|r| r.version.as_str());
        for (name, version) in [
            ("crontabs", Some("v2")),
            ("CronTab", Some("v2")),
            ("ct", Some("v2")),
            ("crontab.stable.example.com", Some("v2")),
            ("crontabs.v1.stable.example.com", Some("v1")),
            ("crontabs.v1", Some("v1")),
            ("crontabs.example.com", None),
            ("tabs", None),
        ] {
            assert_eq!(found(name), version, "{name}");
        }
        let row = resources[0].row().expect("a row");
        assert_eq!((row.plural, row.kind, row.namespaced, row.version), ("crontabs", "CronTab", true, "v2"));
        assert!(row.subresource("status").is_some() && row.subresource("scale").is_none());
        assert!(std::ptr::eq(row, resources[0].row().expect("a row")), "made once");
    }
}
