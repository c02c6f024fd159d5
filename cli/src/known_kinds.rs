//! Which kind a user means: one of the table, or one the server says it serves. What the server said is kept for a
//! short while, and asked for again when a name is unknown.

use crate::context::Context;
use crate::discovery::{self, Resource};
use crate::error::{CliError, Result};
use kubus_proto::{KIND_TABLE, KindRow, kinds};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tokio::sync::Mutex;

/// How long what the server said is good, in milliseconds.
const KEPT_MS: i64 = 60_000;

/// The kinds that commands can name.
#[derive(Debug, Default)]
pub struct KnownKinds {
    file: Option<PathBuf>,
    custom: Mutex<Option<Custom>>,
}

/// The kinds that are not in the table.
#[derive(Clone, Debug)]
struct Custom {
    resources: Vec<Resource>,
    /// Whether the server said so to this process, and not to one before it.
    just_asked: bool,
}

/// What one kind is called.
#[derive(Clone, Debug)]
pub struct KindNames {
    /// `apps/v1`.
    pub api_version: String,
    /// CamelCase name.
    pub kind: String,
    /// Plural and singular.
    pub names: Vec<String>,
}

/// What is kept in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    at_ms: i64,
    resources: Vec<Resource>,
}

impl KnownKinds {
    /// Kinds kept in `file` between commands.
    pub fn kept_in(file: PathBuf) -> Self {
        Self { file: Some(file), ..Self::default() }
    }

    /// The kind that a user calls `name`; None if there is none.
    pub async fn by_name(&self, name: &str, context: &Context) -> Result<Option<&'static KindRow>> {
        if let Some(row) = kinds::by_name(name) {
            return Ok(Some(row));
        }
        self.find(context, |resource| resource.is_called(name)).await
    }

    /// The kind of an object's apiVersion and kind; None if there is none.
    pub async fn by_kind(&self, api_version: &str, kind: &str, context: &Context) -> Result<Option<&'static KindRow>> {
        if let Some(row) = kinds::by_kind(api_version, kind) {
            return Ok(Some(row));
        }
        self.find(context, |resource| resource.kind == kind && resource.api_version() == api_version).await
    }

    /// The kinds of a category such as `all`.
    pub async fn of_category(&self, name: &str, context: &Context) -> Vec<&'static KindRow> {
        let in_table = |row: &&&'static KindRow| row.categories.contains(&name);
        if kinds::by_name(name).is_some() && !KIND_TABLE.iter().any(|row| in_table(&row)) {
            return Vec::new();
        }
        let built_in = KIND_TABLE.iter().filter(in_table).copied();
        // Without an answer there are still the kinds of the table, and whatever is asked of them says what is wrong.
        let custom = self.custom(context, false).await.unwrap_or_default();
        let is_member = |r: &&Resource| r.preferred && r.categories.iter().any(|category| category == name);
        let mut members: Vec<&'static KindRow> = built_in.collect();
        members.extend(custom.iter().filter(is_member).filter_map(|resource| resource.row().ok()));
        // By group and name, as discovery tells them to kubectl.
        members.sort_by_key(|row| (row.group, row.plural));
        members
    }

    /// What every kind is called, for suggestions.
    pub async fn all(&self, context: &Context) -> Vec<KindNames> {
        let built_in = KIND_TABLE.iter().map(|row| KindNames {
            api_version: row.api_version(),
            kind: row.kind.to_owned(),
            names: vec![row.plural.to_owned(), row.singular.to_owned()],
        });
        let custom = self.custom(context, false).await.unwrap_or_default();
        let custom = custom.into_iter().map(|resource| KindNames {
            api_version: resource.api_version(),
            kind: resource.kind,
            names: vec![resource.plural, resource.singular],
        });
        built_in.chain(custom).collect()
    }

    /// The plurals of the table and of the kinds that are kept, however old, without asking anyone.
    pub fn plurals_known_here(&self) -> Vec<String> {
        let mut plurals: Vec<String> = KIND_TABLE.iter().map(|row| row.plural.to_owned()).collect();
        plurals.extend(self.kept().into_iter().flat_map(|kept| kept.resources).map(|resource| resource.plural));
        plurals.sort();
        plurals.dedup();
        plurals
    }

    async fn find(&self, context: &Context, wanted: impl Fn(&Resource) -> bool) -> Result<Option<&'static KindRow>> {
        for again in [false, true] {
            let custom = self.custom(context, again).await?;
            if let Some(resource) = custom.iter().find(|resource| wanted(resource)) {
                return Ok(Some(resource.row().map_err(|error| CliError::message(error.to_string()))?));
            }
        }
        Ok(None)
    }

    /// The kinds that are not in the table, as the server said lately, or (`again`) as it says now.
    async fn custom(&self, context: &Context, again: bool) -> Result<Vec<Resource>> {
        let mut custom = self.custom.lock().await;
        if custom.is_none() && !again {
            let kept = self.read(context.now().as_millisecond());
            *custom = kept.map(|resources| Custom { resources, just_asked: false });
        }
        if let Some(known) = custom.as_ref().filter(|known| known.just_asked || !again) {
            return Ok(known.resources.clone());
        }
        let mut resources = discovery::fetch(context).await?;
        resources.retain(|resource| kinds::by_kind(&resource.api_version(), &resource.kind).is_none());
        self.write(context.now().as_millisecond(), &resources);
        Ok(custom.insert(Custom { resources, just_asked: true }).resources.clone())
    }

    fn kept(&self) -> Option<Kept> {
        serde_json::from_slice(&std::fs::read(self.file.as_ref()?).ok()?).ok()
    }

    fn read(&self, now_ms: i64) -> Option<Vec<Resource>> {
        let kept = self.kept()?;
        (kept.at_ms..kept.at_ms + KEPT_MS).contains(&now_ms).then_some(kept.resources)
    }

    /// A file that cannot be written is only slower.
    fn write(&self, at_ms: i64, resources: &[Resource]) {
        let Some(file) = &self.file else { return };
        let kept = Kept { at_ms, resources: resources.to_vec() };
        let written = file
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(file, serde_json::to_vec(&kept).unwrap_or_default()));
        if let Err(error) = written {
            tracing::debug!(%error, "the kinds cannot be kept");
        }
    }
}
