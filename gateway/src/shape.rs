//! Other shapes than the object itself: Tables for people, metadata alone. Answers come shaped from the apiserver;
//! events are shaped here, since an event is published once for all who watch.

use jiff::Timestamp;
use kubus_proto::KindRow;
use serde_json::{Value, json};

/// What a client wants an object to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As it is.
    Whole,
    /// Only its metadata, as `meta.k8s.io` of this version.
    Metadata(&'static str),
    /// A Table of this version of `meta.k8s.io` with one row.
    Table(&'static str, Include),
}

/// What stands in a Table's rows beside the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// The metadata.
    Metadata,
    /// The whole object.
    Object,
}

impl Shape {
    /// The first shape of an `Accept` header that is known here.
    pub fn of(accept: &str, include_object: &str) -> Self {
        for alternative in accept.split(',') {
            let parameter = |name: &str| {
                let mut all = alternative.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
                all.find(|(key, _)| *key == name).map(|(_, value)| value)
            };
            let version = if parameter("v") == Some("v1beta1") { "v1beta1" } else { "v1" };
            match parameter("as") {
                None => return Shape::Whole,
                Some("Table") => {
                    return Shape::Table(
                        version,
                        match include_object {
                            "None" => Include::None,
                            "Object" => Include::Object,
                            _ => Include::Metadata,
                        },
                    );
                }
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Shape::Metadata(version),
                Some(_) => {}
            }
        }
        Shape::Whole
    }

    /// The object of an event; `columns` says whether a Table names its columns.
    pub fn of_event(self, row: &KindRow, object: Value, columns: bool) -> Value {
        match self {
            Shape::Whole => object,
            Shape::Metadata(version) => partial(object, version),
            Shape::Table(version, include) => {
                let cells = row.cells_of(&object, Timestamp::now());
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let shown = match include {
                    Include::None => Value::Null,
                    Include::Metadata => partial(object, version),
                    Include::Object => object,
                };
                let mut table = kubus_proto::table::table(row.columns, vec![(cells, shown)], "", Value::Null);
                table["metadata"] = metadata;
                table["apiVersion"] = json!(format!("meta.k8s.io/{version}"));
                if !columns {
                    table["columnDefinitions"] = Value::Null;
                }
                table
            }
        }
    }
}

fn partial(mut object: Value, version: &str) -> Value {
    let api_version = format!("meta.k8s.io/{version}");
    json!({"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": object["metadata"].take()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_shape_wins() {
        let kubectl =
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1,application/json";
        for (accept, include, expected) in [
            ("", "", Shape::Whole),
            ("application/json", "", Shape::Whole),
            (kubectl, "", Shape::Table("v1", Include::Metadata)),
            (kubectl, "Object", Shape::Table("v1", Include::Object)),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", "None", Shape::Table("v1beta1", Include::None)),
            ("application/json; as=PartialObjectMetadata; v=v1", "", Shape::Metadata("v1")),
            ("application/json;as=Surprise,application/json;as=Table", "", Shape::Table("v1", Include::Metadata)),
            ("application/json,application/json;as=Table", "", Shape::Whole),
        ] {
            assert_eq!(Shape::of(accept, include), expected, "{accept}");
        }
    }

    #[test]
    fn events_become_tables_and_metadata() {
        let row = kubus_proto::kinds::by_name("configmaps").expect("row");
        let object = json!({"metadata": {"name": "a", "resourceVersion": "7"}, "data": {"x": "1"}});
        let table = Shape::Table("v1", Include::Metadata).of_event(row, object.clone(), true);
        assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
        assert_eq!(table["metadata"], json!({"resourceVersion": "7"}));
        assert_eq!(table["columnDefinitions"].as_array().map(Vec::len), Some(row.columns.len()));
        assert_eq!(table["rows"][0]["cells"][0], "a");
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        let later = Shape::Table("v1", Include::Object).of_event(row, object.clone(), false);
        assert_eq!((&later["columnDefinitions"], &later["rows"][0]["object"]), (&Value::Null, &object));
        let partial = Shape::Metadata("v1").of_event(row, object, false);
        assert_eq!(
            partial,
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"name": "a", "resourceVersion": "7"}})
        );
    }
}
