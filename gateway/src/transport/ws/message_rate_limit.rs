//! Limits how many frames a client may send, of any kind, as they come off the wire: the library
//! replies to pings, drops pongs and joins fragments without a word to the caller, and each costs
//! as much as a message.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    rate::TokenBucket,
};

/// Max frames per second over time: many times what the web client needs.
const FRAMES_PER_SECOND: f64 = 20.0;
/// Max burst of frames.
const FRAME_BURST: u32 = 60;

/// The stream beneath a socket. Reading fails once the client has sent too many frames; writing
/// still works.
#[derive(Debug)]
pub(super) struct RateLimitedStream {
    stream: TcpStream,
    frames: FrameCounter,
    bucket: TokenBucket,
    clock: Clock,
}

/// A client has sent more frames than it may.
#[derive(Debug, thiserror::Error)]
#[error("too many frames")]
pub(super) struct TooManyFrames;

/// Was this why reading failed?
pub(super) fn is_rate_limit_error(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|error| error.is::<TooManyFrames>())
}

impl RateLimitedStream {
    /// Wraps a stream of which `early` was read with the handshake.
    pub(super) fn new(stream: TcpStream, early: &[u8], clock: Clock) -> Self {
        let mut limited = Self {
            stream,
            frames: FrameCounter::default(),
            bucket: TokenBucket::full(FRAME_BURST, clock.now()),
            clock,
        };
        let _ = limited.check(early); // too many are rejected with the next frame
        limited
    }

    /// The stream itself, without a limit.
    pub(super) fn raw(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), TooManyFrames> {
        match self.frames.count_started(bytes) {
            0 => Ok(()),
            frames => self.consume(frames, self.clock.now()),
        }
    }

    fn consume(&mut self, frames: u32, now: Timestamp) -> Result<(), TooManyFrames> {
        let bucket = self
            .bucket
            .refilled(FRAMES_PER_SECOND, FRAME_BURST.into(), now);
        let allowed = bucket.available(0, frames);

        self.bucket = bucket.take(allowed);

        if allowed == u64::from(frames) {
            Ok(())
        } else {
            Err(TooManyFrames)
        }
    }
}

impl AsyncRead for RateLimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let previous = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;

        Poll::Ready(
            self.check(&buffer.filled()[previous..])
                .map_err(io::Error::other),
        )
    }
}

impl AsyncWrite for RateLimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Finds where frames begin (RFC 6455, section 5.2), however the bytes are cut.
#[derive(Debug, Default)]
struct FrameCounter {
    /// Bytes of the current frame that are still to come, as far as its header was read.
    left: u64,
    head: FrameHeader,
}

/// Part of a frame's header that comes next.
#[derive(Debug, Default, Clone, Copy)]
enum FrameHeader {
    #[default]
    First,
    Second,
    /// So many bytes of the length are still to come; then the mask, if there is one.
    Length {
        bytes: u8,
        masked: bool,
    },
}

impl FrameCounter {
    /// How many frames begin in these bytes.
    fn count_started(&mut self, mut bytes: &[u8]) -> u32 {
        let mut begun = 0;
        while let Some((first, rest)) = bytes.split_first() {
            match self.head {
                FrameHeader::First if self.left > 0 => {
                    let skipped = usize::try_from(self.left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    self.left -= skipped as u64;
                    bytes = &bytes[skipped..];
                    continue;
                }
                FrameHeader::First => {
                    begun += 1;
                    self.head = FrameHeader::Second;
                }
                FrameHeader::Second => self.read_second_byte(*first),
                FrameHeader::Length { bytes, masked } => {
                    self.left = self.left << 8 | u64::from(*first);
                    self.head = FrameHeader::Length {
                        bytes: bytes - 1,
                        masked,
                    };
                    self.finish_length();
                }
            }
            bytes = rest;
        }

        begun
    }

    fn read_second_byte(&mut self, byte: u8) {
        let masked = byte & 0x80 != 0;
        let (length, bytes) = match byte & 0x7f {
            126 => (0, 2),
            127 => (0, 8),
            length => (u64::from(length), 0),
        };

        self.left = length;
        self.head = FrameHeader::Length { bytes, masked };
        self.finish_length();
    }

    fn finish_length(&mut self) {
        if let FrameHeader::Length { bytes: 0, masked } = self.head {
            self.left = self.left.saturating_add(if masked { 4 } else { 0 });
            self.head = FrameHeader::First;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };

    use super::*;

    #[test]
    fn counts_frames_when_split_anywhere() {
        let mut bytes = Vec::new();
        let mut frame = |frame: Frame| {
            frame.format(&mut bytes).unwrap();
        };

        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            frame(Frame::message(
                vec![0x81; length],
                OpCode::Data(Data::Continue),
                false,
            ));
            frame(Frame::ping(vec![0xff; 3]));
            let mut masked = Frame::message(vec![0x88; length], OpCode::Data(Data::Text), true);
            masked.header_mut().mask = Some([1, 2, 3, 4]);
            frame(masked);
        }

        let mut empty = Frame::pong(Vec::new());
        empty.header_mut().mask = Some([0; 4]);
        frame(empty);

        for size in [1, 2, 3, 7, 100, 256, bytes.len()] {
            let mut frames = FrameCounter::default();
            assert_eq!(
                bytes
                    .chunks(size)
                    .map(|part| frames.count_started(part))
                    .sum::<u32>(),
                25,
                "in pieces of {size}"
            );
        }
    }
}
