//! Reviews: questions that are answered as they are created. One file a question.
//! <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>

mod access;
mod identity;
mod rules;

use super::call::Call;
use super::options::Freshness;
use super::{Api, answer, metadata};
use crate::convert;
use crate::state::State;
use jiff::Timestamp;
use kubus_proto::kinds::review;
use kubus_proto::user::UserInfo;
use kubus_proto::{ApiError, ApiResponse, KindRow};
use serde_json::{Map, Value, json};

/// What an answer is made of.
struct Question<'a> {
    api: &'a Api,
    call: &'a Call,
    state: &'a State,
    body: &'a Value,
    now: Timestamp,
}

/// The status that answers a question.
type Answer = fn(&Question<'_>) -> Result<Value, ApiError>;

static ANSWERS: [(&KindRow, Answer); 6] = [
    (&review::TOKEN, identity::token),
    (&review::SELF, identity::own),
    (&review::ACCESS, access::of_somebody),
    (&review::LOCAL_ACCESS, access::of_somebody_here),
    (&review::SELF_ACCESS, access::own),
    (&review::SELF_RULES, rules::own),
];

impl Api {
    /// Answers a review.
    pub(super) async fn review(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let mut body = call.value()?;
        metadata::address(&call.path, &mut body)?;
        let state = self.state(Freshness::Newest).await?;
        call.authorize_named(&state, "")?;
        call.query.dry_run("CreateOptions")?;
        let warnings = convert::receive(&call.path, call.verb, &mut body, call.query.field_validation()?)?;
        let row = call.row();
        let answer = ANSWERS.iter().find(|(kind, _)| std::ptr::eq(*kind, row)).map(|(_, answer)| answer);
        let answer = answer.ok_or_else(|| super::internal("a review has no answer", &row.kind))?;
        let question = Question { api: self, call, state: &state, body: &body, now: Timestamp::now() };
        let status = answer(&question)?;
        body["apiVersion"] = json!(row.api_version());
        body["kind"] = json!(row.kind);
        body["status"] = status;
        Ok(ApiResponse { warnings, ..answer::value(201, &body)? })
    }
}

/// A user as reviews show one.
fn shown(user: &UserInfo) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value, there: bool| {
        if there {
            out.insert(key.to_owned(), value);
        }
    };
    put("username", json!(user.name), !user.name.is_empty());
    put("uid", json!(user.uid), !user.uid.is_empty());
    put("groups", json!(user.groups), !user.groups.is_empty());
    put("extra", json!(user.extra), !user.extra.is_empty());
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_review_has_its_answer() {
        for row in review::ALL {
            assert!(ANSWERS.iter().any(|(kind, _)| std::ptr::eq(*kind, row)), "{row:?}");
        }
    }
}
