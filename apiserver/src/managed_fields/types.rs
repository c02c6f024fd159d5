//! Types as structured merge sees them: which values are owned as a whole, and which field by field or item by item.
//! Kubernetes' own types and the schemas of custom kinds are brought into this one form.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>

use serde_json::Value;

/// A kind's type and every type it is made of.
#[derive(Debug)]
pub struct Types {
    /// The structs, by number.
    pub(super) structs: Vec<Struct>,
    /// The type of whole objects.
    pub(super) root: Node,
}

/// A map whose fields are declared.
#[derive(Debug, Default)]
pub(super) struct Struct {
    /// By name.
    pub fields: Vec<Field>,
    /// What fields that are not declared hold; none where there may be no such fields.
    pub others: Option<Node>,
}

/// One declared field.
#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    pub node: Node,
    /// Whether an object has the field even where nothing was said about it.
    pub present: bool,
}

/// One type.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A plain value.
    Scalar(Scalar),
    /// A map whose fields are declared, by the number of the struct.
    Struct { number: usize, atomic: bool },
    /// A map from any text to one type.
    Map { item: Box<Node>, atomic: bool },
    /// A list.
    List { item: Box<Node>, relation: Relation },
    /// Nothing is known: maps are owned field by field, lists as a whole.
    Any,
}

/// How the items of a list are owned.
#[derive(Clone, Debug)]
pub(super) enum Relation {
    Atomic,
    Set,
    Keyed(Vec<Key>),
}

/// A field that tells the items of a list apart.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub name: String,
    /// What it is taken to be in an item that does not have it.
    pub default: Option<Value>,
}

/// What plain values a type has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Number,
    Bool,
    Any,
}

/// A type with those it refers to.
#[derive(Clone, Copy)]
pub(super) struct Type<'t> {
    types: &'t Types,
    node: &'t Node,
}

/// How a value is to be looked at.
pub(super) enum View<'t> {
    /// It is owned as a whole.
    Leaf,
    /// Its fields are owned.
    Map,
    /// Its items are owned; they are plain values.
    Set,
    /// Its items are owned and told apart by these fields; they are of this type.
    Keyed(&'t [Key], Type<'t>),
}

static ANY: Node = Node::Any;

impl Types {
    /// Objects that nothing is known of but that they have metadata.
    pub fn untyped() -> Self {
        Self { structs: Vec::new(), root: Node::Any }
    }

    /// The type of whole objects.
    pub(super) fn root(&self) -> Type<'_> {
        Type { types: self, node: &self.root }
    }
}

impl<'t> Type<'t> {
    fn with(self, node: &'t Node) -> Self {
        Self { node, ..self }
    }

    /// The type itself.
    pub fn node(self) -> &'t Node {
        self.node
    }

    /// How to look at `value`.
    pub fn view(self, value: &Value) -> View<'t> {
        match self.node {
            Node::Scalar(_) => View::Leaf,
            Node::Struct { atomic, .. } | Node::Map { atomic, .. } => match value {
                Value::Object(_) | Value::Null if !atomic => View::Map,
                _ => View::Leaf,
            },
            Node::List { item, relation } => match (relation, value) {
                (Relation::Set, Value::Array(_) | Value::Null) => View::Set,
                (Relation::Keyed(keys), Value::Array(_) | Value::Null) => View::Keyed(keys, self.with(item)),
                _ => View::Leaf,
            },
            Node::Any if value.is_object() => View::Map,
            Node::Any => View::Leaf,
        }
    }

    /// The declared field of that name.
    pub fn declared(self, name: &str) -> Option<&'t Field> {
        let Node::Struct { number, .. } = self.node else { return None };
        let fields = &self.types.structs.get(*number)?.fields;
        let at = fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok()?;
        fields.get(at)
    }

    /// What a field of a map holds; none for one that may not be there.
    pub fn field(self, name: &str) -> Option<Type<'t>> {
        let node = match self.node {
            Node::Struct { number, .. } => match self.declared(name) {
                Some(field) => &field.node,
                None => self.types.structs.get(*number)?.others.as_ref()?,
            },
            Node::Map { item, .. } => item,
            Node::Scalar(_) | Node::List { .. } | Node::Any => &ANY,
        };
        Some(self.with(node))
    }

    /// What a field of a map holds; anything where nothing is known.
    pub fn field_or_any(self, name: &str) -> Type<'t> {
        self.field(name).unwrap_or(self.with(&ANY))
    }

    /// What the items of a list are.
    pub fn item(self) -> Type<'t> {
        match self.node {
            Node::List { item, .. } => self.with(item),
            _ => self.with(&ANY),
        }
    }
}
