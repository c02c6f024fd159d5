//! Strategic merge patch: a merge patch that knows which lists merge by which key, with directives for what a plain merge
//! cannot say. <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>

mod lists;

use super::unfit;
use crate::schema::{MergeRule, Schema, Shape, merge_rule};
use kubus_proto::{ApiError, Reason};
use serde_json::{Map, Value};

/// `$patch: replace | delete | merge` in a map.
const PATCH: &str = "$patch";
/// Fields of the original that stay; the others go.
const RETAIN_KEYS: &str = "$retainKeys";
/// `$setElementOrder/<field>`: the order of a merged list.
const SET_ELEMENT_ORDER: &str = "$setElementOrder/";
/// `$deleteFromPrimitiveList/<field>`: values that leave a merged list.
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

/// Why a strategic merge patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Misfit {
    #[error("json: cannot unmarshal {0} into Go value of type map[string]interface {{}}")]
    NotAMap(&'static str),
    #[error("invalid patch format of primitive list")]
    PrimitiveList,
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
    #[error("patch content doesn't match retainKeys list")]
    RetainKeysContent,
    #[error("lists of lists are not supported")]
    ListOfLists,
    #[error("unknown patch type: {0}")]
    PatchType(String),
    #[error("map: {0} does not contain declared merge key: {1}")]
    NoMergeKey(String, &'static str),
}

impl From<Misfit> for ApiError {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::NotAMap(_) | Misfit::PrimitiveList | Misfit::RetainKeys | Misfit::SetElementOrder => {
                ApiError::new(Reason::BadRequest, misfit.to_string())
            }
            Misfit::RetainKeysContent | Misfit::ListOfLists | Misfit::PatchType(_) | Misfit::NoMergeKey(..) => {
                unfit(misfit)
            }
        }
    }
}

/// `original` with `patch` merged into it by the rules of the kind's types.
pub fn apply(schema: &Schema, original: &Value, patch: &Value) -> Result<Value, ApiError> {
    let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
        return Err(Misfit::NotAMap(if patch.is_array() { "array" } else { "string" }).into());
    };
    let merged = merge_map(schema, &Shape::Struct(schema.root), original.clone(), patch)?;
    Ok(Value::Object(merged))
}

/// What a field of a map holds and how it merges.
fn field_of(schema: &Schema, shape: &Shape, field: &str) -> (Shape, MergeRule) {
    match shape {
        Shape::Struct(name) => (schema.field(name, field).cloned().unwrap_or(Shape::Any), merge_rule(name, field)),
        Shape::Map(item) => (item.as_ref().clone(), MergeRule::default()),
        _ => (Shape::Any, MergeRule::default()),
    }
}

fn merge_map(
    schema: &Schema,
    shape: &Shape,
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, Misfit> {
    match patch.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => return Ok(plain_map(patch)),
        Some("delete") => return Ok(Map::new()),
        Some(other) => return Err(Misfit::PatchType(other.to_owned())),
    }
    retain_keys(&mut original, patch)?;
    let mut ordered = Vec::new();
    for (key, order) in patch {
        let Some(field) = key.strip_prefix(SET_ELEMENT_ORDER) else { continue };
        let order = order.as_array().ok_or(Misfit::SetElementOrder)?;
        let (list, rule) = field_of(schema, shape, field);
        let merge = lists::Merge { schema, shape: &list, rule };
        let removed = delete_list(patch, field)?;
        if let Some(merged) = merge.in_order(original.get(field), patch.get(field), removed, order)? {
            original.insert(field.to_owned(), Value::Array(merged));
        }
        ordered.push(field);
    }
    for (key, value) in patch {
        if key == PATCH || key == RETAIN_KEYS || key.starts_with(SET_ELEMENT_ORDER) || ordered.contains(&key.as_str()) {
            continue;
        }
        if let Some(field) = key.strip_prefix(DELETE_FROM_LIST) {
            let removed = value.as_array().ok_or(Misfit::PrimitiveList)?;
            if let (false, Some(Value::Array(items))) = (ordered.contains(&field), original.get_mut(field)) {
                items.retain(|item| !removed.contains(item));
            }
            continue;
        }
        let (inner, rule) = field_of(schema, shape, key);
        let merged = match (original.remove(key), value) {
            (_, Value::Null) => continue,
            (Some(Value::Object(old)), Value::Object(new)) if !rule.replace => {
                Value::Object(merge_map(schema, &inner, old, new)?)
            }
            (Some(Value::Array(old)), Value::Array(new)) if rule.merge => {
                Value::Array(lists::Merge { schema, shape: &inner, rule }.merge(&old, new)?)
            }
            (_, new) => plain(new),
        };
        original.insert(key.clone(), merged);
    }
    Ok(original)
}

fn delete_list<'a>(patch: &'a Map<String, Value>, field: &str) -> Result<&'a [Value], Misfit> {
    match patch.get(&format!("{DELETE_FROM_LIST}{field}")) {
        None => Ok(&[]),
        Some(list) => list.as_array().map(Vec::as_slice).ok_or(Misfit::PrimitiveList),
    }
}

/// `$retainKeys` must name every field the patch sets; what it does not name leaves the original.
fn retain_keys(original: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Misfit> {
    let Some(retained) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let retained = retained.as_array().ok_or(Misfit::RetainKeys)?;
    let names: Vec<&str> = retained.iter().filter_map(Value::as_str).collect();
    if names.len() != retained.len() {
        return Err(Misfit::RetainKeys);
    }
    let stray =
        |(key, value): (&String, &Value)| !value.is_null() && !key.starts_with('$') && !names.contains(&key.as_str());
    if patch.iter().any(stray) {
        return Err(Misfit::RetainKeysContent);
    }
    original.retain(|key, _| names.contains(&key.as_str()));
    Ok(())
}

/// A value of the patch that nothing is merged with: without directives and nulls.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(plain_map(map)),
        Value::Array(items) => {
            let deleted = |item: &&Value| matches!(item[PATCH].as_str(), Some("delete"));
            // An item that is only a directive says how the list merges; it is no item.
            let directive = |item: &&Value| item.as_object().is_some_and(|m| m.len() == 1 && m.contains_key(PATCH));
            items.iter().filter(|item| !deleted(item) && !directive(item)).map(plain).collect()
        }
        other => other.clone(),
    }
}

fn plain_map(map: &Map<String, Value>) -> Map<String, Value> {
    let is_directive = |key: &str| {
        key == PATCH || key == RETAIN_KEYS || key.starts_with(SET_ELEMENT_ORDER) || key.starts_with(DELETE_FROM_LIST)
    };
    let kept = map.iter().filter(|(key, value)| !is_directive(key) && !value.is_null());
    kept.map(|(key, value)| (key.clone(), plain(value))).collect()
}

#[cfg(test)]
mod tests;
