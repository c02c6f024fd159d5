//! A set of fields, kept in the form in which it is stored (`FieldsV1`), so that nothing is turned over between the two.
//!
//! It is a tree. `f:` leads to a field, `k:` to an item of a list by its keys, `v:` to an item by its value. A node without
//! children is in the set; one with children is in it if it holds a dot. The root never is.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>

use super::step::Step;
use super::types::{Node, Type};
use serde_json::{Map, Value};

/// Says that a node with children is in the set itself.
const SELF: &str = ".";
/// How deep a set may be nested.
const DEPTH_LIMIT: usize = 256;

/// One node with what is below it.
pub(super) type Tree = Map<String, Value>;

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet(Tree);

/// A set that is no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetError {
    #[error("a node of a set of fields is not a map")]
    NotAMap,
    #[error("a set of fields is nested too deeply")]
    TooDeep,
    #[error("{0:?} leads nowhere in a set of fields")]
    Step(String),
}

/// A node that is being made: whether it is in the set, and what is below it.
#[derive(Debug, Default)]
pub(super) struct Mark {
    pub member: bool,
    pub children: Tree,
}

impl Mark {
    /// A node in the set, with nothing below it.
    pub fn leaf() -> Self {
        Self { member: true, children: Tree::new() }
    }

    /// Puts a node below this one, if there is anything to it.
    pub fn put(&mut self, step: impl FnOnce() -> String, mark: Mark) {
        if let Some(node) = mark.seal() {
            self.children.insert(step(), node);
        }
    }

    /// The node as it stands in a tree; none where it holds nothing.
    fn seal(mut self) -> Option<Value> {
        match (self.member, self.children.is_empty()) {
            (false, true) => return None,
            (true, false) => {
                self.children.insert(SELF.to_owned(), leaf());
            }
            _ => {}
        }
        Some(Value::Object(self.children))
    }
}

fn leaf() -> Value {
    Value::Object(Tree::new())
}

fn is_member(node: &Tree) -> bool {
    node.is_empty() || node.contains_key(SELF)
}

/// What is below a node.
fn children(node: &Tree) -> impl Iterator<Item = (&String, &Tree)> {
    node.iter().filter(|(step, _)| *step != SELF).filter_map(|(step, child)| Some((step, child.as_object()?)))
}

fn has_children(node: &Tree) -> bool {
    node.keys().any(|step| step != SELF)
}

impl FieldSet {
    /// The set below a root.
    pub fn of(root: Mark) -> Self {
        Self(root.children)
    }

    /// Reads a set that a client wrote, in whatever way it wrote it.
    pub fn read(value: &Value) -> Result<Self, SetError> {
        let Value::Object(tree) = value else { return Err(SetError::NotAMap) };
        let mut set = canonical(tree, 0)?;
        set.remove(SELF);
        Ok(Self(set))
    }

    /// A set as this server wrote it.
    pub fn trusted(value: Value) -> Self {
        match value {
            Value::Object(tree) => Self(tree),
            _ => Self::default(),
        }
    }

    /// As it is stored.
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn tree(&self) -> &Tree {
        &self.0
    }

    /// Adds all of `other`.
    pub fn unite(&mut self, other: &FieldSet) {
        unite_children(&mut self.0, &other.0);
    }

    /// Takes out all of `other`.
    pub fn subtract(&mut self, other: &FieldSet) {
        subtract_children(&mut self.0, &other.0);
    }

    /// What is in both.
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        Self(common_children(&self.0, &other.0))
    }

    /// With every declared field that has something in the set below it: to own a part of a struct is to own the struct.
    /// `metadata` is no such field: who owns a label does not own the name.
    pub fn with_named(mut self, root: Type<'_>) -> Self {
        name_children(&mut self.0, root, true);
        self
    }

    /// Where in the set is what `typed` owns as a whole, the whole takes the place of its parts.
    pub fn fit(&mut self, root: Type<'_>) {
        fit_children(&mut self.0, root);
    }

    /// Every path in the set, as errors name it: `.spec.containers[name="web"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut all = Vec::new();
        collect(&self.0, &mut String::new(), &mut all);
        all
    }
}

/// Below a node, what `step` leads to: whether it is in the set itself, and what is below it.
pub(super) fn at<'a>(node: &'a Tree, step: &str) -> Option<(bool, &'a Tree)> {
    let child = node.get(step)?.as_object()?;
    Some((is_member(child), child))
}

fn canonical(node: &Tree, depth: usize) -> Result<Tree, SetError> {
    if depth > DEPTH_LIMIT {
        return Err(SetError::TooDeep);
    }
    let mut made = Tree::new();
    for (step, child) in node {
        let Value::Object(child) = child else { return Err(SetError::NotAMap) };
        if step == SELF {
            made.insert(step.clone(), leaf());
            continue;
        }
        let step = Step::parse(step).ok_or_else(|| SetError::Step(step.clone()))?.canonical();
        made.insert(step, Value::Object(canonical(child, depth + 1)?));
    }
    if !has_children(&made) {
        made.remove(SELF);
    }
    Ok(made)
}

fn unite_nodes(node: &mut Tree, other: &Tree) {
    if node.is_empty() && !other.is_empty() {
        node.insert(SELF.to_owned(), leaf());
    } else if other.is_empty() && !node.is_empty() {
        node.entry(SELF).or_insert_with(leaf);
    }
    unite_children(node, other);
}

fn unite_children(node: &mut Tree, other: &Tree) {
    for (step, theirs) in other {
        match (node.get_mut(step), theirs) {
            (Some(Value::Object(mine)), Value::Object(theirs)) => unite_nodes(mine, theirs),
            (Some(_), _) => {}
            (None, theirs) => {
                node.insert(step.clone(), theirs.clone());
            }
        }
    }
}

/// Gives whether anything is left of the node.
fn subtract_nodes(node: &mut Tree, other: &Tree) -> bool {
    let member = is_member(node) && !is_member(other);
    subtract_children(node, other);
    match (has_children(node), member) {
        (true, true) => {
            node.entry(SELF).or_insert_with(leaf);
            true
        }
        (true, false) => {
            node.remove(SELF);
            true
        }
        (false, member) => {
            node.clear();
            member
        }
    }
}

fn subtract_children(node: &mut Tree, other: &Tree) {
    for (step, theirs) in children(other) {
        let left = match node.get_mut(step) {
            Some(Value::Object(mine)) => subtract_nodes(mine, theirs),
            _ => continue,
        };
        if !left {
            node.remove(step);
        }
    }
}

fn common_children(a: &Tree, b: &Tree) -> Tree {
    let mut common = Tree::new();
    for (step, mine) in children(a) {
        let Some(theirs) = b.get(step).and_then(Value::as_object) else { continue };
        let mark = Mark { member: is_member(mine) && is_member(theirs), children: common_children(mine, theirs) };
        if let Some(node) = mark.seal() {
            common.insert(step.clone(), node);
        }
    }
    common
}

fn name_children(node: &mut Tree, of: Type<'_>, root: bool) {
    for (step, child) in node.iter_mut().filter(|(step, _)| *step != SELF) {
        let (Value::Object(child), Some(step)) = (child, Step::parse(step)) else { continue };
        let (inner, declared) = match step {
            Step::Field("metadata") if root => (of.field_or_any("metadata"), false),
            Step::Field(name) => (of.field_or_any(name), of.declared(name).is_some()),
            Step::Key(_) | Step::Value(_) | Step::Index(_) => (of.item(), false),
        };
        if declared && !child.is_empty() {
            child.entry(SELF).or_insert_with(leaf);
        }
        name_children(child, inner, false);
    }
}

fn fit_children(node: &mut Tree, of: Type<'_>) {
    for (step, child) in node.iter_mut().filter(|(step, _)| *step != SELF) {
        let (Value::Object(child), Some(step)) = (child, Step::parse(step)) else { continue };
        let inner = match step {
            Step::Field(name) => of.field_or_any(name),
            Step::Key(_) | Step::Value(_) | Step::Index(_) => of.item(),
        };
        if is_whole(inner.node()) {
            child.clear();
        } else {
            fit_children(child, inner);
        }
    }
}

fn is_whole(node: &Node) -> bool {
    use super::types::Relation;
    match node {
        Node::Struct { atomic, .. } | Node::Map { atomic, .. } => *atomic,
        Node::List { relation, .. } => matches!(relation, Relation::Atomic),
        Node::Scalar(_) => true,
        Node::Any => false,
    }
}

/// What is in the set on one level comes before what is deeper, as Kubernetes tells it.
fn collect(node: &Tree, path: &mut String, all: &mut Vec<String>) {
    let length = path.len();
    for wanted_members in [true, false] {
        for (step, child) in children(node) {
            let text = Step::parse(step).map_or_else(|| step.clone(), |step| step.to_string());
            path.push_str(&text);
            if !wanted_members {
                collect(child, path, all);
            } else if is_member(child) {
                all.push(path.clone());
            }
            path.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    type Plain = BTreeSet<Vec<String>>;

    /// The set as a plain set of paths, which is what it means.
    fn plain(set: &FieldSet) -> Plain {
        fn walk(node: &Tree, path: &[String], all: &mut Plain) {
            for (step, child) in children(node) {
                let path: Vec<String> = path.iter().cloned().chain([step.clone()]).collect();
                walk(child, &path, all);
                if is_member(child) {
                    all.insert(path);
                }
            }
        }
        let mut all = Plain::new();
        walk(&set.0, &[], &mut all);
        all
    }

    fn built(paths: &Plain) -> FieldSet {
        let mut set = FieldSet::default();
        for path in paths {
            let node = path.iter().rev().fold(leaf(), |below, step| json!({step.as_str(): below}));
            set.unite(&FieldSet::trusted(node));
        }
        set
    }

    fn any_paths() -> impl Strategy<Value = Plain> {
        let step = prop_oneof![Just("f:a"), Just("f:b"), Just("k:{\"name\":\"x\"}"), Just("v:1")];
        let path = prop::collection::vec(step.prop_map(str::to_owned), 1..4);
        prop::collection::btree_set(path, 0..8)
    }

    /// Whether every node says what it means in the one way there is.
    fn is_canonical(set: &FieldSet) -> bool {
        FieldSet::read(&set.clone().into_value()).as_ref() == Ok(set)
    }

    proptest! {
        #[test]
        fn sets_are_what_plain_sets_of_paths_are(a in any_paths(), b in any_paths()) {
            let (left, right) = (built(&a), built(&b));
            prop_assert_eq!(&plain(&left), &a);
            let (mut united, mut less) = (left.clone(), left.clone());
            united.unite(&right);
            less.subtract(&right);
            let common = left.intersection(&right);
            prop_assert_eq!(plain(&united), a.union(&b).cloned().collect::<Plain>());
            prop_assert_eq!(plain(&less), a.difference(&b).cloned().collect::<Plain>());
            prop_assert_eq!(plain(&common), a.intersection(&b).cloned().collect::<Plain>());
            for set in [&left, &united, &less, &common] {
                prop_assert!(is_canonical(set), "{set:?}");
            }
        }
    }

    #[test]
    fn sets_of_clients_are_brought_into_form() {
        let sent = json!({"f:spec": {"f:ports": {"k:{ \"protocol\":\"TCP\", \"port\": 80 }": {".": {}}}}});
        let read = FieldSet::read(&sent).expect("a set");
        assert_eq!(read.into_value(), json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {}}}}));
        for (wrong, error) in [
            (json!([]), SetError::NotAMap),
            (json!({"f:a": 1}), SetError::NotAMap),
            (json!({"spec": {}}), SetError::Step("spec".into())),
            (json!({"k:[1]": {}}), SetError::Step("k:[1]".into())),
        ] {
            assert_eq!(FieldSet::read(&wrong), Err(error), "{wrong}");
        }
        let deep = (0..=DEPTH_LIMIT + 1).fold(json!({}), |below, _| json!({"f:a": below}));
        assert_eq!(FieldSet::read(&deep), Err(SetError::TooDeep));
    }

    #[test]
    fn paths_read_as_kubernetes_writes_them() {
        let set = FieldSet::trusted(json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {"v:\"a/b\"": {}}},
            "f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}}}},
        }));
        assert_eq!(
            set.paths(),
            [
                ".metadata.labels",
                ".metadata.finalizers[=\"a/b\"]",
                ".metadata.labels.app",
                ".spec.replicas",
                ".spec.containers[name=\"c\"]",
                ".spec.containers[name=\"c\"].image",
            ]
        );
    }
}
