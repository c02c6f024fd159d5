//! What the parts of Kubus may do on the bus: a table over their roles, denied by default. Users have RBAC instead.
//! <https://kubernetes.io/docs/reference/access-authn-authz/node/>

use super::rbac::PolicyRule;
use super::{Attributes, Relations};

/// What an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The user of this home, who may do everything.
    Admin,
    /// A scheduler.
    Scheduler,
    /// A controller manager.
    Controllers,
    /// The agent of a node.
    Node,
    /// A gateway, speaking for itself and for no user.
    Gateway,
    /// Nobody that is known: may do nothing.
    Stranger,
}

/// Which objects of its resources a rule is about.
#[derive(Clone, Copy, Debug)]
enum Only {
    /// All of them.
    All,
    /// Those in one namespace.
    Namespace(&'static str),
    /// The one that has the node's name.
    OwnName,
    /// The one that has the node's name, in one namespace.
    OwnNameIn(&'static str),
    /// Pods bound to the node. A pod that is not there passes, so that the answer is 404.
    OwnPods,
    /// Lists and watches that select the node's pods.
    OwnPodsSelected,
    /// What the node's pods refer to, by name or selected by name.
    Referenced,
}

/// A row: who may do which verbs with which resources.
struct Rule {
    role: Role,
    /// `*` for every group.
    group: &'static str,
    /// `plural` or `plural/subresource`; `*` for every main resource, `*/name` for that subresource of all.
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    only: Only,
}

const READ: &[&str] = &["get", "list", "watch"];
const FOLLOW: &[&str] = &["list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const REPLACE: &[&str] = &["update", "patch"];
const RECORD: &[&str] = &["create", "update", "patch"];
const ELECT: &[&str] = &["get", "list", "watch", "create", "update", "patch"];

/// What everybody may ask about itself.
const SELF_REVIEWS: &[&str] = &["selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"];

static RULES: &[Rule] = &[
    rule(Role::Scheduler, "", &["pods", "nodes", "namespaces", "services"], READ, Only::All),
    rule(Role::Scheduler, "", &["replicationcontrollers"], READ, Only::All),
    rule(Role::Scheduler, "", &["persistentvolumes", "persistentvolumeclaims"], READ, Only::All),
    rule(Role::Scheduler, "apps", &["replicasets", "statefulsets", "deployments"], READ, Only::All),
    rule(Role::Scheduler, "policy", &["poddisruptionbudgets"], READ, Only::All),
    rule(Role::Scheduler, "", &["pods/binding"], &["create"], Only::All),
    rule(Role::Scheduler, "", &["pods"], &["delete"], Only::All),
    rule(Role::Scheduler, "", &["pods/status"], REPLACE, Only::All),
    rule(Role::Scheduler, "", &["events"], RECORD, Only::All),
    rule(Role::Scheduler, "coordination.k8s.io", &["leases"], ELECT, Only::Namespace("kube-system")),
    rule(Role::Controllers, "*", &["*", "*/status", "*/scale"], READ, Only::All),
    rule(Role::Controllers, "*", &["*"], WRITE, Only::All),
    rule(Role::Controllers, "*", &["*/status", "*/scale"], REPLACE, Only::All),
    rule(Role::Controllers, "certificates.k8s.io", &["signers"], &["sign"], Only::All),
    rule(Role::Controllers, "", &["namespaces/finalize"], &["update"], Only::All),
    rule(Role::Controllers, "", &["pods/eviction"], &["create"], Only::All),
    rule(Role::Scheduler, "authentication.k8s.io", SELF_REVIEWS, &["create"], Only::All),
    rule(Role::Scheduler, "authorization.k8s.io", SELF_REVIEWS, &["create"], Only::All),
    rule(Role::Node, "authentication.k8s.io", SELF_REVIEWS, &["create"], Only::All),
    rule(Role::Node, "authorization.k8s.io", SELF_REVIEWS, &["create"], Only::All),
    // A node's routes lead to every other node, and its proxy serves every service.
    rule(Role::Node, "", &["nodes", "services", "namespaces"], READ, Only::All),
    rule(Role::Node, "discovery.k8s.io", &["endpointslices"], READ, Only::All),
    rule(Role::Node, "", &["nodes"], &["create", "update", "patch"], Only::OwnName),
    rule(Role::Node, "", &["nodes/status"], &["get", "update", "patch"], Only::OwnName),
    rule(Role::Node, "", &["pods"], &["get", "delete"], Only::OwnPods),
    rule(Role::Node, "", &["pods/status"], &["get", "update", "patch"], Only::OwnPods),
    rule(Role::Node, "", &["pods/eviction"], &["create"], Only::OwnPods),
    rule(Role::Node, "", &["pods"], FOLLOW, Only::OwnPodsSelected),
    rule(Role::Node, "", &["secrets", "configmaps", "serviceaccounts"], READ, Only::Referenced),
    rule(Role::Node, "", &["serviceaccounts/token"], &["create"], Only::Referenced),
    rule(Role::Node, "", &["events"], RECORD, Only::All),
    rule(
        Role::Node,
        "coordination.k8s.io",
        &["leases"],
        &["get", "create", "update", "patch", "delete"],
        Only::OwnNameIn("kube-node-lease"),
    ),
];

const fn rule(
    role: Role,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    only: Only,
) -> Rule {
    Rule { role, group, resources, verbs, only }
}

impl Role {
    /// The role of an identity on the bus, and the node where it is one's.
    pub fn of(identity: &str) -> (Role, &str) {
        if identity == "admin" {
            return (Role::Admin, "");
        }
        if let Some(node) = identity.strip_prefix("node:").filter(|node| !node.is_empty()) {
            return (Role::Node, node);
        }
        let (name, replica) = identity.split_once('-').unwrap_or_default();
        let counted = !replica.is_empty() && replica.bytes().all(|b| b.is_ascii_digit());
        let role = match name {
            "scheduler" if counted => Role::Scheduler,
            "controllers" if counted => Role::Controllers,
            "gateway" if counted => Role::Gateway,
            _ => Role::Stranger,
        };
        (role, "")
    }
}

/// What the table says of a request.
pub enum Verdict {
    /// It may pass.
    Allowed,
    /// A rule speaks of such requests, but not for this node and this object.
    Unrelated,
    /// No rule speaks of it.
    Silent,
}

/// Looks a request up. `node` is the node's name where the role is a node's, else empty.
pub fn verdict(role: Role, node: &str, wanted: &Attributes<'_>, relations: &dyn Relations) -> Verdict {
    if role == Role::Admin {
        return Verdict::Allowed;
    }
    let mut verdict = Verdict::Silent;
    for rule in RULES.iter().filter(|rule| rule.covers(role, wanted)) {
        if rule.only.holds(node, wanted, relations) {
            return Verdict::Allowed;
        }
        if role == Role::Node {
            verdict = Verdict::Unrelated;
        }
    }
    verdict
}

/// The rules of a role that are about all objects of their resources, as RBAC writes them.
pub fn rules_of(role: Role) -> Vec<PolicyRule> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let open = RULES.iter().filter(|rule| rule.role == role && matches!(rule.only, Only::All));
    open.map(|rule| PolicyRule {
        verbs: texts(rule.verbs),
        api_groups: texts(&[rule.group]),
        resources: texts(rule.resources),
        ..PolicyRule::default()
    })
    .collect()
}

impl Rule {
    fn covers(&self, role: Role, wanted: &Attributes<'_>) -> bool {
        let resource = |pattern: &&str| match pattern.split_once('/') {
            Some((plural, sub)) => wanted.subresource == sub && (plural == "*" || plural == wanted.resource),
            None => wanted.subresource.is_empty() && (*pattern == "*" || *pattern == wanted.resource),
        };
        self.role == role
            && (self.group == "*" || self.group == wanted.group)
            && self.resources.iter().any(resource)
            && self.verbs.contains(&wanted.verb)
    }
}

impl Only {
    fn holds(self, node: &str, wanted: &Attributes<'_>, relations: &dyn Relations) -> bool {
        let one = wanted.new_name.unwrap_or_else(|| wanted.name());
        match self {
            Only::All => true,
            Only::Namespace(namespace) => wanted.namespace == namespace,
            Only::OwnName => one == node,
            Only::OwnNameIn(namespace) => wanted.namespace == namespace && one == node,
            Only::OwnPods => relations.pod_node(wanted.namespace, wanted.name).is_none_or(|bound| bound == node),
            Only::OwnPodsSelected => wanted.selected_node == Some(node),
            Only::Referenced => !one.is_empty() && relations.node_uses(node, wanted.resource, wanted.namespace, one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sight, authorize, authorize_path};
    use super::*;
    use crate::authenticate::Caller;
    use kubus_proto::{ApiError, Reason};
    use std::sync::Arc;

    fn caller(identity: &str) -> Caller {
        Caller::of_identity(identity)
    }

    struct Cluster;

    impl Relations for Cluster {
        fn pod_node(&self, _: &str, name: &str) -> Option<String> {
            match name {
                "mine" => Some("n1".to_owned()),
                "other" => Some("n2".to_owned()),
                "pending" => Some(String::new()),
                _ => None,
            }
        }
        fn node_uses(&self, node: &str, resource: &str, namespace: &str, name: &str) -> bool {
            (node, resource, namespace, name) == ("n1", "secrets", "default", "used")
        }
    }

    const SIGHT: Sight<'static> = Sight { relations: &Cluster, rules: &|| Arc::default() };

    fn ask(identity: &str, verb: &str, resource: &str, namespace: &str, name: &str) -> Result<(), ApiError> {
        let (path, selector) = resource.split_once('?').unwrap_or((resource, ""));
        let (path, subresource) = path.split_once('/').unwrap_or((path, ""));
        let (plural, group) = path.split_once('.').unwrap_or((path, ""));
        let wanted = Attributes {
            verb,
            group,
            resource: plural,
            subresource,
            namespace,
            name,
            new_name: None,
            selected_node: selector.strip_prefix("node="),
            selected_name: selector.strip_prefix("name="),
        };
        let new = verb == "create" && subresource.is_empty();
        let wanted = Attributes { new_name: new.then_some(name), name: if new { "" } else { name }, ..wanted };
        authorize(&caller(identity), &wanted, &SIGHT)
    }

    #[test]
    fn the_table_lets_pass_what_each_part_needs_and_nothing_else() {
        for (identity, verb, resource, namespace, name, allowed) in [
            ("admin", "delete", "nodes", "", "n1", true),
            ("admin", "create", "pods/exec", "default", "p", true),
            ("apiserver-1", "get", "pods", "default", "p", false),
            ("gateway-1", "get", "pods", "default", "p", false),
            ("nobody", "get", "pods", "default", "p", false),
            ("scheduler", "get", "pods", "default", "p", false),
            ("scheduler-x", "get", "pods", "default", "p", false),
            ("node:", "get", "nodes", "", "n1", false),
            ("scheduler-2", "list", "pods", "", "", true),
            ("scheduler-1", "create", "pods/binding", "default", "p", true),
            ("scheduler-1", "create", "pods", "default", "p", false),
            ("scheduler-1", "patch", "pods/status", "default", "p", true),
            ("scheduler-1", "list", "secrets", "", "", false),
            ("scheduler-1", "update", "leases.coordination.k8s.io", "kube-system", "kube-scheduler", true),
            ("scheduler-1", "update", "leases.coordination.k8s.io", "default", "kube-scheduler", false),
            ("controllers-1", "create", "pods", "default", "p", true),
            ("controllers-1", "update", "deployments.apps/status", "default", "d", true),
            ("controllers-1", "update", "namespaces/finalize", "", "x", true),
            ("controllers-1", "create", "pods/exec", "default", "p", false),
            ("controllers-1", "get", "pods/log", "default", "p", false),
            ("controllers-1", "create", "pods/binding", "default", "p", false),
            ("node:n1", "list", "nodes", "", "", true),
            ("node:n1", "create", "nodes", "", "n1", true),
            ("node:n1", "create", "nodes", "", "n2", false),
            ("node:n1", "delete", "nodes", "", "n1", false),
            ("node:n1", "patch", "nodes/status", "", "n1", true),
            ("node:n1", "patch", "nodes/status", "", "n2", false),
            ("node:n1", "get", "pods", "default", "mine", true),
            ("node:n1", "get", "pods", "default", "gone", true),
            ("node:n1", "get", "pods", "default", "other", false),
            ("node:n1", "delete", "pods", "default", "mine", true),
            ("node:n1", "delete", "pods", "default", "other", false),
            ("node:n1", "delete", "pods", "default", "pending", false),
            ("node:n1", "patch", "pods/status", "default", "mine", true),
            ("node:n1", "patch", "pods/status", "default", "other", false),
            ("node:n1", "patch", "pods", "default", "mine", false),
            ("node:n1", "create", "pods", "default", "new", false),
            ("node:n1", "list", "pods", "", "", false),
            ("node:n1", "list", "pods?node=n2", "", "", false),
            ("node:n1", "watch", "pods?node=n1", "", "", true),
            ("node:n1", "get", "secrets", "default", "used", true),
            ("node:n1", "watch", "secrets?name=used", "default", "", true),
            ("node:n1", "get", "secrets", "default", "unused", false),
            ("node:n1", "list", "secrets", "default", "", false),
            ("node:n1", "create", "events", "default", "", true),
            ("node:n1", "update", "leases.coordination.k8s.io", "kube-node-lease", "n1", true),
            ("node:n1", "update", "leases.coordination.k8s.io", "kube-node-lease", "n2", false),
            ("node:n1", "update", "leases.coordination.k8s.io", "kube-system", "n1", false),
        ] {
            let answer = ask(identity, verb, resource, namespace, name);
            assert_eq!(answer.is_ok(), allowed, "{identity} {verb} {resource} {namespace}/{name}: {answer:?}");
        }
    }

    /// Resources that have rights and no kind.
    const VIRTUAL: &[(&str, &str)] = &[("certificates.k8s.io", "signers")];

    #[test]
    fn every_rule_is_about_verbs_that_are_there() {
        for rule in RULES.iter().filter(|rule| rule.group != "*") {
            for resource in rule.resources {
                if VIRTUAL.contains(&(rule.group, *resource)) {
                    continue;
                }
                let (plural, sub) = resource.split_once('/').unwrap_or((resource, ""));
                // Self-reviews are in two groups, and each rule names all of them.
                let Some(row) = kubus_proto::kinds::by_plural(rule.group, plural) else {
                    assert!(SELF_REVIEWS.contains(resource), "{}/{plural} is no kind", rule.group);
                    continue;
                };
                let verbs = if sub.is_empty() { row.verbs } else { row.subresource(sub).expect(resource).verbs };
                for verb in rule.verbs {
                    assert!(verbs.iter().any(|v| v.as_str() == *verb), "{resource} has no verb {verb}");
                }
            }
        }
    }

    #[test]
    fn denials_read_like_kubernetes() {
        for (identity, verb, resource, namespace, name, message) in [
            (
                "node:n1",
                "delete",
                "pods",
                "default",
                "other",
                "pods \"other\" is forbidden: User \"system:node:n1\" cannot delete resource \"pods\" in API group \"\" \
                 in the namespace \"default\": no relationship found between node 'n1' and this object",
            ),
            (
                "scheduler-1",
                "list",
                "secrets",
                "",
                "",
                "secrets is forbidden: User \"system:kube-scheduler\" cannot list resource \"secrets\" in API group \
                 \"\" at the cluster scope",
            ),
            (
                "controllers-1",
                "create",
                "pods/exec",
                "default",
                "p",
                "pods \"p\" is forbidden: User \"system:kube-controller-manager\" cannot create resource \
                 \"pods/exec\" in API group \"\" in the namespace \"default\"",
            ),
        ] {
            let error = ask(identity, verb, resource, namespace, name).expect_err(message);
            assert_eq!((error.message.as_str(), error.reason), (message, Reason::Forbidden));
        }
        let error = authorize_path(&caller("x"), "get", "/metrics", &SIGHT).expect_err("denied");
        assert_eq!(error.message, "forbidden: User \"x\" cannot get path \"/metrics\"");
    }
}
