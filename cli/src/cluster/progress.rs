//! What `up`, `down` and `node` show while they work: a spinner on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// One step under way.
pub struct Step {
    bar: Option<ProgressBar>,
    text: String,
}

/// Starts a step.
pub fn step(text: impl Into<String>) -> Step {
    let text = text.into();
    let bar = std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.set_message(text.clone());
        bar.enable_steady_tick(Duration::from_millis(80));
        bar
    });
    Step { bar, text }
}

impl Step {
    /// Says how far it is.
    pub fn update(&self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} ({detail})", self.text));
        }
    }

    /// Says that it is done.
    pub fn done(mut self, text: impl AsRef<str>) {
        match self.bar.take() {
            Some(bar) => {
                bar.finish_and_clear();
                eprintln!("\x1b[32m✔\x1b[0m {}", text.as_ref());
            }
            None => eprintln!("* {}", text.as_ref()),
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
