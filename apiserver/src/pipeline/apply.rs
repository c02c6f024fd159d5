//! Server-side apply: the object is made what its applier wants, whether it was there or not.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

use super::call::Call;
use super::metadata::MODIFIED;
use super::ownership::{New, Owners, Ownership};
use super::revise::Part;
use super::{Api, answer};
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::{Value, json};

/// How often an apply is begun anew because the object came or went meanwhile.
const ATTEMPTS: usize = 5;

impl Api {
    /// Applies `config` to a part of an object; one that is not there is created.
    pub(super) async fn apply(&self, call: &Call, part: Part, mut config: Value) -> Result<ApiResponse, ApiError> {
        let revision = call.revision(part, true)?;
        let force = call.query.flag("force");
        check_kind(call, &config)?;
        if let Some(served) = call.path.served {
            served.to_stored(&mut config);
        }
        for attempt in 1..=ATTEMPTS {
            let may_be_new = part == Part::Whole && attempt < ATTEMPTS;
            let make =
                |old: &Value, stored: &Value| Ok(applied(call, &revision.ownership, (old, stored), &config, force)?);
            match self.revise(call, &revision, make).await {
                Err(error) if error.reason == Reason::NotFound && may_be_new => {}
                Err(error) => return Err(error),
                Ok((written, warnings)) => return Ok(ApiResponse { warnings, ..answer::bytes(200, written) }),
            }
            refuse_conditions(call, &config)?;
            let new = applied(call, &revision.ownership, (&json!({}), &Value::Null), &config, force)?;
            match self.create_as(call, new, &revision.ownership).await {
                // Somebody else created it just now.
                Err(error) if error.reason == Reason::AlreadyExists && attempt < ATTEMPTS => {}
                done => return done,
            }
        }
        Err(call.not_found())
    }
}

fn applied(
    call: &Call,
    ownership: &Ownership,
    live: (&Value, &Value),
    config: &Value,
    force: bool,
) -> Result<New, ApiError> {
    let applied = ownership.applied(live, config, force)?;
    Ok(New { object: call.path.shown(&applied.object).into_owned(), owners: Owners::Applied(applied.managed) })
}

/// What is applied says which kind it is, in the version of the path.
fn check_kind(call: &Call, config: &Value) -> Result<(), ApiError> {
    let bad = |message: String| Err(ApiError::new(Reason::BadRequest, message));
    let Value::Object(_) = config else {
        return bad("error decoding YAML: the body is not a map".to_owned());
    };
    let text = |key: &str| config[key].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let expected = call.path.api_version();
    if kind != call.row().kind {
        let shown = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
        return bad(format!("invalid object type: {shown}, Kind={kind}"));
    }
    if version != expected {
        return bad(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {expected}"
        ));
    }
    Ok(())
}

/// Conditions on an object that is not there do not hold.
fn refuse_conditions(call: &Call, config: &Value) -> Result<(), ApiError> {
    let sent = |key: &str| config["metadata"][key].as_str().unwrap_or_default();
    let conflict = |why: &str| Err(ApiError::conflict(call.path.group(), call.row().plural, &call.path.name, why));
    if !sent("uid").is_empty() {
        let uid = sent("uid");
        return conflict(&format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        ));
    }
    if !matches!(sent("resourceVersion"), "" | "0") {
        return conflict(MODIFIED);
    }
    Ok(())
}
