//! Reading requests' bodies: each in time and within its limit, and all that are being read within
//! one budget.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use bytes::BytesMut;
use http_body_util::BodyExt;

use super::Place;
use crate::problem::{Code, Problem};

/// Longest body that is read before anything is known of who sends it, in bytes.
pub(super) const SMALL_BYTES: usize = 1024;
/// Longest body of an ordinary request, in bytes.
pub(super) const USUAL_BYTES: usize = 16 * 1024;
/// Longest body of an operator, in bytes: the largest legitimate one is a catalogue of a few
/// hundred zones, or a logo.
pub(super) const LARGE_BYTES: usize = 256 * 1024;

/// Time for a request's body to arrive once its headers have.
const DEADLINE: Duration = Duration::from_secs(10);
/// The same where nine of ten connections are taken.
const CROWDED_DEADLINE: Duration = Duration::from_secs(2);

/// Most bytes of bodies that this process has in memory before they are whole.
const BUDGET_BYTES: usize = 64 * 1024 * 1024;
static BUDGET: Budget = Budget::new(BUDGET_BYTES);

/// Bytes that may be held at the same time.
#[derive(Debug)]
struct Budget {
    max: usize,
    taken: AtomicUsize,
}

/// What one body holds of the budget; given back when dropped.
struct Share<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Budget {
    const fn new(max: usize) -> Self {
        Self {
            max,
            taken: AtomicUsize::new(0),
        }
    }

    fn share(&self) -> Share<'_> {
        Share {
            budget: self,
            bytes: 0,
        }
    }
}

impl Share<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        let before = self.budget.taken.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.budget.max {
            Err(Refused::NoRoom)
        } else {
            Ok(())
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why a body is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    TooLarge,
    NoRoom,
    Late,
    Broken,
}

impl Refused {
    fn problem(self) -> Problem {
        let (reason, problem) = match self {
            Self::TooLarge => (
                "too_large",
                Problem::new(Code::PayloadTooLarge, "the body is too large"),
            ),
            Self::NoRoom => (
                "no_room",
                Problem::unavailable(
                    "this node is reading too many bodies at once",
                    Duration::from_secs(1),
                ),
            ),
            Self::Late => (
                "late",
                Problem::new(Code::Malformed, "the body did not arrive in time"),
            ),
            Self::Broken => (
                "broken",
                Problem::new(Code::Malformed, "the body could not be read"),
            ),
        };
        metrics::counter!("stanchion_bodies_refused_total", "reason" => reason).increment(1);
        problem
    }
}

/// The request's body, of at most `max` bytes. A body that says of itself that it is longer is
/// refused unread; one that trickles in would hold its connection for as long as its sender likes.
///
/// # Errors
/// 413 for a longer one, 503 where all that is being read fills the budget, 400 for one that is
/// late or breaks off.
pub(super) async fn read(max: usize, request: Request) -> Result<Bytes, Problem> {
    let crowded = request
        .extensions()
        .get::<Place>()
        .is_some_and(Place::is_crowded);
    let deadline = if crowded { CROWDED_DEADLINE } else { DEADLINE };
    read_within(deadline, max, &BUDGET, request.into_body())
        .await
        .map_err(Refused::problem)
}

async fn read_within(
    deadline: Duration,
    max: usize,
    budget: &Budget,
    body: Body,
) -> Result<Bytes, Refused> {
    if body.size_hint().lower() > max as u64 {
        return Err(Refused::TooLarge);
    }
    tokio::time::timeout(deadline, collect(max, budget, body))
        .await
        .unwrap_or(Err(Refused::Late))
}

async fn collect(max: usize, budget: &Budget, mut body: Body) -> Result<Bytes, Refused> {
    let mut share = budget.share();
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::Broken)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if share.bytes + data.len() > max {
            return Err(Refused::TooLarge);
        }
        share.grow(data.len())?;
        // Most bodies come in one piece, which need not be copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::{StreamExt, stream};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(60);

    fn pieces(pieces: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(
            pieces
                .iter()
                .map(|piece| Ok::<_, io::Error>(piece.as_bytes())),
        ))
    }

    #[tokio::test]
    async fn pieces_are_put_together_and_the_budget_is_given_back() {
        let budget = Budget::new(100);
        let whole = read_within(LATE, 9, &budget, pieces(&["abc", "", "def", "ghi"])).await;
        assert_eq!(whole.as_deref(), Ok(&b"abcdefghi"[..]));
        assert_eq!(
            read_within(LATE, 8, &budget, pieces(&["abc", "def", "ghi"])).await,
            Err(Refused::TooLarge)
        );
        assert_eq!(
            read_within(LATE, 8, &budget, Body::from("abcdefghi")).await,
            Err(Refused::TooLarge)
        );
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = Body::from_stream(stream::pending::<io::Result<Bytes>>());
        assert_eq!(
            read_within(SOON, 10, &Budget::new(100), never).await,
            Err(Refused::Late)
        );
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_budget() {
        let budget = Budget::new(10);
        let half = stream::iter([io::Result::Ok("seven by")]).chain(stream::pending());
        let mut held = Box::pin(collect(100, &budget, Body::from_stream(half)));
        assert!(futures_util::poll!(&mut held).is_pending());
        assert_eq!(
            read_within(LATE, 100, &budget, Body::from("four")).await,
            Err(Refused::NoRoom)
        );
        assert_eq!(
            read_within(LATE, 100, &budget, Body::from("2!"))
                .await
                .as_deref(),
            Ok(&b"2!"[..])
        );
        drop(held);
        assert_eq!(
            read_within(LATE, 100, &budget, Body::from("four"))
                .await
                .as_deref(),
            Ok(&b"four"[..])
        );
    }
}
