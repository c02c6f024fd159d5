//! The tracker by tables, and against a bus that loses, repeats, delays and reorders.

use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, VecDeque};

fn caught_up(known: u64) -> Tracker {
    let mut tracker = Tracker::new(known);
    tracker.caught_up(known, known, false);
    tracker
}

#[test]
fn changes_are_taken_in_order_once() {
    for (what, known, revision, previous, step, after) in [
        ("the next one", 5, 6, 5, Step::Emit, 6),
        ("the next one of this resource, others between", 5, 9, 3, Step::Emit, 9),
        ("the first ever", 0, 4, 0, Step::Emit, 4),
        ("a repeat", 5, 5, 4, Step::Drop, 5),
        ("an old one", 5, 2, 0, Step::Drop, 5),
        ("one after a gap", 5, 9, 7, Step::Ask, 5),
    ] {
        let mut tracker = caught_up(known);
        assert_eq!(tracker.change(revision, previous), step, "{what}");
        assert_eq!(tracker.known(), after, "{what}");
        assert_eq!(tracker.asks().is_some(), step == Step::Ask, "{what}");
    }
}

#[test]
fn bookmarks_prove_gaps_and_advance() {
    for (what, term, revision, last, after, asks) in [
        ("nothing new", 2, 9, 5, 9, false),
        ("something missed", 2, 9, 7, 5, true),
        ("a deposed leader", 1, 9, 7, 5, false),
        ("behind us", 3, 4, 3, 5, false),
    ] {
        let mut tracker = caught_up(5);
        tracker.bookmark(2, 5, 5);
        tracker.bookmark(term, revision, last);
        assert_eq!((tracker.known(), tracker.asks().is_some()), (after, asks), "{what}");
    }
    let mut tracker = caught_up(5);
    tracker.wider_bookmark(1, 9, 7);
    assert_eq!((tracker.known(), tracker.asks()), (5, None), "other scopes changed");
    tracker.wider_bookmark(1, 9, 4);
    assert_eq!((tracker.known(), tracker.asks()), (9, None), "no scope changed");
    let mut tracker = Tracker::new(5);
    tracker.bookmark(1, 9, 4);
    assert_eq!(tracker.asks(), Some(5), "a bookmark does not take back that asking is due");
}

#[test]
fn asking_goes_on_until_the_proof_is_reached() {
    let mut tracker = caught_up(5);
    assert_eq!(tracker.change(9, 8), Step::Ask);
    assert!(!tracker.caught_up(5, 4, false), "the one who answers is behind");
    assert_eq!(tracker.asks(), Some(5));
    assert!(tracker.replayed(7));
    assert!(!tracker.replayed(7));
    assert!(tracker.caught_up(5, 7, true));
    assert_eq!(tracker.asks(), Some(7));
    tracker.caught_up(7, 12, false);
    assert_eq!((tracker.known(), tracker.asks()), (12, None));
    tracker.interrupted();
    assert_eq!(tracker.asks(), Some(12));
}

/// What the server has, and how it tells.
struct Server {
    log: Vec<(u64, u64, u64)>,
    revision: u64,
    term: u64,
}

impl Server {
    /// Commits a change of the watched thing, or of something else.
    fn commit(&mut self, watched: bool, key: u64) -> Option<Message> {
        self.revision += 1;
        if !watched {
            return None;
        }
        let previous = self.log.last().map_or(0, |(revision, ..)| *revision);
        self.log.push((self.revision, previous, key));
        Some(Message::Change { revision: self.revision, previous })
    }

    fn bookmark(&self) -> Message {
        let last = self.log.last().map_or(0, |(revision, ..)| *revision);
        Message::Bookmark { term: self.term, revision: self.revision, last }
    }
}

#[derive(Clone, Debug)]
enum Message {
    Change { revision: u64, previous: u64 },
    Bookmark { term: u64, revision: u64, last: u64 },
}

/// Answers of a server that may be behind, and that gives few changes at a time.
fn ask(tracker: &mut Tracker, server: &Server, seen: &mut Vec<u64>, random: &mut StdRng, wild: bool) {
    let Some(from) = tracker.asks() else { return };
    let horizon = if wild && random.random_bool(0.3) { server.revision.saturating_sub(3) } else { server.revision };
    let page = random.random_range(1..4);
    let due: Vec<u64> = server.log.iter().map(|(r, ..)| *r).filter(|r| *r > from && *r <= horizon).collect();
    let more = due.len() > page;
    for revision in due.iter().take(page) {
        if tracker.replayed(*revision) {
            seen.push(*revision);
        }
    }
    let complete = if more { due[page - 1] } else { horizon };
    tracker.caught_up(from, complete, more);
}

#[test]
fn whatever_the_bus_does_every_change_is_seen_once_and_in_order() {
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut server = Server { log: Vec::new(), revision: random.random_range(0..5), term: 1 };
        let start = server.revision;
        let (mut tracker, mut seen) = (Tracker::new(start), Vec::new());
        let mut bus: VecDeque<Message> = VecDeque::new();
        for _ in 0..random.random_range(50..300) {
            match random.random_range(0..100) {
                0..55 => bus.extend(server.commit(true, random.random_range(0..5))),
                55..70 => bus.extend(server.commit(false, 0)),
                70..76 => bus.push_back(server.bookmark()),
                // A leader dies: what it had not sent yet is gone, and an old message of it may still come.
                76..80 => {
                    let keep = bus.front().cloned().filter(|_| random.random_bool(0.5));
                    bus.clear();
                    server.term += 1;
                    bus.push_back(server.bookmark());
                    bus.extend(keep);
                }
                80..84 => {
                    bus.clear();
                    tracker.interrupted();
                }
                84..94 => ask(&mut tracker, &server, &mut seen, &mut random, true),
                _ => {}
            }
            for _ in 0..random.random_range(0..3) {
                let Some(message) = take(&mut bus, &mut random) else { break };
                hear(&mut tracker, message, &mut seen);
            }
        }
        // The bus heals: the next bookmarks come through, and answers are up to date.
        for _ in 0..200 {
            hear(&mut tracker, server.bookmark(), &mut seen);
            if tracker.asks().is_none() {
                break;
            }
            ask(&mut tracker, &server, &mut seen, &mut random, false);
        }
        let truth: Vec<u64> = server.log.iter().map(|(revision, ..)| *revision).collect();
        assert_eq!(seen, truth, "seed {seed}");
        let state = |revisions: &[u64]| -> BTreeMap<u64, u64> {
            server.log.iter().filter(|(r, ..)| revisions.contains(r)).map(|(r, _, key)| (*key, *r)).collect()
        };
        assert_eq!(state(&seen), state(&truth), "seed {seed}");
    }
}

fn hear(tracker: &mut Tracker, message: Message, seen: &mut Vec<u64>) {
    match message {
        Message::Change { revision, previous } => {
            if tracker.change(revision, previous) == Step::Emit {
                seen.push(revision);
            }
        }
        Message::Bookmark { term, revision, last } => tracker.bookmark(term, revision, last),
    }
}

/// The next message, unless the bus loses it; one of a few, so that they overtake each other; and perhaps not for the
/// last time.
fn take(bus: &mut VecDeque<Message>, random: &mut StdRng) -> Option<Message> {
    if bus.is_empty() {
        return None;
    }
    let at = if random.random_bool(0.2) { random.random_range(0..bus.len().min(4)) } else { 0 };
    let message = bus.remove(at)?;
    if random.random_bool(0.15) {
        return None;
    }
    if random.random_bool(0.1) {
        bus.push_back(message.clone());
    }
    Some(message)
}
