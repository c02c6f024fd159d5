//! Label and field selectors: the text forms of `-l` and `--field-selector`, and the `LabelSelector` of objects.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;

/// A conjunction of requirements on labels; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// One of the values (`=`, `==`, `in`).
    In,
    /// None of the values, or no such label (`!=`, `notin`).
    NotIn,
    /// Has the label.
    Exists,
    /// Has not.
    DoesNotExist,
    /// A larger integer.
    Gt,
    /// A smaller integer.
    Lt,
}

/// The selector cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse requirement: {0}")]
pub struct SelectorError(pub String);

impl Requirement {
    /// One requirement; `values` are what [`Operator::In`], [`Operator::NotIn`], [`Operator::Gt`] and [`Operator::Lt`] compare with.
    pub fn new(key: String, operator: Operator, values: Vec<String>) -> Self {
        Self { key, operator, values }
    }

    /// Whether `labels` satisfy it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt | Operator::Lt => {
                let (Some(have), Some(limit)) = (
                    value.and_then(|v| v.parse::<i64>().ok()),
                    self.values.first().and_then(|v| v.parse::<i64>().ok()),
                ) else {
                    return false;
                };
                if self.operator == Operator::Gt { have > limit } else { have < limit }
            }
        }
    }
}

impl Selector {
    /// Matches everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Equality with each of `labels` (`spec.selector` of a ReplicationController, `nodeSelector`).
    pub fn from_map(labels: &BTreeMap<String, String>) -> Self {
        let requirement = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.clone()],
        };
        Self { requirements: labels.iter().map(requirement).collect() }
    }

    /// From `spec.selector` of a workload. An unknown operator is an error; an empty selector matches everything.
    pub fn from_label_selector(selector: &LabelSelector) -> Result<Self, SelectorError> {
        let mut all = Self::from_map(selector.match_labels.as_ref().unwrap_or(&BTreeMap::new()));
        for expression in selector.match_expressions.iter().flatten() {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(SelectorError(format!("{other:?} is not a valid label selector operator"))),
            };
            let values = expression.values.clone().unwrap_or_default();
            all.requirements.push(Requirement { key: expression.key.clone(), operator, values });
        }
        Ok(all)
    }

    /// From the text of `-l`: `app=web,tier!=db,env in (a,b),!legacy,rank>3`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let requirements = split_outside_parentheses(text)
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(parse_requirement)
            .collect::<Result<_, _>>()?;
        Ok(Self { requirements })
    }

    /// Whether `labels` satisfy every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, r) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            let (key, values) = (&r.key, r.values.join(","));
            match (r.operator, r.values.len()) {
                (Operator::In, 1) => write!(f, "{key}={values}")?,
                (Operator::In, _) => write!(f, "{key} in ({values})")?,
                (Operator::NotIn, 1) => write!(f, "{key}!={values}")?,
                (Operator::NotIn, _) => write!(f, "{key} notin ({values})")?,
                (Operator::Exists, _) => f.write_str(key)?,
                (Operator::DoesNotExist, _) => write!(f, "!{key}")?,
                (Operator::Gt, _) => write!(f, "{key}>{values}")?,
                (Operator::Lt, _) => write!(f, "{key}<{values}")?,
            }
        }
        Ok(())
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_requirement(part: &str) -> Result<Requirement, SelectorError> {
    let wrong = |why: &str| SelectorError(format!("{why}: {part:?}"));
    let make = |key: &str, operator, values: Vec<String>| {
        let key = key.trim();
        if !is_qualified_name(key) {
            return Err(wrong("invalid label key"));
        }
        if let Some(value) = values.iter().find(|v| !is_label_value(v)) {
            return Err(SelectorError(format!("invalid label value: {value:?}")));
        }
        Ok(Requirement { key: key.to_owned(), operator, values })
    };
    if let Some(open) = part.find('(') {
        let inner = part[open + 1..].trim_end().strip_suffix(')').ok_or_else(|| wrong("found no closing ')'"))?;
        let mut head = part[..open].split_whitespace();
        let (Some(key), Some(operator), None) = (head.next(), head.next(), head.next()) else {
            return Err(wrong("expected: key in (values)"));
        };
        let operator = match operator {
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            _ => return Err(wrong("expected 'in' or 'notin'")),
        };
        return make(key, operator, inner.split(',').map(|v| v.trim().to_owned()).collect());
    }
    if let Some(key) = part.strip_prefix('!') {
        return make(key, Operator::DoesNotExist, Vec::new());
    }
    for (sign, operator) in
        [("!=", Operator::NotIn), ("==", Operator::In), ("=", Operator::In), (">", Operator::Gt), ("<", Operator::Lt)]
    {
        if let Some((key, value)) = part.split_once(sign) {
            return make(key, operator, vec![value.trim().to_owned()]);
        }
    }
    make(part, Operator::Exists, Vec::new())
}

/// A conjunction of equalities on selectable fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<(String, bool, String)>,
}

impl FieldSelector {
    /// From the text of `--field-selector`: `status.phase!=Running,spec.nodeName=n1`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (path, equal, value) = if let Some((path, value)) = part.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, true, value)
            } else {
                return Err(SelectorError(format!("invalid selector: {part:?}; can't understand {part:?}")));
            };
            terms.push((path.trim().to_owned(), equal, value.trim().to_owned()));
        }
        Ok(Self { terms })
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The same with other names for some paths: `names` has them in pairs, old and new.
    pub fn renamed(mut self, names: &[(&str, &str)]) -> Self {
        for (path, ..) in &mut self.terms {
            if let Some((_, name)) = names.iter().find(|(old, _)| old == path) {
                *path = (*name).to_owned();
            }
        }
        self
    }

    /// The paths it names, for a check against the kind's selectable fields.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|(path, ..)| path.as_str())
    }

    /// The value that `path` must be equal to, if it must.
    pub fn required(&self, path: &str) -> Option<&str> {
        self.terms.iter().find(|(p, equal, _)| *equal && p == path).map(|(.., value)| value.as_str())
    }

    /// Whether `fields` satisfy it; a field that is not there is empty.
    pub fn matches(&self, fields: &BTreeMap<String, String>) -> bool {
        self.terms.iter().all(|(path, equal, value)| (fields.get(path).map_or("", String::as_str) == value) == *equal)
    }
}

/// As it is parsed.
impl std::fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (path, equal, value)) in self.terms.iter().enumerate() {
            let (comma, sign) = (if i > 0 { "," } else { "" }, if *equal { "=" } else { "!=" });
            write!(f, "{comma}{path}{sign}{value}")?;
        }
        Ok(())
    }
}

/// `[prefix/]name` as label and annotation keys are.
pub fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_value(name)
}

/// At most 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; or empty.
pub fn is_label_value(value: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let bytes = value.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            bytes.len() <= 63
                && first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes.iter().all(|b| inner(*b))
        }
        _ => true,
    }
}

/// RFC 1123 subdomain: labels of lower-case letters, digits and `-`, joined with `.`, at most 253 characters.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|label| is_dns_label_of(label, 253))
}

/// RFC 1123 label: lower-case letters, digits and `-`, at most 63 characters.
pub fn is_dns_label(name: &str) -> bool {
    is_dns_label_of(name, 63)
}

fn is_dns_label_of(name: &str, limit: usize) -> bool {
    let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= limit
        && bytes.first().is_some_and(edge)
        && bytes.last().is_some_and(edge)
        && bytes.iter().all(|b| edge(b) || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn label_selectors_match_as_documented() {
        let web = labels(&[("app", "web"), ("env", "prod"), ("rank", "5")]);
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,env=prod", true),
            ("app!=web", false),
            ("tier!=db", true),
            ("env in (prod, qa)", true),
            ("env notin (prod,qa)", false),
            ("tier notin (db)", true),
            ("app", true),
            ("!app", false),
            ("!tier,app=web", true),
            ("rank>4", true),
            ("rank<5", false),
            ("app=", false),
        ] {
            assert_eq!(Selector::parse(text).expect(text).matches(&web), expected, "{text}");
        }
        for text in ["env in (a", "env of (a)", "=x", "a b", "k=bad value!"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
        let text = "app=web,env in (a,b),!x";
        assert_eq!(Selector::parse(text).expect(text).to_string(), text);
    }

    #[test]
    fn field_selectors_match_as_documented() {
        let fields = labels(&[("status.phase", "Running"), ("spec.nodeName", "n1")]);
        for (text, expected) in [
            ("status.phase=Running", true),
            ("status.phase!=Running", false),
            ("spec.nodeName==n1,status.phase=Running", true),
            ("spec.nodeName=", false),
        ] {
            assert_eq!(FieldSelector::parse(text).expect(text).matches(&fields), expected, "{text}");
        }
        assert!(FieldSelector::parse("nonsense").is_err());
        let renamed = FieldSelector::parse("a==1,b!=2").expect("selector").renamed(&[("a", "c")]);
        assert_eq!(renamed.to_string(), "c=1,b!=2");
    }
}
