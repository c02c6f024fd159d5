//! Merging one list into another by a key, and the order of what comes out.

use super::{Misfit, PATCH, merge_map, plain};
use crate::schema::{MergeRule, Schema, Shape};
use serde_json::Value;

/// How one list merges.
pub struct Merge<'a> {
    pub schema: &'a Schema,
    /// Shape of the list.
    pub shape: &'a Shape,
    pub rule: MergeRule,
}

impl Merge<'_> {
    /// `patch` merged into `original`; items of the patch stand in the patch's order.
    pub fn merge(&self, original: &[Value], patch: &[Value]) -> Result<Vec<Value>, Misfit> {
        let (original, patch) = match self.directives(original, patch)? {
            Directed::Replaced(items) => return Ok(items),
            Directed::Left { original, patch } => (original, patch),
        };
        let merged = self.together(original.clone(), &patch)?;
        self.arrange(merged, &patch, &original)
    }

    /// As [`Merge::merge`], but items named in `order` stand in that order, and `removed` values of a plain list are gone.
    /// None if there is no such list before or after.
    pub fn in_order(
        &self,
        original: Option<&Value>,
        patch: Option<&Value>,
        removed: &[Value],
        order: &[Value],
    ) -> Result<Option<Vec<Value>>, Misfit> {
        let none = Vec::new();
        let old = original.and_then(Value::as_array);
        let new = match patch {
            None => None,
            Some(Value::Array(items)) => Some(items),
            Some(Value::Null) => return Ok(None),
            Some(_) => return Err(Misfit::SetElementOrder),
        };
        if old.is_none() && new.is_none() {
            return Ok(None);
        }
        let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
        // Every item the patch sets must have its place in the order.
        let deletes = |item: &Value| item[PATCH].as_str() == Some("delete");
        for item in new.iter().filter(|item| !deletes(item) && item.get(PATCH).is_none()) {
            if self.index(order, item)?.is_none() {
                return Err(Misfit::SetElementOrder);
            }
        }
        let (before, patch) = match self.directives(old, new)? {
            Directed::Replaced(items) => (items, Vec::new()),
            Directed::Left { original, patch } => (original, patch),
        };
        let mut merged = self.together(before, &patch)?;
        merged.retain(|item| !removed.contains(item));
        self.arrange(merged, order, old).map(Some)
    }

    /// Carries out `$patch` items: deletions leave the original, a replacement puts the patch in its place.
    fn directives(&self, original: &[Value], patch: &[Value]) -> Result<Directed, Misfit> {
        let (mut original, mut rest, mut replaced) = (original.to_vec(), Vec::new(), false);
        for item in patch {
            let Some(directive) = item.get(PATCH) else {
                rest.push(item.clone());
                continue;
            };
            match directive.as_str() {
                Some("delete") => {
                    let gone = self.key_of(item)?;
                    let mut kept = Vec::with_capacity(original.len());
                    for old in original {
                        if self.key_of(&old)? != gone {
                            kept.push(old);
                        }
                    }
                    original = kept;
                }
                Some(how @ ("replace" | "merge")) => {
                    replaced |= how == "replace";
                    let mut item = item.clone();
                    if let Some(map) = item.as_object_mut() {
                        map.remove(PATCH);
                        if !map.is_empty() {
                            rest.push(item);
                        }
                    }
                }
                _ => return Err(Misfit::PatchType(directive.to_string())),
            }
        }
        if replaced {
            return Ok(Directed::Replaced(rest.iter().map(plain).collect()));
        }
        Ok(Directed::Left { original, patch: rest })
    }

    /// The original with each item of the patch merged into its like, or added at the end.
    fn together(&self, mut merged: Vec<Value>, patch: &[Value]) -> Result<Vec<Value>, Misfit> {
        let any = Shape::Any;
        let item_shape = if let Shape::List(item) = self.shape { item.as_ref() } else { &any };
        for item in patch {
            if item.is_array() {
                return Err(Misfit::ListOfLists);
            }
            match (self.index(&merged, item)?, item) {
                (None, item) => merged.push(plain(item)),
                (Some(i), Value::Object(new)) => {
                    let old = merged[i].as_object_mut().map(std::mem::take).unwrap_or_default();
                    merged[i] = Value::Object(merge_map(self.schema, item_shape, old, new)?);
                }
                (Some(_), _) => {}
            }
        }
        Ok(merged)
    }

    /// Items named in `order` stand in that order; the others keep the place they had in `server` as well as can be.
    fn arrange(&self, merged: Vec<Value>, order: &[Value], server: &[Value]) -> Result<Vec<Value>, Misfit> {
        let (mut named, mut others) = (Vec::new(), Vec::new());
        for item in merged {
            let server_place = self.index(server, &item)?;
            match self.index(order, &item)? {
                Some(place) => named.push((place, server_place, item)),
                None => others.push((server_place, item)),
            }
        }
        named.sort_by_key(|(place, ..)| *place);
        others.sort_by_key(|(place, _)| *place);
        let mut result = Vec::with_capacity(named.len() + others.len());
        let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
        loop {
            let other_first = match (others.peek(), named.peek()) {
                (None, None) => return Ok(result),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                // Only two items that the server both had can be compared.
                (Some((other, _)), Some((_, named, _))) => matches!((other, named), (Some(o), Some(n)) if o < n),
            };
            result.extend(if other_first { others.next().map(|o| o.1) } else { named.next().map(|n| n.2) });
        }
    }

    /// Where the like of `item` is.
    fn index(&self, items: &[Value], item: &Value) -> Result<Option<usize>, Misfit> {
        let key = self.key_of(item)?;
        for (i, other) in items.iter().enumerate() {
            if self.key_of(other)? == key {
                return Ok(Some(i));
            }
        }
        Ok(None)
    }

    /// What tells an item from the others: its merge key, or all of a plain value.
    fn key_of<'v>(&self, item: &'v Value) -> Result<&'v Value, Misfit> {
        match (self.rule.key, item) {
            (Some(key), Value::Object(map)) => map.get(key).ok_or_else(|| Misfit::NoMergeKey(item.to_string(), key)),
            _ => Ok(item),
        }
    }
}

enum Directed {
    /// The list is this now.
    Replaced(Vec<Value>),
    /// What is left to merge.
    Left { original: Vec<Value>, patch: Vec<Value> },
}
