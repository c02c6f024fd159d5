//! Whether a connection has anything to do: one that has not for long is ended, of whatever version of HTTP it is.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Requests in work on one connection.
#[derive(Debug)]
pub struct Activity {
    in_work: Arc<watch::Sender<usize>>,
}

/// One request in work: ends when it is dropped.
#[derive(Debug)]
pub struct Busy {
    in_work: Arc<watch::Sender<usize>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.in_work.send_modify(|count| *count -= 1);
    }
}

impl Activity {
    /// Nothing in work.
    pub fn new() -> Self {
        Self { in_work: Arc::new(watch::Sender::new(0)) }
    }

    /// A request has begun.
    pub fn begin(&self) -> Busy {
        self.in_work.send_modify(|count| *count += 1);
        Busy { in_work: self.in_work.clone() }
    }

    /// Ready when nothing has been in work for `limit`.
    pub async fn idle(&self, limit: Duration) {
        let mut counts = self.in_work.subscribe();
        loop {
            // The sender lives as long as `self`.
            let _ = counts.wait_for(|count| *count == 0).await;
            if tokio::time::timeout(limit, counts.wait_for(|count| *count > 0)).await.is_err() {
                return;
            }
        }
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn only_what_has_nothing_to_do_is_idle() {
        let (activity, begun) = (Arc::new(Activity::new()), Instant::now());
        tokio::spawn({
            let activity = activity.clone();
            async move {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_secs(50)).await;
                    let first = activity.begin();
                    tokio::time::sleep(Duration::from_secs(200)).await;
                    drop((first, activity.begin()));
                }
            }
        });
        activity.idle(Duration::from_secs(90)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3 * 250 + 90));
    }
}
