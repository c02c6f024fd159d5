//! Which fields nobody owns: those that say which object it is, those that only the server writes, and those that the
//! request's resource does not write.

/// Fields of the root that nobody owns.
const OF_ROOT: [&str; 2] = ["apiVersion", "kind"];
/// Fields of `metadata` that nobody owns.
const OF_METADATA: [&str; 9] = [
    "clusterName",
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The part of an object whose fields a request may come to own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it: of a kind whose status is written with the rest, or where what may not be written is put back before
    /// ownership is looked at.
    All,
    /// All but the status, which has a resource of its own.
    NotStatus,
    /// The status only.
    Status,
}

impl Scope {
    /// Whether a field of the root can be owned.
    pub(super) fn of_root(self, name: &str) -> bool {
        let in_scope = match self {
            Scope::All => true,
            Scope::NotStatus => name != "status",
            Scope::Status => name == "status",
        };
        in_scope && !OF_ROOT.contains(&name)
    }

    /// Whether a field of `metadata` can be owned.
    pub(super) fn of_metadata(name: &str) -> bool {
        !OF_METADATA.contains(&name)
    }
}
