//! What a decision needs to know from outside. Decisions are pure: one that needs a webhook's answer stops and names its
//! questions; they are asked, and it is made again, with the answers at hand.

use crate::webhook::{Answer, Question};
use kubus_proto::ApiError;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How often one request may stop to ask: once for each mutating webhook that looks at it, and some to spare for objects
/// that change meanwhile.
pub const ROUNDS_LIMIT: usize = 256;
/// How many answers are kept for one request; the oldest go first.
const ANSWERS_LIMIT: usize = 512;

/// Why a decision could not be made.
#[derive(Debug)]
pub enum Stop {
    /// It is refused.
    Refused(ApiError),
    /// Webhooks must be asked first.
    Ask(Inquiry),
}

/// Questions that are asked together.
#[derive(Debug)]
pub struct Inquiry {
    /// What to ask.
    pub questions: Vec<Question>,
    /// Where the answers are looked for.
    pub memo: Memo,
}

/// The answers of one request. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Memo(Arc<Mutex<VecDeque<(Question, Answer)>>>);

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Stop::Refused(error)
    }
}

impl Memo {
    /// The answers to `questions`, in their order, or a stop to ask those that have none yet.
    pub fn answers(&self, questions: Vec<Question>) -> Result<Vec<Answer>, Stop> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |question: &Question| known.iter().find(|(asked, _)| asked == question).map(|(_, answer)| answer);
        let found: Vec<Option<Answer>> = questions.iter().map(|question| find(question).cloned()).collect();
        if found.iter().all(Option::is_some) {
            return Ok(found.into_iter().flatten().collect());
        }
        let open = questions.into_iter().zip(found).filter(|(_, answer)| answer.is_none());
        Err(Stop::Ask(Inquiry { questions: open.map(|(question, _)| question).collect(), memo: self.clone() }))
    }

    /// Keeps an answer.
    pub fn keep(&self, question: Question, answer: Answer) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ANSWERS_LIMIT {
            known.pop_front();
        }
        known.push_back((question, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Endpoint, Place};
    use serde_json::json;
    use std::time::Duration;

    fn question(body: &str) -> Question {
        let endpoint = Endpoint { place: Place::Url("https://h".into()), ca_bundle: Vec::new() };
        Question { endpoint, body: json!(body), timeout: Duration::from_secs(1) }
    }

    #[test]
    fn only_what_is_not_known_is_asked() {
        let memo = Memo::default();
        memo.keep(question("a"), Ok(json!(1)));
        let Err(Stop::Ask(inquiry)) = memo.answers(vec![question("a"), question("b")]) else { panic!("asks") };
        assert_eq!(inquiry.questions, [question("b")]);
        inquiry.memo.keep(question("b"), Ok(json!(2)));
        let answers = memo.answers(vec![question("b"), question("a")]).expect("both are known");
        assert_eq!(answers, [Ok(json!(2)), Ok(json!(1))]);
    }
}
