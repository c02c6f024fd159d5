//! What one object has that another has not, as sets of fields.

use super::scope::Scope;
use super::set::{FieldSet, Mark};
use super::step;
use super::types::{Key, Type, View};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How two objects differ.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    /// What is in the second only, or other there than in the first.
    pub changed: FieldSet,
    /// What is in the first only.
    pub removed: FieldSet,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

#[derive(Default)]
struct Marks {
    changed: Mark,
    removed: Mark,
}

impl Marks {
    fn put(&mut self, step: &dyn Fn() -> String, inner: Marks) {
        self.changed.put(step, inner.changed);
        self.removed.put(step, inner.removed);
    }
}

/// Compares whole objects.
pub(super) fn compare(root: Type<'_>, scope: Scope, old: &Value, new: &Value) -> Difference {
    let mut marks = Marks::default();
    let metadata = root.field_or_any("metadata");
    maps(root, old, new, |name| scope.of_root(name) && name != "metadata", &mut marks);
    if scope.of_root("metadata") {
        let mut inner = Marks::default();
        maps(metadata, &old["metadata"], &new["metadata"], Scope::of_metadata, &mut inner);
        marks.put(&|| step::field("metadata"), inner);
    }
    Difference { changed: FieldSet::of(marks.changed), removed: FieldSet::of(marks.removed) }
}

/// Everything that a new object has. What its type has by itself is there already.
pub(super) fn everything(root: Type<'_>, scope: Scope, object: &Value) -> FieldSet {
    let mut mark = Mark::default();
    let Value::Object(fields) = object else { return FieldSet::default() };
    for (name, value) in fields.iter().filter(|(name, _)| scope.of_root(name)) {
        let of = root.field_or_any(name);
        if name == "metadata" {
            let mut inner = Mark::default();
            for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| Scope::of_metadata(name)) {
                inner.put(|| step::field(name), whole(of.field_or_any(name), value, Base::Nothing));
            }
            mark.put(|| step::field("metadata"), inner);
            continue;
        }
        mark.put(|| step::field(name), whole(of, value, Base::below(root, name, Base::Empty)));
    }
    FieldSet::of(mark)
}

/// What was there before a value that is new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Nothing.
    Nothing,
    /// What the type has by itself: an empty text, zero, a struct without contents.
    Empty,
}

impl Base {
    /// What was there before the field `name` of a struct that was there as `self` says.
    fn below(of: Type<'_>, name: &str, holder: Base) -> Self {
        match of.declared(name) {
            Some(field) if field.present && holder == Base::Empty => Base::Empty,
            _ => Base::Nothing,
        }
    }
}

/// Everything in a value that is in one of two objects only.
fn whole(of: Type<'_>, value: &Value, base: Base) -> Mark {
    let mut mark = Mark { member: base == Base::Nothing, children: Map::new() };
    match (of.view(value), value) {
        (View::Map, Value::Object(fields)) if !fields.is_empty() => {
            for (name, value) in fields {
                let inner = whole(of.field_or_any(name), value, Base::below(of, name, base));
                mark.put(|| step::field(name), inner);
            }
        }
        (View::Set, Value::Array(items)) if !items.is_empty() => {
            for step in items.iter().filter_map(|item| step::of_value(item).ok()) {
                mark.put(|| step, Mark::leaf());
            }
        }
        (View::Keyed(keys, item_type), Value::Array(items)) if !items.is_empty() => {
            for (step, found) in by_key(keys, items) {
                let inner = match found.as_slice() {
                    [item] => whole(item_type, item, Base::Nothing),
                    // Items with the same keys have no owners of their own.
                    _ => Mark::leaf(),
                };
                mark.put(|| step, inner);
            }
        }
        (_, value) => mark.member |= !is_zero(value),
    }
    mark
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Items by their keys, in the order of the keys; what has no keys is left out.
fn by_key<'v>(keys: &[Key], items: &'v [Value]) -> BTreeMap<String, Vec<&'v Value>> {
    let mut found: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for item in items {
        if let Ok(step) = step::of_keys(keys, item) {
            found.entry(step).or_default().push(item);
        }
    }
    found
}

/// Whether two plain values are the same: 1 and 1.0 are.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn values(of: Type<'_>, old: &Value, new: &Value) -> Marks {
    let mut marks = Marks::default();
    match (of.view(old), of.view(new)) {
        (View::Leaf, View::Leaf) => marks.changed.member = !is_same(old, new),
        // The difference of nothing and empty counts.
        _ if is_empty(old) && is_empty(new) => marks.changed.member = old != new,
        (View::Map, View::Map) => maps(of, old, new, |_| true, &mut marks),
        (View::Set, View::Set) => sets(old, new, &mut marks),
        (View::Keyed(keys, item), View::Keyed(..)) => lists(keys, item, old, new, &mut marks),
        // One of the two is not what it should be, or the type says nothing and they are of two kinds.
        _ => {
            marks.changed = whole(of, new, Base::Nothing);
            marks.removed.children = whole(of, old, Base::Nothing).children;
            marks.removed.member = false;
        }
    }
    marks
}

fn maps(of: Type<'_>, old: &Value, new: &Value, is_wanted: impl Fn(&str) -> bool, marks: &mut Marks) {
    let nothing = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&nothing), new.as_object().unwrap_or(&nothing));
    for (name, value) in new.iter().filter(|(name, _)| is_wanted(name)) {
        let inner_type = || of.field_or_any(name);
        match old.get(name) {
            Some(before) if before == value => {}
            Some(before) => marks.put(&|| step::field(name), values(inner_type(), before, value)),
            None => {
                let inner = whole(inner_type(), value, Base::below(of, name, Base::Empty));
                marks.changed.put(|| step::field(name), inner);
            }
        }
    }
    for (name, value) in old.iter().filter(|(name, _)| !new.contains_key(*name) && is_wanted(name)) {
        marks.removed.put(|| step::field(name), whole(of.field_or_any(name), value, Base::Nothing));
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn sets(old: &Value, new: &Value, marks: &mut Marks) {
    let (old, new) = (items(old), items(new));
    let only = |mine: &[Value], others: &[Value], mark: &mut Mark| {
        for step in mine.iter().filter(|item| !others.contains(item)).filter_map(|item| step::of_value(item).ok()) {
            mark.put(|| step, Mark::leaf());
        }
    };
    only(new, old, &mut marks.changed);
    only(old, new, &mut marks.removed);
}

fn lists(keys: &[Key], of: Type<'_>, old: &Value, new: &Value, marks: &mut Marks) {
    let (old, new) = (by_key(keys, items(old)), by_key(keys, items(new)));
    for (step, after) in &new {
        let at = || step.clone();
        match (old.get(step).map(Vec::as_slice), after.as_slice()) {
            (Some([before]), [after]) => {
                if before != after {
                    marks.put(&at, values(of, before, after));
                }
            }
            (None, [after]) => marks.changed.put(at, whole(of, after, Base::Nothing)),
            // Items with the same keys are looked at together.
            (Some([_, _, ..]), [after]) => {
                marks.changed.put(at, whole(of, after, Base::Nothing));
                marks.removed.put(at, Mark::leaf());
            }
            (Some([before]), _) => {
                marks.removed.put(at, whole(of, before, Base::Nothing));
                marks.changed.put(at, Mark::leaf());
            }
            (before, after) => {
                if before != Some(after) {
                    marks.changed.put(at, Mark::leaf());
                }
            }
        }
    }
    for (step, before) in old.iter().filter(|(step, _)| !new.contains_key(*step)) {
        let mark = match before.as_slice() {
            [before] => whole(of, before, Base::Nothing),
            _ => Mark::leaf(),
        };
        marks.removed.put(|| step.clone(), mark);
    }
}
