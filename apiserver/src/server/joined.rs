//! Attempts of one write join: a client asks again while a slow webhook is still being waited for, and must not have the
//! write begun a second time.

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use kubus_proto::ApiResponse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

type Answer = Shared<BoxFuture<'static, ApiResponse>>;

/// Writes in work, by who sent them and under which id. Bounded by the number of requests in work.
#[derive(Clone, Default)]
pub struct Joined(Arc<Mutex<HashMap<(String, Uuid), Answer>>>);

impl Joined {
    /// Begins a write, or joins the attempt that has begun it.
    pub async fn answer(
        &self,
        identity: &str,
        id: Uuid,
        begin: impl Future<Output = ApiResponse> + Send + 'static,
    ) -> ApiResponse {
        let key = (identity.to_owned(), id);
        let answer = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(key.clone()).or_insert_with(|| begin.boxed().shared()).clone()
        };
        // Whoever gives up first must not leave the others' entry behind for ever.
        let _leave = Leave { all: self, key };
        answer.await
    }
}

struct Leave<'a> {
    all: &'a Joined,
    key: (String, Uuid),
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_repeated_attempt_waits_for_the_first() {
        let (joined, begun) = (Joined::default(), Arc::new(AtomicUsize::new(0)));
        let (finish, finished) = tokio::sync::watch::channel(false);
        let attempt = || {
            let (joined, begun, mut finished) = (joined.clone(), begun.clone(), finished.clone());
            tokio::spawn(async move {
                let work = async move {
                    begun.fetch_add(1, Ordering::Relaxed);
                    let _ = finished.wait_for(|done| *done).await;
                    ApiResponse {
                        code: 201,
                        warnings: Vec::new(),
                        content_type: String::new(),
                        body: Vec::new().into(),
                    }
                };
                joined.answer("admin", Uuid::nil(), work).await.code
            })
        };
        let attempts: Vec<_> = (0..3).map(|_| attempt()).collect();
        // All three run on this thread, one after the other.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        finish.send(true).expect("attempts wait");
        for attempt in attempts {
            assert_eq!(attempt.await.expect("attempt"), 201);
        }
        assert!(joined.0.lock().expect("map").is_empty());
    }
}
