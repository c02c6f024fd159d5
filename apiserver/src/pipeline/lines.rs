//! Writers of one object line up: of those who would change the same object only one tries at a time, so that a
//! crowd makes progress one by one instead of failing against each other.

use crate::state::Key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

type Line = Arc<tokio::sync::Mutex<()>>;

/// One line for each object that is being written.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<Key, Line>>);

/// The head of a line; the next one follows when it is dropped.
pub struct Turn<'a> {
    lines: &'a Lines,
    key: Key,
    line: Line,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Lines {
    /// Waits for the turn to write `key`.
    pub async fn turn(&self, key: &Key) -> Turn<'_> {
        let line = {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.entry(key.clone()).or_default().clone()
        };
        // The turn is made first, so that a writer who gives up while waiting leaves the line tidy.
        let mut turn = Turn { lines: self, key: key.clone(), line: line.clone(), guard: None };
        turn.guard = Some(line.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one: nobody else stands in the line, and nobody can enter it without the map.
        if Arc::strong_count(&self.line) <= 2 {
            lines.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_no_line_is_left_behind() {
        let lines = Arc::new(Lines::default());
        let inside = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let key = Key::new("/pods", "a", "b");
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (lines, inside, key) = (lines.clone(), inside.clone(), key.clone());
                tokio::spawn(async move {
                    let _turn = lines.turn(&key).await;
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                })
            })
            .collect();
        tasks[49].abort();
        for task in tasks {
            let _ = task.await;
        }
        let other = lines.turn(&Key::new("/pods", "a", "c")).await;
        assert_eq!(lines.0.lock().expect("lines").len(), 1);
        drop(other);
        assert!(lines.0.lock().expect("lines").is_empty());
    }
}
