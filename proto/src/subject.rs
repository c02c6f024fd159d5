//! NATS subjects: who may say what where. Every subject the system uses is built here.
//!
//! | subject | published by | heard by |
//! |---|---|---|
//! | `kubus.api.<identity>.read`, `.write` | that identity | apiservers (queue group), the leader alone for `write` |
//! | `kubus.ev.<group>.<resource>.<namespace>.<scope>.<name>` | leader | watchers |
//! | `kubus.bm` and `kubus.bm.<group>.<resource>.<scope>` | leader | watchers |
//! | `kubus.raft.<id>.<rpc>` | apiservers | apiserver `id` |
//! | `kubus.hb.<node>` | that node | controllers |
//! | `kubus.metrics.<identity>.ask`, `.answer` | gateways, that identity | that identity, gateways |
//! | `kubus.node.<node>.open` | apiservers | that node |
//! | `kubus.stream.<node>.<identity>.<session>.up`, `.down` | client, node | node, client |

/// Queue group of all apiservers.
pub const APISERVER_QUEUE: &str = "apiserver";
/// Bookmarks of all resources, published by the leader.
pub const BOOKMARKS: &str = "kubus.bm";
/// What an empty group, namespace or scope is written as.
pub const EMPTY: &str = "_";

/// Escapes one subject token. `.` becomes `/`, which no Kubernetes name may contain; characters NATS gives a meaning
/// become `%` and two hexadecimal digits (`%` is not allowed in names either), so two names never share a token.
pub fn token(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '.' => out.push('/'),
            '*' | '>' | '%' | '/' => out.push_str(&format!("%{:02x}", c as u32)),
            c if c.is_whitespace() || c.is_control() => {
                let mut buffer = [0u8; 4];
                for b in c.encode_utf8(&mut buffer).bytes() {
                    out.push_str(&format!("%{b:02x}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a request may be answered by any apiserver or only by the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Reads: any apiserver, after a read index where the request asks for the newest state.
    Read,
    /// Writes: only the leader subscribes, so that a write takes one hop.
    Write,
}

/// Where `identity` publishes its requests.
pub fn api(identity: &str, route: Route) -> String {
    let route = match route {
        Route::Read => "read",
        Route::Write => "write",
    };
    format!("kubus.api.{}.{route}", token(identity))
}

/// What apiservers subscribe to for `route`, over all identities.
pub fn api_all(route: Route) -> &'static str {
    match route {
        Route::Read => "kubus.api.*.read",
        Route::Write => "kubus.api.*.write",
    }
}

/// The identity in a request's subject, or `None` where the subject is not a request's.
pub fn api_identity(subject: &str) -> Option<String> {
    let rest = subject.strip_prefix("kubus.api.")?;
    let (token, _route) = rest.split_once('.')?;
    untoken(token)
}

/// Undoes [`token`].
pub fn untoken(token: &str) -> Option<String> {
    if token == EMPTY {
        return Some(String::new());
    }
    let mut out = Vec::with_capacity(token.len());
    let mut bytes = token.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'/' => out.push(b'.'),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

/// Where the change of one object is published.
pub fn event(group: &str, resource: &str, namespace: &str, scope: &str, name: &str) -> String {
    format!("kubus.ev.{}.{}.{}.{}.{}", token(group), token(resource), token(namespace), token(scope), token(name))
}

/// All changes of one resource, or only of `scope` (a node).
pub fn events_of(group: &str, resource: &str, scope: Option<&str>) -> String {
    let scope = scope.map_or_else(|| "*".to_owned(), token);
    format!("kubus.ev.{}.{}.*.{scope}.*", token(group), token(resource))
}

/// Bookmarks of one scope of one resource.
pub fn scope_bookmark(group: &str, resource: &str, scope: &str) -> String {
    format!("kubus.bm.{}.{}.{}", token(group), token(resource), token(scope))
}

/// Where apiserver `id` hears the Raft message `rpc`.
pub fn raft(id: u64, rpc: &str) -> String {
    format!("kubus.raft.{id}.{rpc}")
}

/// Where `node` says that it lives.
pub fn heartbeat(node: &str) -> String {
    format!("kubus.hb.{}", token(node))
}

/// All heartbeats.
pub const HEARTBEATS: &str = "kubus.hb.*";

/// Where `node` is asked to open a stream.
pub fn open_stream(node: &str) -> String {
    format!("kubus.node.{}.open", token(node))
}

/// From the client to the node, in one stream's session.
pub fn stream_up(node: &str, identity: &str, session: &str) -> String {
    format!("kubus.stream.{}.{}.{session}.up", token(node), token(identity))
}

/// From the node to the client, in one stream's session.
pub fn stream_down(node: &str, identity: &str, session: &str) -> String {
    format!("kubus.stream.{}.{}.{session}.down", token(node), token(identity))
}

/// Where the process of `identity` is asked for its metrics.
pub fn metrics_question(identity: &str) -> String {
    format!("kubus.metrics.{}.ask", token(identity))
}

/// Where the process of `identity` tells its metrics.
pub fn metrics_answer(identity: &str) -> String {
    format!("kubus.metrics.{}.answer", token(identity))
}

/// The prefix of an identity's reply inboxes; nobody else may listen there.
pub fn inbox(identity: &str) -> String {
    format!("_INBOX.{}", token(identity))
}

/// The identity of the agent of `node`.
pub fn node_identity(node: &str) -> String {
    format!("node:{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_never_collide() {
        let names = ["", "a", "a.b", "a/b", "a%b", "system:node:x", "x y", "*", ">", "é", "a%2fb"];
        let tokens: std::collections::BTreeSet<_> = names.iter().map(|n| token(n)).collect();
        assert_eq!(tokens.len(), names.len());
        for name in names {
            let token = token(name);
            assert!(!token.contains(['.', '*', '>', ' ']), "{token}");
            assert_eq!(untoken(&token).as_deref(), Some(name));
        }
    }

    #[test]
    fn identity_is_read_from_the_subject() {
        let subject = api("node:w1.example", Route::Write);
        assert_eq!(api_identity(&subject).as_deref(), Some("node:w1.example"));
        assert_eq!(api_identity("kubus.hb.x"), None);
    }
}
