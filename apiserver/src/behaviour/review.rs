//! Reviews: their shapes; nothing of them is stored.
//! <https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/>

use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenReview};
use k8s_openapi::api::authorization::v1::{
    LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview,
};
use kubus_proto::kinds::review;

/// Behaviour of TokenReview.
pub static TOKEN: Behaviour = Behaviour { row: &review::TOKEN, schema: schema_of!(TokenReview), ..PLAIN };
/// Behaviour of SelfSubjectReview.
pub static SELF: Behaviour = Behaviour { row: &review::SELF, schema: schema_of!(SelfSubjectReview), ..PLAIN };
/// Behaviour of SubjectAccessReview.
pub static ACCESS: Behaviour = Behaviour { row: &review::ACCESS, schema: schema_of!(SubjectAccessReview), ..PLAIN };
/// Behaviour of LocalSubjectAccessReview.
pub static LOCAL_ACCESS: Behaviour =
    Behaviour { row: &review::LOCAL_ACCESS, schema: schema_of!(LocalSubjectAccessReview), ..PLAIN };
/// Behaviour of SelfSubjectAccessReview.
pub static SELF_ACCESS: Behaviour =
    Behaviour { row: &review::SELF_ACCESS, schema: schema_of!(SelfSubjectAccessReview), ..PLAIN };
/// Behaviour of SelfSubjectRulesReview.
pub static SELF_RULES: Behaviour =
    Behaviour { row: &review::SELF_RULES, schema: schema_of!(SelfSubjectRulesReview), ..PLAIN };
