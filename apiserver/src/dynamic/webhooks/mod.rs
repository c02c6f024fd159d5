//! Webhooks: programs outside that may change objects or refuse them.

mod answer;
mod configuration;

use super::{Objects, Operation, Remarks, Write, request};
use crate::pipeline::consult::{Memo, Stop};
use crate::state::State;
use crate::webhook::{Answer, Question};
use answer::{Verdict, failed, interpret};
use configuration::{Hook, Sort, hooks};
use kubus_proto::ApiError;
use serde_json::Value;
use std::sync::Arc;

/// Most webhooks that look at one request; a cluster with more refuses it, rather than let some be passed over.
const WEBHOOKS_LIMIT: usize = 100;

/// A webhook that looks at a request, and in which version.
struct Asked<'a> {
    hook: Arc<Hook>,
    version: super::matching::Version<'a>,
}

/// The webhooks that look at a request.
fn asked<'a>(
    sort: Sort,
    write: &Write<'a>,
    objects: Objects<'_>,
    state: &'a State,
) -> Result<Vec<Asked<'a>>, ApiError> {
    // Who may refuse changes of the configurations could refuse to be taken away.
    if write.path.row.group == "admissionregistration.k8s.io" {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for hook in hooks(sort, state) {
        let Some(version) = hook.matcher.matches(write, objects, state) else { continue };
        match hook.conditions.hold_for(write, &version, objects) {
            Ok(true) => found.push(Asked { hook, version }),
            Ok(false) => {}
            Err(_) if hook.fails_open => {}
            Err(error) => {
                let why = format!("failed to evaluate matchConditions: {error}");
                return Err(failed(&hook.name, &why));
            }
        }
    }
    if found.len() > WEBHOOKS_LIMIT {
        let why = format!("{} webhooks look at this request, the limit is {WEBHOOKS_LIMIT}", found.len());
        return Err(ApiError::new(kubus_proto::Reason::InternalError, format!("Internal error occurred: {why}")));
    }
    if let Some(one) = found.iter().find(|one| write.dry_run && !one.hook.knows_dry_run) {
        let text = format!("admission webhook {:?} does not support dry run", one.hook.name);
        return Err(ApiError::new(kubus_proto::Reason::BadRequest, text));
    }
    Ok(found)
}

fn question(write: &Write<'_>, one: &Asked<'_>, objects: Objects<'_>, turn: &str) -> Question {
    let hook = &one.hook;
    let asked = format!("{}/{}/{turn}", hook.configuration, hook.name);
    let body = request::review(write, &one.version, objects, &asked, &hook.spoken);
    Question { endpoint: hook.endpoint.clone(), body, timeout: hook.timeout }
}

/// What a webhook says to a question, or nothing where its failure is overlooked.
fn heard(hook: &Hook, question: &Question, answer: &Answer, objects: Objects<'_>) -> Result<Option<Verdict>, ApiError> {
    let verdict = match answer {
        Ok(body) => interpret(hook, question, body, objects.new),
        Err(error) => Err(format!("failed to call webhook: {error}")),
    };
    match verdict {
        Ok(verdict) => Ok(Some(verdict)),
        Err(why) if hook.fails_open => {
            tracing::warn!(webhook = hook.name, why, "a webhook failed and is overlooked");
            Ok(None)
        }
        Err(why) => Err(failed(&hook.name, &why)),
    }
}

/// Lets every mutating webhook change `object`, one after the other; those that want to know are asked again when others
/// have changed it since. `default` fills in what changes left out.
pub fn mutate(
    write: &Write<'_>,
    object: &mut Value,
    old: &Value,
    state: &State,
    memo: &Memo,
    default: &dyn Fn(&mut Value),
) -> Result<Remarks, Stop> {
    let mut remarks = Remarks::default();
    let all = asked(Sort::Mutating, write, Objects { new: object, old }, state)?;
    let mut last_change = None;
    for (i, one) in all.iter().enumerate() {
        if ask_one(write, one, "first", object, old, memo, default, &mut remarks)? {
            last_change = Some(i);
        }
    }
    let Some(last_change) = last_change else { return Ok(remarks) };
    let again = all.iter().take(last_change).filter(|one| one.hook.wants_to_know);
    for one in again {
        ask_one(write, one, "again", object, old, memo, default, &mut remarks)?;
    }
    Ok(remarks)
}

/// Whether a webhook changed the object.
#[allow(clippy::too_many_arguments, reason = "one step of `mutate`, with what that has at hand")]
fn ask_one(
    write: &Write<'_>,
    one: &Asked<'_>,
    turn: &str,
    object: &mut Value,
    old: &Value,
    memo: &Memo,
    default: &dyn Fn(&mut Value),
    remarks: &mut Remarks,
) -> Result<bool, Stop> {
    let objects = Objects { new: object, old };
    let question = question(write, one, objects, turn);
    let answer = memo.answers(vec![question.clone()])?.remove(0);
    let Some(verdict) = heard(&one.hook, &question, &answer, objects)? else { return Ok(false) };
    verdict.remarks(remarks);
    verdict.allowed(&one.hook)?;
    let Some(mut changed) = verdict.changed else { return Ok(false) };
    if write.operation == Operation::Delete {
        let why = "attempted to modify the object, which is not supported for this operation";
        return Err(failed(&one.hook.name, why).into());
    }
    one.version.take_back(&mut changed, object["apiVersion"].as_str().unwrap_or_default());
    default(&mut changed);
    let differs = changed != *object;
    *object = changed;
    Ok(differs)
}

/// Asks every validating webhook, all at once.
pub fn validate(write: &Write<'_>, objects: Objects<'_>, state: &State, memo: &Memo) -> Result<Remarks, Stop> {
    let mut remarks = Remarks::default();
    let all = asked(Sort::Validating, write, objects, state)?;
    if all.is_empty() {
        return Ok(remarks);
    }
    let questions: Vec<Question> = all.iter().map(|one| question(write, one, objects, "")).collect();
    let answers = memo.answers(questions.clone())?;
    let mut refusal = None;
    for ((one, question), answer) in all.iter().zip(&questions).zip(&answers) {
        match heard(&one.hook, question, answer, objects) {
            Ok(None) => {}
            Ok(Some(verdict)) => {
                verdict.remarks(&mut remarks);
                refusal = refusal.or(verdict.allowed(&one.hook).err());
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    match refusal {
        Some(error) => Err(error.into()),
        None => Ok(remarks),
    }
}
