//! A closed loop: some clients, each asking again when it is answered.

use crate::figures::Figure;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Runs `operation` with a running number from `clients` at once for `span`. Fails where one operation fails.
pub async fn run<F, O>(clients: usize, span: Duration, operation: F) -> anyhow::Result<Figure>
where
    F: Fn(usize, u64) -> O + Clone + Send + 'static,
    O: Future<Output = anyhow::Result<()>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (operation, next) = (operation.clone(), next.clone());
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < span {
                let asked = Instant::now();
                operation(client, next.fetch_add(1, Ordering::Relaxed)).await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(latencies) = tasks.join_next().await {
        all.extend(latencies??);
    }
    Ok(Figure::new(all, started.elapsed()))
}
