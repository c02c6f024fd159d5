//! Who there is on the bus, and what each may say and hear. Deny by default: what is not listed here is refused by the
//! bus server before any process of ours sees it.

use super::spec::{ClusterSpec, STANDBY_REPLICAS};
use kubus_proto::subject;

/// Subjects one identity may publish and subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// May publish on these.
    pub publish: Vec<String>,
    /// May subscribe to these.
    pub subscribe: Vec<String>,
    /// May not subscribe to these, whatever the above says.
    pub deny_subscribe: Vec<String>,
}

/// Kinds of identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An apiserver with its Raft id.
    Apiserver(u64),
    /// A scheduler.
    Scheduler,
    /// A controller manager.
    Controllers,
    /// The agent of a node.
    Node(String),
    /// A gateway, which speaks for users.
    Gateway,
    /// The user of this home.
    Admin,
}

/// Every identity of a cluster with its role.
pub fn identities(spec: &ClusterSpec) -> Vec<(String, Role)> {
    let mut all = vec![("admin".to_owned(), Role::Admin)];
    for id in 1..=spec.control_planes.len() as u64 {
        all.push((format!("apiserver-{id}"), Role::Apiserver(id)));
    }
    for i in 1..=STANDBY_REPLICAS {
        all.push((format!("scheduler-{i}"), Role::Scheduler));
        all.push((format!("controllers-{i}"), Role::Controllers));
    }
    for i in 1..=spec.gateways.len() {
        all.push((format!("gateway-{i}"), Role::Gateway));
    }
    for node in &spec.nodes {
        all.push((subject::node_identity(&node.name), Role::Node(node.name.clone())));
    }
    all
}

/// What `identity` in `role` may say and hear.
pub fn permissions(identity: &str, role: &Role) -> Permissions {
    let inbox = format!("{}.>", subject::inbox(identity));
    let request = format!("kubus.api.{}.*", subject::token(identity));
    let mut publish = vec![request];
    let mut subscribe = vec![inbox];
    let mut deny_subscribe = Vec::new();
    match role {
        Role::Apiserver(id) => {
            // Answers go to everybody's inbox; an apiserver is asked and does not ask.
            publish = ["kubus.ev.>", "kubus.bm", "kubus.bm.>", "kubus.raft.>", "kubus.node.*.open", "_INBOX.>"]
                .map(str::to_owned)
                .to_vec();
            subscribe.push("kubus.api.*.*".to_owned());
            subscribe.push(format!("kubus.raft.{id}.>"));
        }
        Role::Scheduler => {
            subscribe.extend(["kubus.ev.>", "kubus.bm", "kubus.bm.>"].map(str::to_owned));
            deny_subscribe.push(subject::events_of("", "secrets", None));
        }
        Role::Controllers => {
            subscribe.extend(["kubus.ev.>", "kubus.bm", "kubus.bm.>", subject::HEARTBEATS].map(str::to_owned));
        }
        Role::Admin | Role::Gateway => {
            // What a gateway hears it hands to users by what the apiserver answers them.
            let token = subject::token(identity);
            publish.push(format!("kubus.stream.*.{token}.*.up"));
            subscribe.extend(["kubus.ev.>", "kubus.bm", "kubus.bm.>"].map(str::to_owned));
            subscribe.push(format!("kubus.stream.*.{token}.*.down"));
        }
        Role::Node(node) => {
            let token = subject::token(node);
            publish.push(subject::heartbeat(node));
            publish.push(format!("kubus.stream.{token}.*.*.down"));
            subscribe.push(subject::open_stream(node));
            subscribe.push(format!("kubus.stream.{token}.*.*.up"));
            subscribe.push(subject::BOOKMARKS.to_owned());
            for resource in ["pods", "nodes"] {
                subscribe.push(subject::events_of("", resource, Some(node)));
                subscribe.push(subject::scope_bookmark("", resource, node));
            }
        }
    }
    publish.push(subject::metrics_answer(identity));
    subscribe.push(subject::metrics_question(identity));
    if *role == Role::Gateway {
        publish.push("kubus.metrics.*.ask".to_owned());
        subscribe.push("kubus.metrics.*.answer".to_owned());
    }
    Permissions { publish, subscribe, deny_subscribe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_hears_nothing_of_other_nodes() {
        let all = permissions("node:a.b", &Role::Node("a.b".into()));
        assert!(all.publish.iter().all(|s| s.contains("a/b")), "{:?}", all.publish);
        let foreign: Vec<_> = all.subscribe.iter().filter(|s| !s.contains("a/b") && *s != "kubus.bm").collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }

    #[test]
    fn only_apiservers_answer_and_only_on_their_own_raft_subject() {
        let roles = [Role::Scheduler, Role::Controllers, Role::Gateway, Role::Admin, Role::Node("n".into())];
        for role in roles {
            let all = permissions("who", &role);
            assert!(
                !all.publish.iter().any(|s| s.starts_with("_INBOX") || s.starts_with("kubus.ev") || s.contains("raft"))
            );
            assert!(!all.subscribe.iter().any(|s| s.starts_with("kubus.api")), "{role:?}");
        }
        let one = permissions("apiserver-1", &Role::Apiserver(1));
        assert!(one.subscribe.contains(&"kubus.raft.1.>".to_owned()));
        assert!(!one.subscribe.contains(&"kubus.raft.>".to_owned()));
    }
}
