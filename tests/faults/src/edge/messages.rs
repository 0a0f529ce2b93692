//! Pub/Sub messages in what Redis answers: RESP, split into whole frames.

use std::time::Duration;

/// What happens to messages, by share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MessageFaults {
    /// Not delivered.
    pub lost: f64,
    /// Delivered twice.
    pub doubled: f64,
    /// Delivered late, and those behind them as well.
    pub late: f64,
    /// How late.
    pub late_by: Duration,
}

/// Bytes that are no whole frame yet.
#[derive(Debug, Default)]
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    /// The whole frames, after these bytes.
    pub(crate) fn add(&mut self, read: &[u8]) -> Vec<Vec<u8>> {
        self.0.extend_from_slice(read);
        let (mut frames, mut at) = (Vec::new(), 0);
        while let Some(end) = end_of_frame(&self.0, at) {
            frames.push(self.0[at..end].to_vec());
            at = end;
        }
        self.0.drain(..at);
        frames
    }
}

/// Is the frame a message of a channel?
pub(crate) fn is_message(frame: &[u8]) -> bool {
    let head = &frame[..frame.len().min(48)];
    let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    matches!(frame.first(), Some(b'*' | b'>'))
        && (has(b"\r\nmessage\r\n") || has(b"\r\nsmessage\r\n"))
}

/// Where the frame that begins here ends; `None` while it is not whole.
fn end_of_frame(bytes: &[u8], at: usize) -> Option<usize> {
    let line = bytes.get(at..)?.windows(2).position(|end| end == b"\r\n")? + at;
    let (kind, number) = (
        bytes[at],
        std::str::from_utf8(&bytes[at + 1..line])
            .ok()
            .and_then(|n| n.parse::<i64>().ok()),
    );

    let mut end = line + 2;
    match kind {
        b'$' | b'=' | b'!' => {
            if let Some(length @ 0..) = number {
                end += usize::try_from(length).ok()? + 2;
            }
            (bytes.len() >= end).then_some(end)
        }
        b'*' | b'>' | b'~' | b'%' | b'|' => {
            let parts =
                number.unwrap_or(0).max(0) * if matches!(kind, b'%' | b'|') { 2 } else { 1 };
            for _ in 0..parts {
                end = end_of_frame(bytes, end)?;
            }
            Some(end)
        }
        _ => Some(end),
    }
}
