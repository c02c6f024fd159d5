//! `find` and `findAll`: what of a text matches a regular expression.

use super::{as_text, failed};
use cel::common::types::{CelInt, CelList, CelString, INT_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::Regex;

pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("find", "string.find(string)", STRING_TYPE, vec![STRING_TYPE], find)?;
    env.add_member_overload("findAll", "string.findAll(string)", STRING_TYPE, vec![STRING_TYPE], find_all)?;
    let limited = vec![STRING_TYPE, INT_TYPE];
    env.add_member_overload("findAll", "string.findAll(string,int)", STRING_TYPE, limited, find_all)
}

fn regex(text: &str) -> Result<Regex, ExecutionError> {
    Regex::new(text).map_err(|error| failed("find", format!("Illegal regex: {error}")))
}

fn find<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let found = regex(as_text(&arguments[1])?)?;
    let text = found.find(as_text(&arguments[0])?).map_or("", |found| found.as_str());
    Ok(CowVal::owned(CelString::from(text.to_owned())))
}

fn find_all<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let found = regex(as_text(&arguments[1])?)?;
    let limit = arguments.get(2).and_then(|limit| limit.downcast_ref::<CelInt>()).map(|limit| *limit.inner());
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let parts = found.find_iter(as_text(&arguments[0])?).take(limit);
    let parts = parts.map(|part| Box::new(CelString::from(part.as_str().to_owned())) as Box<dyn Val>);
    Ok(CowVal::owned(CelList::from(parts.collect::<Vec<_>>())))
}
