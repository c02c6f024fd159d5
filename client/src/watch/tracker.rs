//! Decides what a watcher has seen, what it has missed and when it must ask: pure, one instance a watch.
//!
//! A watcher knows everything up to a revision. A change whose predecessor is later than that, or a bookmark that
//! names a later change, proves that something was missed; then the watcher asks the apiserver for the changes since.
//! A change that came too early is dropped and not kept: the answer will hold it too.

/// What to do with a change that came on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is the next one.
    Emit,
    /// It was seen before.
    Drop,
    /// Something before it is missing: ask.
    Ask,
}

/// What one watch knows.
#[derive(Clone, Debug)]
pub struct Tracker {
    known: u64,
    /// The latest revision there is proof of.
    proven: u64,
    term: u64,
    must_ask: bool,
}

impl Tracker {
    /// A watcher that knows everything up to `known` and has subscribed just now: what happened between must be asked
    /// for.
    pub fn new(known: u64) -> Self {
        Self { known, proven: known, term: 0, must_ask: true }
    }

    /// The revision everything is known up to.
    pub fn known(&self) -> u64 {
        self.known
    }

    /// The revision to ask from, where asking is due.
    pub fn asks(&self) -> Option<u64> {
        self.must_ask.then_some(self.known)
    }

    /// A change came; `previous` is the revision of the change before it in what is watched.
    pub fn change(&mut self, revision: u64, previous: u64) -> Step {
        if revision <= self.known {
            return Step::Drop;
        }
        if previous > self.known {
            self.prove(revision);
            return Step::Ask;
        }
        self.known = revision;
        self.proven = self.proven.max(revision);
        Step::Emit
    }

    /// A bookmark came: at `revision` of the store, the last change of what is watched was `last`. A leader of an
    /// earlier term than one heard before is not listened to.
    pub fn bookmark(&mut self, term: u64, revision: u64, last: u64) {
        if !self.hears(term) {
            return;
        }
        if last > self.known {
            self.prove(last);
        } else {
            self.advance(revision);
        }
    }

    /// A bookmark came that speaks of more than what is watched (all scopes): it proves no gap, but with nothing new
    /// anywhere there is nothing new here.
    pub fn wider_bookmark(&mut self, term: u64, revision: u64, last: u64) {
        if self.hears(term) && last <= self.known {
            self.advance(revision);
        }
    }

    /// Messages may have been lost, nobody knows which.
    pub fn interrupted(&mut self) {
        self.must_ask = true;
    }

    /// Whether a change out of the answer is new. Answers are in order and complete, so only its own revision counts.
    pub fn replayed(&mut self, revision: u64) -> bool {
        let new = revision > self.known;
        self.known = self.known.max(revision);
        new
    }

    /// The answer is read: it was complete up to `revision`, and there are `more` changes to ask for. Gives whether it
    /// brought the watcher any further; if not and asking is still due, the one who answered is behind.
    pub fn caught_up(&mut self, asked_from: u64, revision: u64, more: bool) -> bool {
        self.known = self.known.max(revision);
        self.must_ask = more || self.known < self.proven;
        self.known > asked_from
    }

    fn hears(&mut self, term: u64) -> bool {
        let heard = term >= self.term;
        self.term = self.term.max(term);
        heard
    }

    fn prove(&mut self, revision: u64) {
        self.proven = self.proven.max(revision);
        self.must_ask = true;
    }

    fn advance(&mut self, revision: u64) {
        // While asking is due, something below may be missing.
        if !self.must_ask {
            self.known = self.known.max(revision);
        }
    }
}

#[cfg(test)]
mod tests;
