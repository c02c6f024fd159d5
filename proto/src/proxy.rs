//! Paths of the `proxy` subresource: which object, through which port, and what is asked of whoever listens there.
//! <https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/>

use crate::path::decode;

/// Position of `proxy` in `/api/v1/nodes/<name>/proxy`.
const CLUSTER_PLACE: usize = 4;
/// Position of `proxy` in `/api/v1/namespaces/<namespace>/pods/<name>/proxy`.
const NAMESPACED_PLACE: usize = 6;

/// A path cut where the proxy begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPath<'a> {
    /// Up to `…/proxy`, what the apiserver is asked for.
    pub resource: &'a str,
    /// Behind it, with its leading slash, as it was encoded; empty where even the slash is missing.
    pub rest: &'a str,
    /// Name of the object as it stands in the path, decoded.
    pub name: String,
}

impl<'a> ProxyPath<'a> {
    /// Cuts a path; `None` where it is no proxy's.
    pub fn cut(path: &'a str) -> Option<Self> {
        let (mut place, mut end, mut name) = (CLUSTER_PLACE, 1, "");
        for (position, segment) in path.strip_prefix('/')?.split('/').enumerate() {
            end += segment.len();
            match position {
                2 if segment == "namespaces" => place = NAMESPACED_PLACE,
                _ if position == place => {
                    let cut = Self { resource: &path[..end], rest: &path[end..], name: decode(name) };
                    return (segment == "proxy").then_some(cut);
                }
                _ => {}
            }
            (name, end) = (segment, end + 1);
        }
        None
    }
}

/// What a proxy is to speak to, from a name such as `https:web:443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyTarget<'a> {
    /// Through TLS.
    pub https: bool,
    /// Name of the pod, service or node.
    pub name: &'a str,
    /// Number or name of the port; empty where it is not given.
    pub port: &'a str,
}

impl<'a> ProxyTarget<'a> {
    /// Reads `name`, `name:port` or `scheme:name:port` (a scheme or port may be empty); `None` for anything else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme, name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        (matches!(scheme, "" | "http" | "https") && !name.is_empty()).then_some(Self {
            https: scheme == "https",
            name,
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_where_the_proxy_begins() {
        for (path, resource, rest, name) in [
            ("/api/v1/namespaces/a/pods/b/proxy", "/api/v1/namespaces/a/pods/b/proxy", "", "b"),
            ("/api/v1/namespaces/a/pods/b%3A80/proxy/", "/api/v1/namespaces/a/pods/b%3A80/proxy", "/", "b:80"),
            ("/api/v1/nodes/n/proxy/x//proxy/y", "/api/v1/nodes/n/proxy", "/x//proxy/y", "n"),
            ("/api/v1/namespaces/a/pods/proxy/proxy/x", "/api/v1/namespaces/a/pods/proxy/proxy", "/x", "proxy"),
            ("/api/v1/namespaces/proxy/pods/b/proxy/x", "/api/v1/namespaces/proxy/pods/b/proxy", "/x", "b"),
        ] {
            let expected = ProxyPath { resource, rest, name: name.to_owned() };
            assert_eq!(ProxyPath::cut(path), Some(expected), "{path}");
        }
        for path in [
            "",
            "/",
            "proxy",
            "/proxy",
            "/api/v1/namespaces/proxy",
            "/api/v1/namespaces/a/pods/b/log",
            "/api/v1/namespaces/a/pods/proxy/log/proxy",
        ] {
            assert_eq!(ProxyPath::cut(path), None, "{path}");
        }
    }

    #[test]
    fn targets_are_names_with_ports_and_schemes() {
        for (text, expected) in [
            ("web", Some((false, "web", ""))),
            ("web:80", Some((false, "web", "80"))),
            ("web:", Some((false, "web", ""))),
            ("https:web:tls", Some((true, "web", "tls"))),
            ("http:web:", Some((false, "web", ""))),
            (":web:80", Some((false, "web", "80"))),
            ("ftp:web:21", None),
            ("a:b:c:d", None),
            ("", None),
            (":", None),
        ] {
            let got = ProxyTarget::parse(text).map(|target| (target.https, target.name, target.port));
            assert_eq!(got, expected, "{text}");
        }
    }
}
