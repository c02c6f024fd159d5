//! What was measured, and how it is printed: rate, median, 99th percentile, ratio to the peer.

use std::time::Duration;

/// Latencies of one kind of operation and the time they took together.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    latencies: Vec<Duration>,
    span: Duration,
}

impl Figure {
    /// From all latencies and the wall time of the whole.
    pub fn new(mut latencies: Vec<Duration>, span: Duration) -> Self {
        latencies.sort();
        Self { latencies, span }
    }

    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.span.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that `share` (0 to 1) of the operations did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }

    /// Prints a line, with ratios to `peer` where there is one.
    pub fn print(&self, name: &str, peer: Option<&Figure>) {
        let ms = |d: Duration| format!("{:.2} ms", d.as_secs_f64() * 1e3);
        let mut line = format!(
            "{name:<38} {:>9.0}/s   p50 {:>9}   p99 {:>9}   n={}",
            self.rate(),
            ms(self.percentile(0.5)),
            ms(self.percentile(0.99)),
            self.latencies.len()
        );
        if let Some(peer) = peer {
            let slower = self.percentile(0.5).as_secs_f64() / peer.percentile(0.5).as_secs_f64().max(f64::EPSILON);
            line.push_str(&format!(
                "   rate {:.2}x, p50 {slower:.2}x of etcd's",
                self.rate() / peer.rate().max(f64::EPSILON)
            ));
        }
        println!("{line}");
    }
}

/// One value with its unit.
pub fn print_value(name: &str, value: impl std::fmt::Display) {
    println!("{name:<38} {value}");
}
