//! Who a request is from: authenticated on the state, as another user where that is asked for and allowed.

use super::{Api, store_error};
use crate::authenticate::{Caller, Refusal, authenticate, impersonation, unauthorized};
use crate::state::State;
use jiff::Timestamp;
use kubus_proto::ApiError;
use kubus_proto::user::OnBehalf;

impl Api {
    /// The user behind a request. What a state that may be behind refuses is asked of the newest once more.
    pub(super) async fn sender(&self, identity: &str, on_behalf: Option<&OnBehalf>) -> Result<Caller, ApiError> {
        let Some(on_behalf) = on_behalf else { return Ok(Caller::of_identity(identity)) };
        match self.sender_now(identity, on_behalf) {
            Ok(caller) => Ok(caller),
            Err(refusal) => {
                if matches!(&refusal, Refusal::Token(error) if !error.may_pass()) {
                    return Err(answer(identity, refusal));
                }
                self.store.barrier().await.map_err(store_error)?;
                self.sender_now(identity, on_behalf).map_err(|refusal| answer(identity, refusal))
            }
        }
    }

    /// Whether something is allowed; what a state that may be behind refuses is asked of the newest once more.
    pub(super) async fn authorized(&self, may: impl Fn(&State) -> Result<(), ApiError> + Send) -> Result<(), ApiError> {
        if may(&self.store.state()).is_ok() {
            return Ok(());
        }
        self.store.barrier().await.map_err(store_error)?;
        may(&self.store.state())
    }

    fn sender_now(&self, identity: &str, on_behalf: &OnBehalf) -> Result<Caller, Refusal> {
        let state = self.store.state();
        let check = |token: &str| self.tokens.check(token, &[], &state, Timestamp::now()).map(|(user, _)| user);
        let caller = authenticate(identity, Some(on_behalf), check)?;
        let Some(wanted) = &on_behalf.impersonate else { return Ok(caller) };
        let user =
            self.access.see(&state, |sight| impersonation::impersonate(caller.part, &caller.user, wanted, sight))?;
        Ok(Caller { user, part: None, actor: Some(caller.user.clone()), ..caller })
    }
}

/// What the sender is told: of a token that lets nobody in no more than that.
fn answer(identity: &str, refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Token(error) => {
            tracing::info!(identity, %error, "a bearer token is refused");
            unauthorized()
        }
        Refusal::Error(error) => error,
    }
}
