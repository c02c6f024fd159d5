//! Walks the kinds table: every verb of every kind, and of its subresources, is refused to whoever has no right to it, in
//! the words that name the right, and open to whoever has exactly that one.

mod common;

use common::Cluster;
use kubus_proto::kinds::{KIND_TABLE, KindRow, Verb, review};
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// One verb of one resource.
struct Case {
    row: &'static KindRow,
    subresource: &'static str,
    verb: Verb,
}

impl Case {
    fn resource(&self) -> String {
        if self.subresource.is_empty() {
            self.row.plural.to_owned()
        } else {
            format!("{}/{}", self.row.plural, self.subresource)
        }
    }

    /// Whom only this case is open to.
    fn user(&self) -> String {
        format!("{}-{}.{}", self.verb.as_str(), self.resource().replace('/', "-"), self.row.group)
    }

    /// Everybody may ask about itself.
    fn is_open(&self) -> bool {
        [&review::SELF, &review::SELF_ACCESS, &review::SELF_RULES].iter().any(|row| std::ptr::eq(*row, self.row))
    }

    fn request(&self) -> (Method, String) {
        let namespace = if self.row.namespaced { "default" } else { "" };
        let one = ResourcePath::of(self.row, namespace, "x", self.subresource);
        let all = ResourcePath::of(self.row, namespace, "", "");
        let below = !self.subresource.is_empty();
        // Tried out: the rights themselves are among what is asked about.
        let (one, all) = match self.verb {
            Verb::Get | Verb::List | Verb::Watch => (one, all),
            _ => (format!("{one}?dryRun=All"), format!("{all}?dryRun=All")),
        };
        match self.verb {
            Verb::Create => (Method::Post, if below { one } else { all }),
            Verb::Get => (Method::Get, one),
            Verb::List => (Method::Get, all),
            Verb::Watch => (Method::Get, format!("{all}?watch=true")),
            Verb::Update => (Method::Put, one),
            Verb::Patch => (Method::Patch, one),
            Verb::Delete => (Method::Delete, one),
            Verb::DeleteCollection => (Method::Delete, all),
        }
    }

    fn body(&self) -> Value {
        match self.verb {
            Verb::Create | Verb::Update => json!({"metadata": {"name": "x"}}),
            Verb::Patch => json!({}),
            _ => Value::Null,
        }
    }

    async fn ask(&self, cluster: &Cluster, user: &str) -> common::Answer {
        let (method, path) = self.request();
        let ask = cluster.ask(method, &path).user(user, &[]).body(&self.body());
        ask.content_type("application/merge-patch+json").send().await
    }

    /// What is said to whom the right is missing.
    fn denial(&self, user: &str) -> String {
        let scope = match (self.row.namespaced, self.row.plural, self.verb) {
            (true, ..) => "in the namespace \"default\"",
            // A namespace lies in itself.
            (false, "namespaces", Verb::Create | Verb::List | Verb::Watch) => "at the cluster scope",
            (false, "namespaces", _) => "in the namespace \"x\"",
            (false, ..) => "at the cluster scope",
        };
        let (verb, resource, group) = (self.verb.as_str(), self.resource(), self.row.group);
        format!("is forbidden: User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}")
    }
}

fn cases() -> Vec<Case> {
    let of_row = |row: &'static KindRow| {
        let own = row.verbs.iter().map(move |verb| Case { row, subresource: "", verb: *verb });
        let below = row
            .subresources
            .iter()
            .flat_map(move |sub| sub.verbs.iter().map(move |verb| Case { row, subresource: sub.name, verb: *verb }));
        own.chain(below)
    };
    KIND_TABLE.iter().flat_map(|row| of_row(row)).collect()
}

#[tokio::test]
async fn every_verb_of_every_kind_has_its_authorization() {
    let cluster = Cluster::new().await;
    let cases = cases();
    for case in &cases {
        let name = case.user();
        let rules =
            json!([{"verbs": [case.verb.as_str()], "apiGroups": [case.row.group], "resources": [case.resource()]}]);
        let role = json!({"metadata": {"name": name}, "rules": rules});
        cluster.post(&format!("{RBAC}/clusterroles"), role).await.ok(201);
        let binding = json!({"metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}]});
        cluster.post(&format!("{RBAC}/clusterrolebindings"), binding).await.ok(201);
    }
    let mut wrong = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let (method, path) = case.request();
        let what = format!("{} {} ({method:?} {path})", case.verb.as_str(), case.resource());
        let open = case.ask(&cluster, &case.user()).await;
        let own = case.denial(&case.user());
        if open.body["message"].as_str().is_some_and(|message| message.contains(&own)) {
            wrong.push(format!("{what} is closed to who has the right: {}", open.body["message"]));
        }
        if case.is_open() {
            continue;
        }
        // Somebody with another right: the next case's, which is another verb or another resource.
        let other = cases[(i + 1) % cases.len()].user();
        for user in ["nobody", &other] {
            let closed = case.ask(&cluster, user).await;
            let message = closed.body["message"].as_str().unwrap_or_default();
            if closed.code != 403 || !message.contains(&case.denial(user)) {
                wrong.push(format!("{what} for {user}: {} {message}", closed.code));
            }
        }
    }
    assert!(cases.len() > 400, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
