//! The receiving side of a stream without I/O: what each frame means, what was lost, how much credit to give.

use super::{Received, StreamError};
use kubus_proto::stream::{Frame, WINDOW_FRAMES};

/// Credit is renewed when this many frames have been read since it was last given: half a window, so that the sender
/// need not stop while credit is on its way.
const CREDIT_STEP_FRAMES: u64 = WINDOW_FRAMES as u64 / 2;

/// What a frame is to the reader.
#[derive(Debug)]
pub(super) enum Heard {
    /// Something to read.
    Item(Received),
    /// The node has begun what it was asked for.
    Ready,
    /// Nothing to read; the sender may go up to this number.
    Credit(u64),
    /// Nothing at all: a repeat.
    Nothing,
}

/// Checks the numbers of one direction.
#[derive(Debug, Default)]
pub(super) struct Order {
    expected: u64,
}

impl Order {
    /// Takes a frame. An error is final.
    pub(super) fn take(&mut self, frame: Frame) -> Result<Heard, StreamError> {
        match frame {
            Frame::Ready { sequence } => self.numbered(sequence, Heard::Ready),
            Frame::Data { sequence, channel, data } => {
                self.numbered(sequence, Heard::Item(Received::Data { channel, data }))
            }
            Frame::Close { sequence, channel } => self.numbered(sequence, Heard::Item(Received::Close { channel })),
            Frame::Credit { up_to } => Ok(Heard::Credit(up_to)),
            Frame::KeepAlive { sequence, up_to } => {
                self.nothing_lost_before(sequence)?;
                Ok(Heard::Credit(up_to))
            }
            Frame::End { sequence, exit_code, error } => {
                self.nothing_lost_before(sequence)?;
                if error.is_empty() {
                    Ok(Heard::Item(Received::End { exit_code }))
                } else {
                    Err(StreamError::Remote(error))
                }
            }
        }
    }

    fn numbered(&mut self, sequence: u64, heard: Heard) -> Result<Heard, StreamError> {
        self.nothing_lost_before(sequence)?;
        if sequence < self.expected {
            return Ok(Heard::Nothing);
        }
        self.expected += 1;
        Ok(heard)
    }

    fn nothing_lost_before(&self, sequence: u64) -> Result<(), StreamError> {
        if sequence > self.expected {
            return Err(StreamError::Lost { expected: self.expected, got: sequence });
        }
        Ok(())
    }
}

/// How far the other side may send.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    read: u64,
    given: u64,
}

impl Allowance {
    /// Before anything is read.
    pub(super) fn new() -> Self {
        Self { read: 0, given: u64::from(WINDOW_FRAMES) }
    }

    /// The other side may send frames with numbers below this.
    pub(super) fn up_to(&self) -> u64 {
        self.given
    }

    /// The reader took one frame; gives the new total where it is time to tell it.
    pub(super) fn read(&mut self) -> Option<u64> {
        self.read += 1;
        let may = self.read + u64::from(WINDOW_FRAMES);
        if may - self.given < CREDIT_STEP_FRAMES {
            return None;
        }
        self.given = may;
        Some(may)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn data(sequence: u64) -> Frame {
        Frame::Data { sequence, channel: 1, data: Bytes::from_static(b"x") }
    }

    fn end(sequence: u64, error: &str) -> Frame {
        Frame::End { sequence, exit_code: Some(3), error: error.to_owned() }
    }

    #[test]
    fn whatever_is_lost_is_noticed() {
        let alive = |sequence| Frame::KeepAlive { sequence, up_to: 9 };
        let close = |sequence| Frame::Close { sequence, channel: 0 };
        for (what, frames, expected) in [
            ("all there", vec![data(0), close(1), data(2), alive(3), end(3, "")], "item item item credit9 end3"),
            ("begun", vec![Frame::Ready { sequence: 0 }, data(1), end(2, "")], "ready item end3"),
            ("the beginning missing", vec![data(1)], "lost0:1"),
            ("repeats", vec![data(0), data(0), data(1), data(0), end(2, "")], "item nothing item nothing end3"),
            ("one missing", vec![data(0), data(2)], "item lost1:2"),
            ("the first missing", vec![data(1)], "lost0:1"),
            ("a close missing", vec![data(0), data(2)], "item lost1:2"),
            ("the tail missing, noticed at the end", vec![data(0), end(2, "")], "item lost1:2"),
            ("the tail missing, noticed in silence", vec![data(0), alive(2)], "item lost1:2"),
            ("failed", vec![data(0), end(1, "no such container")], "item remote:no such container"),
        ] {
            let mut order = Order::default();
            let heard: Vec<String> = frames
                .into_iter()
                .map(|frame| match order.take(frame) {
                    Ok(Heard::Item(Received::End { exit_code })) => format!("end{}", exit_code.expect("code")),
                    Ok(Heard::Item(_)) => "item".to_owned(),
                    Ok(Heard::Ready) => "ready".to_owned(),
                    Ok(Heard::Credit(up_to)) => format!("credit{up_to}"),
                    Ok(Heard::Nothing) => "nothing".to_owned(),
                    Err(StreamError::Lost { expected, got }) => format!("lost{expected}:{got}"),
                    Err(StreamError::Remote(error)) => format!("remote:{error}"),
                    Err(other) => other.to_string(),
                })
                .collect();
            assert_eq!(heard.join(" "), expected, "{what}");
        }
    }

    #[test]
    fn credit_follows_the_reader_by_half_windows() {
        let mut allowance = Allowance::new();
        let told: Vec<(u64, u64)> = (1..=100).filter_map(|i| allowance.read().map(|up_to| (i, up_to))).collect();
        assert_eq!(told, [(32, 96), (64, 128), (96, 160)]);
        assert_eq!(allowance.up_to(), 160);
    }
}
