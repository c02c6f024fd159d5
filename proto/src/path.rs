//! Kubernetes' REST paths: which resource, object and subresource a request is about.

use crate::kinds::versions::{self, ServedVersion};
use crate::kinds::{KindRow, by_plural};
use crate::selector::FieldSelector;
use serde_json::Value;
use std::borrow::Cow;

/// A path that names a resource of the kinds table.
#[derive(Clone, Debug)]
pub struct ResourcePath {
    /// Row of the kind.
    pub row: &'static KindRow,
    /// Version the client speaks.
    pub version: String,
    /// How objects are converted, where what the client speaks is not what is stored.
    pub served: Option<&'static ServedVersion>,
    /// Namespace, empty for cluster-wide objects and for lists over all namespaces.
    pub namespace: String,
    /// Name, empty for collections.
    pub name: String,
    /// Subresource, empty for the object itself.
    pub subresource: String,
}

impl ResourcePath {
    /// Reads a path; `None` where it names nothing in the table.
    pub fn parse(path: &str) -> Option<Self> {
        Self::parse_with(path, |_, _, _| None)
    }

    /// Reads a path; `custom` finds the row of what is not in the table by its group, version and plural.
    pub fn parse_with(path: &str, custom: impl FnOnce(&str, &str, &str) -> Option<&'static KindRow>) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/').map(decode);
        let (group, version) = match parts.next()?.as_str() {
            "api" => (String::new(), parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let rest: Vec<String> = parts.collect();
        let (namespace, rest) = match rest.as_slice() {
            [first, namespace, tail @ ..]
                if first == "namespaces" && !tail.is_empty() && !is_namespace_subresource(tail) =>
            {
                (namespace.clone(), tail)
            }
            _ => (String::new(), rest.as_slice()),
        };
        let plural = rest.first()?;
        let served = versions::by_plural(&group, &version, plural);
        let row = match served {
            Some(served) => served.row,
            None => by_plural(&group, plural).or_else(|| custom(&group, &version, plural))?,
        };
        let known = served.is_some() || row.versions().any(|v| v == version);
        if !known || rest.len() > 3 || (!namespace.is_empty() && !row.namespaced) {
            return None;
        }
        let at = |i: usize| rest.get(i).cloned().unwrap_or_default();
        Some(Self { row, version, served, namespace, name: at(1), subresource: at(2) })
    }

    /// Group the client speaks of, which is the one that rights are given on.
    pub fn group(&self) -> &'static str {
        self.served.map_or(self.row.group, |served| served.group)
    }

    /// Group and version the client speaks, `apps/v1`.
    pub fn api_version(&self) -> String {
        let group = self.group();
        if group.is_empty() { self.version.clone() } else { format!("{group}/{}", self.version) }
    }

    /// A field selector of the client, in the words of the stored version.
    pub fn stored_fields(&self, selector: FieldSelector) -> FieldSelector {
        match self.served {
            Some(served) => selector.renamed(served.conversion.field_labels),
            None => selector,
        }
    }

    /// Makes a stored object of a whole one that the client sent.
    pub fn accept(&self, object: &mut Value) {
        if let Some(served) = self.served {
            served.accept(object);
        }
    }

    /// A stored object as the client speaks of it.
    pub fn shown<'a>(&self, stored: &'a Value) -> Cow<'a, Value> {
        let mut shown = Cow::Borrowed(stored);
        if let Some(served) = self.served {
            served.from_stored(shown.to_mut());
        }
        shown
    }

    /// The path of an object (or with an empty `name` of a collection), at the version the table stores.
    pub fn of(row: &KindRow, namespace: &str, name: &str, subresource: &str) -> String {
        Self::at(&row.api_version(), row, namespace, name, subresource)
    }

    /// The same at any version that is served, such as that of a manifest.
    pub fn at(api_version: &str, row: &KindRow, namespace: &str, name: &str, subresource: &str) -> String {
        let mut path =
            if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
        if row.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        for part in [row.plural, name, subresource] {
            if !part.is_empty() {
                path.push('/');
                path.push_str(&encode(part));
            }
        }
        path
    }
}

fn is_namespace_subresource(tail: &[String]) -> bool {
    matches!(tail, [one] if one == "status" || one == "finalize")
}

/// Undoes percent-encoding; bytes that are no UTF-8 become replacement characters.
pub fn decode(part: &str) -> String {
    let bytes = part.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        let digits = part.get(i + 1..i + 3).and_then(|d| u8::from_str_radix(d, 16).ok());
        match (bytes[i], digits) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes what may not stand in a path segment or a query value.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Reads a query string into its pairs, in order.
pub fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written() {
        for (path, plural, namespace, name, subresource) in [
            ("/api/v1/pods", "pods", "", "", ""),
            ("/api/v1/namespaces/default/pods/web/status", "pods", "default", "web", "status"),
            ("/apis/apps/v1/namespaces/x/deployments/d/scale", "deployments", "x", "d", "scale"),
            ("/api/v1/namespaces/x", "namespaces", "", "x", ""),
            ("/api/v1/namespaces/x/finalize", "namespaces", "", "x", "finalize"),
            ("/api/v1/nodes/n%31", "nodes", "", "n1", ""),
        ] {
            let parsed = ResourcePath::parse(path).expect(path);
            assert_eq!(
                (parsed.row.plural, parsed.namespace.as_str(), parsed.name.as_str(), parsed.subresource.as_str()),
                (plural, namespace, name, subresource),
                "{path}"
            );
        }
        for path in [
            "/",
            "/api",
            "/api/v2/pods",
            "/api/v1/nonsense",
            "/api/v1/namespaces/a/nodes/x",
            "/apis/extensions/v1/deployments",
        ] {
            assert!(ResourcePath::parse(path).is_none(), "{path}");
        }
        let path = ResourcePath::parse("/apis/extensions/v1beta1/namespaces/x/deployments/d").expect("path");
        assert_eq!(
            (path.row.group, path.group(), path.api_version().as_str()),
            ("apps", "extensions", "extensions/v1beta1")
        );
        let path = ResourcePath::parse("/apis/apps/v1/namespaces/x/deployments/d/scale").expect("path");
        assert_eq!((path.group(), path.api_version().as_str()), ("apps", "apps/v1"));
        assert_eq!(ResourcePath::of(path.row, "x", "d", "scale"), "/apis/apps/v1/namespaces/x/deployments/d/scale");
    }

    #[test]
    fn queries_are_decoded() {
        let pairs = query_pairs("labelSelector=app%3Dweb%2Cx&watch=1&a=b+c");
        assert_eq!(pairs[0], ("labelSelector".into(), "app=web,x".into()));
        assert_eq!(pairs[2], ("a".into(), "b c".into()));
    }
}
