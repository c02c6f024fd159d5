//! Reviews: questions about who somebody is and what they may do. They are answered as they are created, and not stored.

use super::{KindRow, PLAIN, Verb, cells};
use crate::table::{AGE, NAME};

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Row of TokenReview: whom a token lets in.
pub static TOKEN: KindRow = review(AUTHENTICATION, "TokenReview", "tokenreviews", "tokenreview");
/// Row of SelfSubjectReview: who asks.
pub static SELF: KindRow = review(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview");
/// Row of SubjectAccessReview: whether somebody may do something.
pub static ACCESS: KindRow =
    review(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview");
/// Row of LocalSubjectAccessReview: the same, in one namespace.
pub static LOCAL_ACCESS: KindRow = KindRow {
    namespaced: true,
    ..review(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview")
};
/// Row of SelfSubjectAccessReview: whether who asks may do something.
pub static SELF_ACCESS: KindRow =
    review(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview");
/// Row of SelfSubjectRulesReview: all that who asks may do in a namespace.
pub static SELF_RULES: KindRow =
    review(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview");

/// All of them.
pub static ALL: [&KindRow; 6] = [&TOKEN, &SELF, &ACCESS, &LOCAL_ACCESS, &SELF_ACCESS, &SELF_RULES];

const fn review(group: &'static str, kind: &'static str, plural: &'static str, singular: &'static str) -> KindRow {
    KindRow {
        group,
        kind,
        plural,
        singular,
        namespaced: false,
        verbs: &[Verb::Create],
        columns: &[NAME, AGE],
        cells: |o, now| vec![cells::name(o), cells::age(o, now)],
        ..PLAIN
    }
}

/// Whether a kind is a review.
pub fn is_one(row: &KindRow) -> bool {
    ALL.iter().any(|review| review.group == row.group && review.plural == row.plural)
}
