//! When a request is asked again, and how soon: decisions without I/O.

use kubus_proto::Reason;
use std::time::Duration;

/// First pause between attempts, in milliseconds.
const FIRST_PAUSE_MS: u64 = 10;
/// Longest pause between attempts, in milliseconds: a new leader must not wait long for its first writes.
const LONGEST_PAUSE_MS: u64 = 200;

/// The pause before attempt `attempt` (counted from 0), drawn by `random` from the upper half of its range so that
/// many clients do not come back at the same moment.
pub(super) fn pause(attempt: u32, random: f64) -> Duration {
    let ceiling = FIRST_PAUSE_MS.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE_MS) as f64;
    Duration::from_secs_f64((ceiling / 2.0 + ceiling / 2.0 * random) / 1_000.0)
}

/// What an answer's code means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the answer.
    Final,
    /// It may go better soon.
    Again,
    /// It may go better if the answer names a time to wait.
    AgainIfTold,
}

/// Judges an answer by its code, so that a good one need not be looked into. Only what was not carried out, or is
/// protected by the request's id, is asked again.
pub(super) fn verdict(code: u16) -> Verdict {
    match code {
        429 => Verdict::AgainIfTold,
        503 | 504 => Verdict::Again,
        _ => Verdict::Final,
    }
}

/// The reason that stands for a code whose answer names none.
pub(super) fn reason_of(code: u16) -> Reason {
    match code {
        400 => Reason::BadRequest,
        401 => Reason::Unauthorized,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        405 => Reason::MethodNotAllowed,
        406 => Reason::NotAcceptable,
        409 => Reason::Conflict,
        410 => Reason::Expired,
        413 => Reason::RequestEntityTooLarge,
        415 => Reason::UnsupportedMediaType,
        422 => Reason::Invalid,
        429 => Reason::TooManyRequests,
        503 => Reason::ServiceUnavailable,
        504 => Reason::Timeout,
        507 => Reason::InsufficientStorage,
        _ => Reason::InternalError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_spread() {
        for (attempt, random, ms) in
            [(0, 0.0, 5), (0, 1.0, 10), (1, 1.0, 20), (4, 0.0, 80), (9, 1.0, 200), (999, 0.0, 100)]
        {
            assert_eq!(pause(attempt, random).as_millis(), ms, "{attempt} {random}");
        }
    }

    #[test]
    fn codes_and_reasons_agree() {
        for reason in [Reason::BadRequest, Reason::NotFound, Reason::Expired, Reason::TooManyRequests, Reason::Timeout]
        {
            assert_eq!(reason_of(reason.code()), reason);
            assert_eq!(verdict(reason.code()) != Verdict::Final, reason.retryable(), "{reason:?}");
        }
        assert_eq!(verdict(200), Verdict::Final);
        assert_eq!(verdict(Reason::ServiceUnavailable.code()), Verdict::Again);
    }
}
