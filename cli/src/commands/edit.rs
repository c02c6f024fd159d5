//! `kubus edit`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_edit/>.

use crate::context::{Context, PatchKind, Query, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::merge;
use crate::printer::{full_name, to_json};
use crate::selection::{Selected, Selection, SelectorArgs, select};
use crate::yaml::{parse_documents, to_yaml};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// How often a file with errors is opened again.
const REOPEN_LIMIT: usize = 100;
const INTRODUCTION: &str = "\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
";

/// Edit a resource in your editor (KUBE_EDITOR, EDITOR or vi)
#[derive(Args, Clone, Debug)]
pub struct EditArgs {
    /// TYPE NAME... or TYPE/NAME...
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
    /// Format of the file: yaml or json
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "yaml")]
    output: String,
}

/// Runs the command.
pub async fn run(args: EditArgs, context: &Context) -> Result<()> {
    let is_json = match args.output.as_str() {
        "yaml" => false,
        "json" => true,
        other => fail!("the flag 'output' must be one of yaml|json, not {other:?}"),
    };
    let selection = Selection {
        words: &args.resources,
        files: &args.files,
        selectors: &args.selectors,
        all: false,
        all_namespaces: false,
    };
    let (objects, errors) = select(context, &selection).await?;
    CliError::all(errors)?;
    if objects.is_empty() {
        fail!("edit cancelled, no objects found");
    }
    edit(&objects, is_json, context).await
}

fn shown(objects: &[Selected], is_json: bool) -> String {
    let mut all: Vec<Value> = objects.iter().map(|selected| selected.object.clone()).collect();
    for object in &mut all {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
    }
    let document = match all.as_slice() {
        [one] => one.clone(),
        _ => json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": all}),
    };
    if is_json { to_json(&document) } else { to_yaml(&document) }
}

async fn edit(objects: &[Selected], is_json: bool, context: &Context) -> Result<()> {
    let original = shown(objects, is_json);
    let mut text = original.clone();
    let mut problem: Option<String> = None;
    for _ in 0..REOPEN_LIMIT {
        let comment = problem.as_deref().map(commented).unwrap_or_default();
        let introduction = if is_json { INTRODUCTION.replace('#', "//") } else { INTRODUCTION.to_owned() };
        let file = write_file(&format!("{introduction}{comment}{text}"), is_json)?;
        open_editor(&file)?;
        let edited = without_comments(&std::fs::read_to_string(&file)?, is_json);
        let keep = |reason: &str| {
            context.console.error_line(&format!("A copy of your changes has been stored to {:?}", file.display()));
            CliError::message(reason.to_owned())
        };
        if let Some(problem) = problem.as_deref().filter(|_| edited.trim() == text.trim()) {
            context.console.error_line(problem);
            return Err(keep("Edit cancelled, no valid changes were saved."));
        }
        if edited.trim().is_empty() {
            remove(&file);
            context.console.error_line("Edit cancelled, saved file was empty.");
            return Ok(());
        }
        if edited.trim() == original.trim() {
            remove(&file);
            context.console.error_line("Edit cancelled, no changes made.");
            return Ok(());
        }
        text = edited;
        match save(objects, &text, context).await {
            Ok(()) => {
                remove(&file);
                return Ok(());
            }
            // The apiserver did not see it; another look at the file would change nothing.
            Err(error @ CliError::Connection(_)) => {
                context.console.error_line(&error.to_string());
                return Err(keep("the edit was not sent"));
            }
            Err(error) => {
                remove(&file);
                problem = Some(error.to_string());
            }
        }
    }
    fail!("Edit cancelled, it was not valid {REOPEN_LIMIT} times")
}

/// Sends what was changed. The first error ends it; objects before it are changed already.
async fn save(objects: &[Selected], text: &str, context: &Context) -> Result<()> {
    let documents = parse_documents(text).map_err(|error| CliError::message(error.to_string()))?;
    let edited: Vec<Value> = documents
        .into_iter()
        .flat_map(|document| match (document["kind"] == "List", document["items"].as_array()) {
            (true, Some(items)) => items.clone(),
            _ => vec![document],
        })
        .collect();
    for object in &edited {
        let same = |key: &str, selected: &Selected| selected.object["metadata"][key] == object["metadata"][key];
        let Some(selected) =
            objects.iter().find(|s| s.object["kind"] == object["kind"] && same("name", s) && same("namespace", s))
        else {
            fail!("At least one of apiVersion, kind and name was changed");
        };
        if selected.object["apiVersion"] != object["apiVersion"] {
            fail!("At least one of apiVersion, kind and name was changed");
        }
        let mut before = selected.object.clone();
        if let Some(metadata) = before["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let patch = merge::two_way(selected.row, &before, object);
        let name = full_name(selected.row, selected.name());
        if patch.as_object().is_some_and(serde_json::Map::is_empty) {
            context.console.line(&format!("{name} skipped"));
            continue;
        }
        let target = Target::object(selected.row, &selected.object);
        let query = Query::new().with("fieldManager", "kubectl-edit").with("fieldValidation", "Strict");
        context.patch(&target, PatchKind::Strategic, &patch, query).await?;
        context.console.line(&format!("{name} edited"));
    }
    Ok(())
}

fn commented(problem: &str) -> String {
    let lines: String = problem.lines().map(|line| format!("# {line}\n")).collect();
    format!("{lines}#\n")
}

/// The file without the comments in front; a `#` further down may belong to a text.
fn without_comments(text: &str, is_json: bool) -> String {
    let mark = if is_json { "//" } else { "#" };
    let mut lines: Vec<&str> =
        text.lines().skip_while(|line| line.starts_with(mark) || line.starts_with('#')).collect();
    lines.push("");
    lines.join("\n")
}

fn write_file(text: &str, is_json: bool) -> Result<PathBuf> {
    let file =
        tempfile::Builder::new().prefix("kubus-edit-").suffix(if is_json { ".json" } else { ".yaml" }).tempfile()?;
    std::fs::write(file.path(), text)?;
    let (_, path) = file.keep().map_err(|error| CliError::message(error.to_string()))?;
    Ok(path)
}

fn remove(file: &Path) {
    // A temporary file that stays does no harm.
    let _ = std::fs::remove_file(file);
}

#[cfg(test)]
tokio::task_local! {
    /// Editor of one test; the environment belongs to all of them.
    static TEST_EDITOR: String;
}

/// Runs `command` with another editor than the environment's.
#[cfg(test)]
pub(super) async fn with_editor<T>(editor: &str, command: impl Future<Output = T>) -> T {
    TEST_EDITOR.scope(editor.to_owned(), command).await
}

fn editor() -> String {
    #[cfg(test)]
    if let Ok(editor) = TEST_EDITOR.try_with(Clone::clone) {
        return editor;
    }
    ["KUBE_EDITOR", "EDITOR"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|editor| !editor.trim().is_empty())
        .unwrap_or_else(|| "vi".to_owned())
}

fn open_editor(file: &Path) -> Result<()> {
    let editor = editor();
    // Through a shell, since the variable may hold arguments.
    let status =
        std::process::Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => fail!("there was a problem with the editor {editor:?}: {status}"),
        Err(error) => fail!("unable to launch the editor {editor:?}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_comments_in_front_are_taken_out() {
        let text = format!("{INTRODUCTION}# error\n#\na: |\n  # text\nb: 1\n");
        assert_eq!(without_comments(&text, false), "a: |\n  # text\nb: 1\n");
        assert_eq!(commented("a\nb"), "# a\n# b\n#\n");
    }
}
