//! Objects from files, folders and stdin (`-f`), with errors that name the file, the line and the likely typo.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::fail;
use crate::resource_args::most_alike;
use crate::yaml::parse_documents;
use clap::Args;
use kubus_proto::KindRow;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// How deep `-R` goes.
const FOLDER_DEPTH_LIMIT: usize = 32;

/// Where objects are read from
#[derive(Args, Clone, Debug, Default)]
pub struct FileArgs {
    /// File, folder or - (stdin) with the objects
    #[arg(short = 'f', long = "filename", value_name = "FILE", value_delimiter = ',')]
    pub filename: Vec<String>,
    /// Process the folders used in -f recursively
    #[arg(short = 'R', long, requires = "filename")]
    pub recursive: bool,
}

impl FileArgs {
    /// Whether files were named.
    pub fn is_empty(&self) -> bool {
        self.filename.is_empty()
    }
}

/// One object and where it came from.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// File, or `STDIN`.
    pub source: String,
    /// Row of its kind.
    pub row: &'static KindRow,
    /// As it was written.
    pub object: Value,
}

impl Manifest {
    /// metadata.name, empty where there is none.
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The namespace the object goes to: its own, else the one of the command; two that differ are an error.
    pub fn namespace(&self, explicit: Option<&str>) -> Result<String> {
        if !self.row.namespaced {
            return Ok(String::new());
        }
        match (self.object["metadata"]["namespace"].as_str().filter(|n| !n.is_empty()), explicit) {
            (Some(own), Some(given)) if own != given => fail!(
                "the namespace from the provided object {own:?} does not match the namespace {given:?}. You must \
                 pass '--namespace={own}' to perform this operation."
            ),
            (Some(own), _) => Ok(own.to_owned()),
            (None, given) => Ok(given.unwrap_or("default").to_owned()),
        }
    }
}

/// Everything that `-f` names, in order. What is wrong with one object is in the second list; the others are good.
pub async fn read(files: &FileArgs, context: &Context) -> Result<(Vec<Manifest>, Vec<CliError>)> {
    let mut found = Vec::new();
    for name in &files.filename {
        if name == "-" {
            read_text("STDIN", &context.console.read_input()?, &mut found);
            continue;
        }
        if name.starts_with("http://") || name.starts_with("https://") {
            fail!("cannot read {name:?}: kubus takes files, folders and stdin; download it first");
        }
        let path = Path::new(name);
        if !path.exists() {
            fail!("the path {name:?} does not exist");
        }
        for file in files_of(path, files.recursive)? {
            let shown = file.display().to_string();
            let text =
                std::fs::read_to_string(&file).map_err(|e| CliError::message(format!("cannot read {shown:?}: {e}")))?;
            read_text(&shown, &text, &mut found);
        }
    }
    if found.is_empty() {
        fail!("no objects passed to {}", if files.filename.is_empty() { "the command" } else { "-f" });
    }
    let (mut manifests, mut errors) = (Vec::new(), Vec::new());
    for found in found {
        let recognized = match found {
            Ok((source, object)) => recognize(source, object, context).await,
            Err(error) => Err(error),
        };
        match recognized {
            Ok(manifest) => manifests.push(manifest),
            Err(error) => errors.push(error),
        }
    }
    Ok((manifests, errors))
}

fn files_of(path: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    walk(path, if recursive { FOLDER_DEPTH_LIMIT } else { 0 }, &mut files)?;
    if files.is_empty() {
        fail!("error reading [{}]: recognized file extensions are [.json .yaml .yml]", path.display());
    }
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            if depth > 0 {
                walk(&entry, depth - 1, files)?;
            }
        } else if matches!(entry.extension().and_then(|e| e.to_str()), Some("json" | "yaml" | "yml")) {
            files.push(entry);
        }
    }
    Ok(())
}

/// An object and its source, or why it cannot be read.
type Found = Result<(String, Value)>;

fn read_text(source: &str, text: &str, found: &mut Vec<Found>) {
    let documents = match parse_documents(text) {
        Ok(documents) => documents,
        Err(error) => {
            found.push(Err(CliError::message(format!("error parsing {source}: {error}"))));
            return;
        }
    };
    for document in documents {
        // A List is what `get -o yaml` prints for several objects.
        let objects = match (document["kind"].as_str(), document["items"].as_array()) {
            (Some(kind), Some(items)) if kind.ends_with("List") => items.clone(),
            _ => vec![document],
        };
        found.extend(objects.into_iter().map(|object| Ok((source.to_owned(), object))));
    }
}

async fn recognize(source: String, object: Value, context: &Context) -> Result<Manifest> {
    let Some(map) = object.as_object() else {
        fail!("unable to decode {source:?}: an object was expected, but got {object}");
    };
    for (key, shown) in [("kind", "Kind"), ("apiVersion", "apiVersion")] {
        if object[key].as_str().is_none_or(str::is_empty) {
            let typo = most_alike(key, map.keys().map(String::as_str).filter(|k| !KNOWN_KEYS.contains(k)));
            let hint = typo.map(|typo| format!("\ndid you mean {key:?} where it says {typo:?}?")).unwrap_or_default();
            fail!("unable to decode {source:?}: Object '{shown}' is missing in '{object}'{hint}");
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    if let Some(row) = context.kinds.by_kind(&api_version, &kind, context).await? {
        return Ok(Manifest { source, row, object });
    }
    let metadata = &object["metadata"];
    let hint = suggestion(&api_version, &kind, context).await.map(|hint| format!("\n{hint}")).unwrap_or_default();
    fail!(
        "resource mapping not found for name: {:?} namespace: {:?} from {source:?}: no matches for kind {kind:?} \
         in version {api_version:?}\nensure CRDs are installed first{hint}",
        text(&metadata["name"]),
        text(&metadata["namespace"]),
    )
}

/// Keys at the top of an object that are no typos of others.
const KNOWN_KEYS: [&str; 8] = ["kind", "apiVersion", "metadata", "spec", "status", "data", "type", "items"];

async fn suggestion(api_version: &str, kind: &str, context: &Context) -> Option<String> {
    let all = context.kinds.all(context).await;
    if let Some(other) = all.iter().find(|other| other.kind == kind) {
        return Some(format!("did you mean apiVersion {:?}?", other.api_version));
    }
    let group = |api_version: &str| api_version.split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
    let of_group = all.iter().filter(|other| group(&other.api_version) == group(api_version));
    let alike = most_alike(kind, of_group.map(|other| other.kind.as_str()))
        .or_else(|| most_alike(kind, all.iter().map(|other| other.kind.as_str())))?;
    Some(format!("did you mean {alike:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;

    fn read_all(source: &str, text: &str) -> Vec<std::result::Result<Manifest, String>> {
        let context = FakeServer::with(&[]).context();
        let mut found = Vec::new();
        read_text(source, text, &mut found);
        let recognized = |found: Found| {
            let (source, object) = found?;
            futures::executor::block_on(recognize(source, object, &context))
        };
        found.into_iter().map(|found| recognized(found).map_err(|error| error.to_string())).collect()
    }

    fn read_one(text: &str) -> std::result::Result<Manifest, String> {
        read_all("f.yml", text).pop().unwrap_or_else(|| Err("nothing".to_owned()))
    }

    #[test]
    fn wrong_manifests_are_explained() {
        for (text, parts) in [
            (
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a: b\n",
                vec!["error: error parsing f.yml: error converting YAML to JSON: yaml: line 4: "],
            ),
            ("apiVersion: v1\nmetadata: {}\n", vec!["unable to decode \"f.yml\": Object 'Kind' is missing in '{"]),
            (
                "apiVersion: v1\nking: Pod\n",
                vec!["Object 'Kind' is missing", "did you mean \"kind\" where it says \"king\"?"],
            ),
            ("kind: Pod\n", vec!["Object 'apiVersion' is missing"]),
            ("- a\n", vec!["an object was expected"]),
            (
                "apiVersion: apps/v1\nkind: ReplicationSet\nmetadata: {name: x}\n",
                vec![
                    "error: resource mapping not found for name: \"x\" namespace: \"\" from \"f.yml\": no matches for \
                     kind \"ReplicationSet\" in version \"apps/v1\"\nensure CRDs are installed first\ndid you mean \
                     \"ReplicaSet\"?",
                ],
            ),
            ("apiVersion: v1\nkind: Deployment\n", vec!["did you mean apiVersion \"apps/v1\"?"]),
            ("apiVersion: v1\nkind: Pod\nkind: Pod\n", vec!["line 3", "kind"]),
        ] {
            let error = read_one(text).expect_err(text);
            for part in parts {
                assert!(error.contains(part), "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn lists_and_documents_are_spread_out() {
        let text = "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n\
                    {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n";
        let manifests: Vec<Manifest> = read_all("-", text).into_iter().map(|found| found.expect("an object")).collect();
        assert_eq!(manifests.iter().map(Manifest::name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(manifests[1].namespace(Some("x")).expect("namespace"), "");
        assert_eq!(manifests[0].namespace(None).expect("namespace"), "default");
    }

    #[test]
    fn a_namespace_that_contradicts_is_refused() {
        let manifest = read_one("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}}").expect("manifest");
        assert!(manifest.namespace(Some("y")).is_err());
        assert_eq!(manifest.namespace(Some("x")).expect("namespace"), "x");
    }

    #[test]
    fn folders_are_read_in_order() {
        let folder = tempfile::tempdir().expect("folder");
        let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n");
        std::fs::create_dir(folder.path().join("inner")).expect("inner");
        for (file, name) in [("b.yml", "b"), ("a.yaml", "a"), ("inner/c.json", "c")] {
            std::fs::write(folder.path().join(file), pod(name)).expect("file");
        }
        std::fs::write(folder.path().join("readme.txt"), "no").expect("file");
        let context = FakeServer::with(&[]).context();
        for (recursive, expected) in [(false, vec!["a", "b"]), (true, vec!["a", "b", "c"])] {
            let files = FileArgs { filename: vec![folder.path().display().to_string()], recursive };
            let (manifests, errors) = futures::executor::block_on(read(&files, &context)).expect("manifests");
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(manifests.iter().map(Manifest::name).collect::<Vec<_>>(), expected);
        }
    }
}
