//! Where a command's text goes to and comes from; tests take a buffer for it.

use std::io::{IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Standard input, output and error of one command.
pub struct Console {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    input: Mutex<Box<dyn Read + Send>>,
    /// Whether someone looks at the output.
    pub is_terminal: bool,
    closed: AtomicBool,
    /// Why stdout did not take what was written, unless its reader simply had enough.
    failure: Mutex<Option<std::io::Error>>,
}

impl Console {
    /// The streams of the process.
    pub fn standard() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self::new(Box::new(std::io::stdout()), Box::new(std::io::stderr()), Box::new(std::io::stdin()), is_terminal)
    }

    /// Any streams.
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        input: Box<dyn Read + Send>,
        is_terminal: bool,
    ) -> Self {
        Self {
            out: out.into(),
            err: err.into(),
            input: input.into(),
            is_terminal,
            closed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Writes to stdout at once.
    pub fn write(&self, bytes: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
            self.closed.store(true, Ordering::Relaxed);
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }

    /// Whether everything that was written got out: a listing cut short by a full disk must not look whole.
    pub fn check(&self) -> crate::error::Result<()> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => crate::fail!("write /dev/stdout: {error}"),
            None => Ok(()),
        }
    }

    /// Writes text to stdout.
    pub fn print(&self, text: &str) {
        self.write(text.as_bytes());
    }

    /// Writes a line to stdout.
    pub fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Writes to stderr at once.
    pub fn write_error(&self, bytes: &[u8]) {
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing can be said where stderr is closed.
        let _ = err.write_all(bytes).and_then(|()| err.flush());
    }

    /// Writes a line to stderr.
    pub fn error_line(&self, text: &str) {
        self.write_error(format!("{text}\n").as_bytes());
    }

    /// All of stdin.
    pub fn read_input(&self) -> std::io::Result<String> {
        let mut text = String::new();
        self.input.lock().unwrap_or_else(PoisonError::into_inner).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Whether nobody reads stdout any more (`kubus logs -f x | head`); endless commands end then.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}
