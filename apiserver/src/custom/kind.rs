//! A custom kind, made of its stored definition: everything requests for its objects need, read once.

use super::rules::Rules;
use super::schema::{Structural, prune};
use crate::managed_fields::Types;
use kubus_proto::KindRow;
use kubus_proto::kinds::custom::{CustomColumn, Definition, ScalePaths, TooManyKinds, intern};
use serde_json::{Value, json};
use std::sync::Arc;

/// A kind with all its versions.
#[derive(Debug)]
pub struct CustomKind {
    /// Revision of the definition: what was stored later went through it.
    pub revision: u64,
    /// Name of the definition, `<plural>.<group>`.
    pub name: String,
    /// API group.
    pub group: String,
    /// Version objects are stored in.
    pub storage: String,
    /// How objects of one version become those of another.
    pub conversion: Conversion,
    /// Whether the definition is being deleted.
    pub terminating: bool,
    /// Every version, in the definition's order.
    pub versions: Vec<CustomVersion>,
}

/// How objects of one version become those of another.
#[derive(Clone, Debug, PartialEq)]
pub enum Conversion {
    /// Only `apiVersion` changes.
    None,
    /// A webhook is asked.
    Webhook {
        /// Its `clientConfig`.
        client: Value,
        /// Versions of the review it speaks.
        review_versions: Vec<String>,
    },
}

/// One version.
#[derive(Debug)]
pub struct CustomVersion {
    /// Its row.
    pub row: &'static KindRow,
    /// Whether it is served.
    pub served: bool,
    /// What its users are told, for a version that is deprecated.
    pub deprecation: Option<String>,
    /// What its objects look like.
    pub schema: Structural,
    /// The schema as it is written, for OpenAPI.
    pub document: Value,
    /// CEL rules of the schema.
    pub rules: Rules,
    /// The schema as managed fields see it.
    pub types: Arc<Types>,
    /// Whether the status is a subresource.
    pub has_status: bool,
    /// Where a Scale finds its parts.
    pub scale: Option<ScalePaths>,
}

/// A kind seen in one of its versions. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Custom {
    /// The kind.
    pub kind: Arc<CustomKind>,
    index: usize,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

impl CustomKind {
    /// Reads a definition whose names were accepted.
    pub fn read(definition: &Value, revision: u64) -> Result<Self, TooManyKinds> {
        let spec = &definition["spec"];
        let terminating = !definition["metadata"]["deletionTimestamp"].is_null();
        let versions = spec["versions"].as_array().into_iter().flatten();
        let client = &spec["conversion"]["webhook"];
        Ok(Self {
            revision,
            name: text(&definition["metadata"]["name"]),
            group: text(&spec["group"]),
            storage: versions.clone().find(|v| v["storage"] == true).map(|v| text(&v["name"])).unwrap_or_default(),
            conversion: match spec["conversion"]["strategy"].as_str() {
                Some("Webhook") => Conversion::Webhook {
                    client: client["clientConfig"].clone(),
                    review_versions: texts(&client["conversionReviewVersions"]),
                },
                _ => Conversion::None,
            },
            terminating,
            versions: versions
                .map(|version| CustomVersion::read(definition, version, terminating))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The version of that name.
    pub fn version(&self, name: &str) -> Option<&CustomVersion> {
        self.versions.iter().find(|version| version.row.version == name)
    }
}

impl CustomVersion {
    fn read(definition: &Value, version: &Value, terminating: bool) -> Result<Self, TooManyKinds> {
        let spec = &definition["spec"];
        let accepted = &definition["status"]["acceptedNames"];
        let names = if accepted["plural"].as_str().is_some_and(|plural| !plural.is_empty()) {
            accepted
        } else {
            &spec["names"]
        };
        let document = version["schema"]["openAPIV3Schema"].clone();
        let schema = Structural::parse(&document);
        let scale = &version["subresources"]["scale"];
        let scale = scale.is_object().then(|| ScalePaths {
            spec: text(&scale["specReplicasPath"]),
            status: text(&scale["statusReplicasPath"]),
            selector: text(&scale["labelSelectorPath"]),
        });
        let has_status = version["subresources"]["status"].is_object();
        let row = intern(&Definition {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            kind: text(&names["kind"]),
            list_kind: text(&names["listKind"]),
            plural: text(&names["plural"]),
            singular: text(&names["singular"]),
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            has_status,
            scale: scale.clone(),
            columns: columns(version),
            selectable_fields: version["selectableFields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|field| text(&field["jsonPath"]))
                .collect(),
            terminating,
            converted: spec["conversion"]["strategy"] == "Webhook",
        })?;
        let deprecated = version["deprecated"] == true;
        let default = || format!("{} {} is deprecated", row.api_version(), row.kind);
        let warning = version["deprecationWarning"].as_str().map(str::to_owned);
        Ok(Self {
            row,
            served: version["served"] == true,
            deprecation: deprecated.then(|| warning.unwrap_or_else(default)),
            rules: Rules::of(&schema),
            types: Arc::new(Types::of_json_schema(&document)),
            schema,
            document,
            has_status,
            scale,
        })
    }

    /// Drops the fields nobody declared; gives their paths.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune(&self.schema, object)
    }
}

/// Columns of a version's Table beside the name; the age where nothing is said.
fn columns(version: &Value) -> Vec<CustomColumn> {
    let own = &version["additionalPrinterColumns"];
    let age = json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]);
    let list = if own.as_array().is_some_and(|own| !own.is_empty()) { own } else { &age };
    let column = |column: &Value| CustomColumn {
        name: text(&column["name"]),
        kind: text(&column["type"]),
        format: text(&column["format"]),
        priority: column["priority"].as_i64().and_then(|priority| i32::try_from(priority).ok()).unwrap_or(0),
        path: text(&column["jsonPath"]),
    };
    list.as_array().into_iter().flatten().map(column).collect()
}

impl Custom {
    /// A kind in its version of that name.
    pub fn new(kind: Arc<CustomKind>, version: &str) -> Option<Self> {
        let index = kind.versions.iter().position(|known| known.row.version == version)?;
        Some(Self { kind, index })
    }

    /// The version.
    pub fn version(&self) -> &CustomVersion {
        &self.kind.versions[self.index]
    }

    /// The row of the version.
    pub fn row(&self) -> &'static KindRow {
        self.version().row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_becomes_a_kind() {
        let definition = json!({
            "metadata": {"name": "crontabs.stable.example.com"},
            "spec": {"group": "stable.example.com", "scope": "Namespaced",
                "names": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "listKind": "CronTabList",
                    "shortNames": ["ct"]},
                "versions": [
                    {"name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                        "schema": {"openAPIV3Schema": {"type": "object"}}},
                    {"name": "v1", "served": true, "storage": true, "subresources": {"status": {},
                        "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
                        "additionalPrinterColumns": [{"name": "Spec", "type": "string", "jsonPath": ".spec.cron"}],
                        "schema": {"openAPIV3Schema": {"type": "object"}}},
                ]},
        });
        let kind = Arc::new(CustomKind::read(&definition, 7).expect("kind"));
        assert_eq!((kind.storage.as_str(), kind.revision, kind.terminating), ("v1", 7, false));
        assert_eq!(kind.conversion, Conversion::None);
        let old = Custom::new(kind.clone(), "v1beta1").expect("version");
        assert_eq!(old.version().deprecation.as_deref(), Some("stable.example.com/v1beta1 CronTab is deprecated"));
        assert_eq!(old.row().columns.iter().map(|c| c.name).collect::<Vec<_>>(), ["Name", "Age"]);
        let new = Custom::new(kind.clone(), "v1").expect("version");
        assert_eq!(new.row().columns.iter().map(|c| c.name).collect::<Vec<_>>(), ["Name", "Spec"]);
        assert_eq!(new.row().subresources.iter().map(|s| s.name).collect::<Vec<_>>(), ["status", "scale"]);
        assert!(Custom::new(kind, "v2").is_none());
    }
}
