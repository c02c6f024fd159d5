//! Where in an object a value is, rendered only when something is wrong with it.

use std::fmt;

/// A path such as `spec.containers[0].resources.limits[cpu]`; each step borrows the one before.
#[derive(Clone, Copy, Debug)]
pub struct FieldPath<'a> {
    parent: Option<&'a FieldPath<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> FieldPath<'a> {
    /// A field of the object itself.
    pub fn root(name: &'a str) -> Self {
        Self { parent: None, step: Step::Field(name) }
    }

    /// A field of this value.
    pub fn field(&'a self, name: &'a str) -> FieldPath<'a> {
        Self { parent: Some(self), step: Step::Field(name) }
    }

    /// An item of this list.
    pub fn index(&'a self, index: usize) -> FieldPath<'a> {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// An entry of this map.
    pub fn key(&'a self, key: &'a str) -> FieldPath<'a> {
        Self { parent: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

impl From<&FieldPath<'_>> for String {
    fn from(path: &FieldPath<'_>) -> Self {
        path.to_string()
    }
}

impl From<FieldPath<'_>> for String {
    fn from(path: FieldPath<'_>) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_kubernetes() {
        let (spec, data) = (FieldPath::root("spec"), FieldPath::root("data"));
        assert_eq!(spec.field("containers").index(1).field("name").to_string(), "spec.containers[1].name");
        assert_eq!(data.key("a/b").to_string(), "data[a/b]");
    }
}
