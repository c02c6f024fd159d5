//! Which number of which message is which field: a table made from the definitions Kubernetes publishes.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The table's text: message, number, JSON name, form.
const TEXT: &str = include_str!("fields.tsv");
/// Messages that every group has, such as the options of a deletion.
const SHARED: &str = "apimachinery.pkg.apis.meta.v1";

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// True or false.
    Bool,
    /// Bytes, in JSON Base64.
    Bytes,
    /// A quantity: text in a message.
    Quantity,
    /// A number or text.
    IntOrString,
    /// Seconds and nanoseconds.
    Time,
    /// JSON in a message.
    Raw,
    /// A list in a message of its own.
    Wrapped,
    /// Another message.
    Message(&'static str),
    /// A message whose fields stand in its holder's JSON.
    Inline(&'static str),
    /// Several of one form.
    List(Box<Form>),
    /// Text to one form.
    Map(Box<Form>),
}

/// A field.
#[derive(Clone, Debug)]
pub struct Field {
    /// What JSON calls it.
    pub name: &'static str,
    /// What it holds.
    pub form: Form,
}

/// Every message's fields by their numbers.
pub struct Table(HashMap<&'static str, HashMap<u32, Field>>);

impl Table {
    /// The table of all messages.
    pub fn whole() -> &'static Self {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(TEXT));
        &TABLE
    }

    fn parse(text: &'static str) -> Self {
        let mut messages: HashMap<&'static str, HashMap<u32, Field>> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut cells = line.split('\t');
            let (Some(message), Some(number), Some(name), Some(form)) =
                (cells.next(), cells.next().and_then(|n| n.parse().ok()), cells.next(), cells.next())
            else {
                continue;
            };
            messages.entry(message).or_default().insert(number, Field { name, form: Form::parse(form) });
        }
        Self(messages)
    }

    /// The field of a message with a number; `None` for one that is not known here and is passed over.
    pub fn field(&self, message: &str, number: u32) -> Option<&Field> {
        self.0.get(message)?.get(&number)
    }

    /// Name of the message of a kind.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&'static str> {
        let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
        let group = group.split('.').next().unwrap_or(group);
        [format!("api.{group}.{version}.{kind}"), format!("{SHARED}.{kind}")]
            .iter()
            .find_map(|wanted| self.0.keys().copied().find(|message| message.eq_ignore_ascii_case(wanted)))
    }
}

impl Form {
    fn parse(text: &'static str) -> Self {
        if let Some((wrapper, inner)) = text.split_once(':') {
            return match wrapper {
                "inline" => Form::Inline(inner),
                "list" => Form::List(Box::new(Form::parse(inner))),
                _ => Form::Map(Box::new(Form::parse(inner))),
            };
        }
        match text {
            "text" => Form::Text,
            "integer" => Form::Integer,
            "bool" => Form::Bool,
            "bytes" => Form::Bytes,
            "quantity" => Form::Quantity,
            "intOrString" => Form::IntOrString,
            "time" => Form::Time,
            "raw" => Form::Raw,
            "wrapped" => Form::Wrapped,
            message => Form::Message(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_that_is_named_is_there() {
        let table = Table::whole();
        assert!(table.0.len() > 400, "{} messages", table.0.len());
        fn named(form: &Form) -> Option<&'static str> {
            match form {
                Form::Message(name) | Form::Inline(name) => Some(name),
                Form::List(inner) | Form::Map(inner) => named(inner),
                _ => None,
            }
        }
        // An empty message has no lines.
        let known = |name: &str| table.0.contains_key(name) || EMPTY.contains(&name);
        for (message, fields) in &table.0 {
            for field in fields.values() {
                assert!(named(&field.form).is_none_or(known), "{message}.{}: {:?}", field.name, field.form);
            }
        }
    }

    /// Messages without fields in the table.
    const EMPTY: [&str; 1] = ["apimachinery.pkg.apis.meta.v1.Verbs"];

    #[test]
    fn kinds_find_their_messages() {
        for (api_version, kind, message) in [
            ("v1", "Pod", "api.core.v1.Pod"),
            ("batch/v1", "Job", "api.batch.v1.Job"),
            ("rbac.authorization.k8s.io/v1", "Role", "api.rbac.v1.Role"),
            ("storage.k8s.io/v1", "CSIDriver", "api.storage.v1.CsiDriver"),
            ("authorization.k8s.io/v1", "SelfSubjectAccessReview", "api.authorization.v1.SelfSubjectAccessReview"),
            ("apps/v1", "DeleteOptions", "apimachinery.pkg.apis.meta.v1.DeleteOptions"),
        ] {
            assert!(
                Table::whole().of_kind(api_version, kind).is_some_and(|m| m.eq_ignore_ascii_case(message)),
                "{api_version} {kind}"
            );
        }
        assert_eq!(Table::whole().of_kind("example.com/v1", "CronTab"), None);
    }
}
