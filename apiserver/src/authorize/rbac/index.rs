//! Roles and bindings of a state, arranged so that a user's rights are found by its name and groups. Made anew only when
//! a role or a binding has changed, and then only what changed is decoded.

use super::{GROUP, PolicyRule};
use crate::state::{Object, State};
use kubus_proto::codec;
use kubus_proto::user::UserInfo;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;

/// User name prefix of service accounts.
pub const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// Resources the index is made of, in the order of [`Index::revisions`].
const RESOURCES: [&str; 4] = ["clusterroles", "roles", "clusterrolebindings", "rolebindings"];

/// Namespace (empty for cluster-wide objects) and name.
type Place = (String, String);

#[derive(Debug, Default, Deserialize)]
struct Role {
    #[serde(default)]
    rules: Option<Vec<PolicyRule>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    #[serde(default)]
    subjects: Option<Vec<Subject>>,
    role_ref: RoleRef,
}

/// Who a binding is for.
#[derive(Debug, Default, Deserialize)]
struct Subject {
    kind: String,
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

/// What a binding hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What a binding gives to one of its subjects.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Rules of the role; none where there is no such role.
    pub rules: Option<Arc<[PolicyRule]>>,
    /// The role.
    role: RoleRef,
    /// The binding, as reviews name it.
    pub origin: Arc<str>,
}

impl Grant {
    /// What is wrong where the role is not there.
    pub fn missing(&self) -> String {
        format!("{}.{GROUP} {:?} not found", self.role.kind.to_lowercase(), self.role.name)
    }
}

/// Grants of one user or group.
#[derive(Debug, Default)]
struct Grants {
    everywhere: Vec<Grant>,
    namespaces: HashMap<String, Vec<Grant>>,
}

/// A decoded object and the revision it had.
struct Kept<T>(u64, Arc<T>);

/// See the module.
#[derive(Default)]
pub struct Index {
    revisions: [u64; 4],
    roles: HashMap<Place, Kept<Rules>>,
    bindings: HashMap<Place, Kept<Binding>>,
    users: HashMap<String, Grants>,
    groups: HashMap<String, Grants>,
}

struct Rules(Arc<[PolicyRule]>);

impl Index {
    /// Last revisions of what the index is made of, in a state.
    fn revisions_of(state: &State) -> [u64; 4] {
        RESOURCES.map(|plural| state.resource_revision(&key(plural)))
    }

    /// Whether it shows what `state` does, or newer.
    pub fn is_current(&self, state: &State) -> bool {
        let wanted = Self::revisions_of(state);
        self.revisions.iter().zip(wanted).all(|(own, wanted)| *own >= wanted)
    }

    /// The index of a state; takes what did not change from an older one.
    pub fn of(state: &State, old: &Index) -> Self {
        let mut index = Self { revisions: Self::revisions_of(state), ..Self::default() };
        for plural in &RESOURCES[..2] {
            index
                .roles
                .extend(decoded(state, plural, &old.roles, |role: Role| Rules(role.rules.unwrap_or_default().into())));
        }
        for plural in &RESOURCES[2..] {
            index.bindings.extend(decoded(state, plural, &old.bindings, |binding: Binding| binding));
        }
        index.arrange();
        index
    }

    fn arrange(&mut self) {
        let (mut users, mut groups): (HashMap<String, Grants>, HashMap<String, Grants>) = Default::default();
        for ((namespace, name), Kept(_, binding)) in &self.bindings {
            let rules = self.rules(&binding.role_ref, namespace);
            for subject in binding.subjects.iter().flatten() {
                let (holders, holder) = match subject.kind.as_str() {
                    "User" => (&mut users, subject.name.clone()),
                    "Group" => (&mut groups, subject.name.clone()),
                    "ServiceAccount" => {
                        let home = subject.namespace.as_deref().unwrap_or(namespace);
                        (&mut users, format!("{SERVICE_ACCOUNT_PREFIX}{home}:{}", subject.name))
                    }
                    _ => continue,
                };
                let grant = Grant {
                    rules: rules.clone(),
                    role: binding.role_ref.clone(),
                    origin: describe(namespace, name, &binding.role_ref, subject).into(),
                };
                let grants = holders.entry(holder).or_default();
                if namespace.is_empty() {
                    grants.everywhere.push(grant);
                } else {
                    grants.namespaces.entry(namespace.clone()).or_default().push(grant);
                }
            }
        }
        (self.users, self.groups) = (users, groups);
    }

    /// Rules of the role a binding in `namespace` refers to; none where there is no such role.
    pub fn rules(&self, role: &RoleRef, namespace: &str) -> Option<Arc<[PolicyRule]>> {
        let home = if role.kind == "Role" { namespace } else { "" };
        self.roles.get(&(home.to_owned(), role.name.clone())).map(|kept| kept.1.0.clone())
    }

    /// What a user holds in a namespace, or, where that is empty, everywhere.
    pub fn grants<'a>(&'a self, user: &'a UserInfo, namespace: &'a str) -> impl Iterator<Item = &'a Grant> {
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group));
        self.users.get(&user.name).into_iter().chain(groups).flat_map(move |grants| {
            let local = if namespace.is_empty() { None } else { grants.namespaces.get(namespace) };
            grants.everywhere.iter().chain(local.into_iter().flatten())
        })
    }

    /// All rules a user holds in a namespace.
    pub fn rules_of<'a>(&'a self, user: &'a UserInfo, namespace: &'a str) -> Vec<&'a PolicyRule> {
        self.grants(user, namespace).flat_map(|grant| grant.rules.iter().flat_map(|rules| rules.iter())).collect()
    }
}

fn key(plural: &str) -> String {
    format!("{GROUP}/{plural}")
}

fn decoded<D: serde::de::DeserializeOwned, T>(
    state: &State,
    plural: &str,
    old: &HashMap<Place, Kept<T>>,
    make: impl Fn(D) -> T,
) -> Vec<(Place, Kept<T>)> {
    let mut all = Vec::new();
    for (name, object) in state.list(&key(plural), None, None) {
        let place = (name.namespace.to_string(), name.name.to_string());
        let kept = match old.get(&place) {
            Some(Kept(revision, value)) if *revision == object.revision => Kept(*revision, value.clone()),
            _ => match decode(object) {
                Some(value) => Kept(object.revision, Arc::new(make(value))),
                None => continue,
            },
        };
        all.push((place, kept));
    }
    all
}

fn decode<D: serde::de::DeserializeOwned>(object: &Object) -> Option<D> {
    // Deny by default: what cannot be read grants nothing.
    codec::decode(&object.bytes).inspect_err(|error| tracing::error!(%error, "a role or binding cannot be read")).ok()
}

/// A binding in the words of an access review's reason.
fn describe(namespace: &str, name: &str, role: &RoleRef, subject: &Subject) -> String {
    let binding = match namespace {
        "" => format!("ClusterRoleBinding {name:?}"),
        namespace => format!("RoleBinding {:?}", format!("{name}/{namespace}")),
    };
    let holder = match subject.kind.as_str() {
        "ServiceAccount" => format!("{}/{}", subject.name, subject.namespace.as_deref().unwrap_or(namespace)),
        _ => subject.name.clone(),
    };
    format!("{binding} of {} {:?} to {} {holder:?}", role.kind, role.name, subject.kind)
}

#[cfg(test)]
mod tests;
