//! Who a request is for, where its sender speaks for others: only a gateway may.
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/>

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A user as authentication found it; rights are decided on this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// Name, such as `system:serviceaccount:default:robot`.
    pub name: String,
    /// Tells apart users that had one name one after the other; empty where there is none.
    #[serde(default)]
    pub uid: String,
    /// Groups, `system:authenticated` or `system:unauthenticated` among them.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whatever else is known of the user.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// How the user on whose behalf a gateway speaks has shown who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// Not at all: `system:anonymous`.
    #[default]
    Anonymous,
    /// A client certificate that the gateway checked against the cluster's authority: name and groups.
    Certificate {
        /// Common name of the subject.
        name: String,
        /// Organizations of the subject.
        groups: Vec<String>,
    },
    /// A bearer token, which the apiserver checks: it has the keys.
    Bearer(String),
}

/// What a gateway says of the user behind a request. The apiserver refuses it from anyone else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnBehalf {
    /// Who the user is.
    pub credential: Credential,
    /// Whom the user wants to act as (`Impersonate-User` and its sisters); needs the right to.
    #[serde(default)]
    pub impersonate: Option<UserInfo>,
    /// Where the user's connection came from, for audit.
    #[serde(default)]
    pub source_address: String,
}
