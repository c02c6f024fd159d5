//! TokenReview and SelfSubjectReview: whom a token lets in, and who asks.

use super::{Question, shown};
use kubus_proto::{ApiError, Reason};
use serde_json::{Value, json};

/// TokenReview.
pub fn token(question: &Question<'_>) -> Result<Value, ApiError> {
    let spec = &question.body["spec"];
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        let text = "token is required for TokenReview in authentication";
        return Err(ApiError::new(Reason::BadRequest, text));
    }
    let given = spec["audiences"].as_array().into_iter().flatten();
    let audiences: Vec<String> = given.filter_map(|a| a.as_str().map(str::to_owned)).collect();
    Ok(match question.api.tokens.check(token, &audiences, question.state, question.now) {
        Ok((user, audiences)) => json!({"authenticated": true, "user": shown(&user), "audiences": audiences}),
        Err(error) => json!({"user": {}, "error": format!("[invalid bearer token, {error}]")}),
    })
}

/// SelfSubjectReview.
pub fn own(question: &Question<'_>) -> Result<Value, ApiError> {
    Ok(json!({"userInfo": shown(&question.call.caller.user)}))
}
