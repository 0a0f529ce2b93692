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

use super::ConnectionPermit;
use crate::problem::{Code, Problem};

/// Longest body that is read before anything is known of who sends it, in bytes.
pub(super) const SMALL_BYTES: usize = 1024;
/// Longest body of an ordinary request, in bytes.
pub(super) const DEFAULT_BYTES: usize = 16 * 1024;
/// Longest body of an operator, in bytes: the largest legitimate one is a catalogue of a few
/// hundred zones, or a logo.
pub(super) const LARGE_BYTES: usize = 256 * 1024;

/// Time for a request's body to arrive once its headers have.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where nine of ten connections are taken.
const CROWDED_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Most bytes of bodies that this process has in memory before they are whole.
const BUDGET_BYTES: usize = 64 * 1024 * 1024;
static BUDGET: ByteBudget = ByteBudget::new(BUDGET_BYTES);

/// Bytes that may be held at the same time.
#[derive(Debug)]
struct ByteBudget {
    max: usize,
    taken: AtomicUsize,
}

/// What one body holds of the budget; given back when dropped.
struct BudgetShare<'a> {
    budget: &'a ByteBudget,
    bytes: usize,
}

impl ByteBudget {
    const fn new(max: usize) -> Self {
        Self {
            max,
            taken: AtomicUsize::new(0),
        }
    }

    fn share(&self) -> BudgetShare<'_> {
        BudgetShare {
            budget: self,
            bytes: 0,
        }
    }
}

impl BudgetShare<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), BodyError> {
        let before = self.budget.taken.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.budget.max {
            Err(BodyError::BudgetExceeded)
        } else {
            Ok(())
        }
    }
}

impl Drop for BudgetShare<'_> {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why a body is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyError {
    TooLarge,
    BudgetExceeded,
    TimedOut,
    Interrupted,
}

impl BodyError {
    fn problem(self) -> Problem {
        let (reason, problem) = match self {
            Self::TooLarge => (
                "too_large",
                Problem::new(Code::PayloadTooLarge, "the body is too large"),
            ),
            Self::BudgetExceeded => (
                "no_room",
                Problem::unavailable(
                    "this node is reading too many bodies at once",
                    Duration::from_secs(1),
                ),
            ),
            Self::TimedOut => (
                "late",
                Problem::new(Code::Malformed, "the body did not arrive in time"),
            ),
            Self::Interrupted => (
                "broken",
                Problem::new(Code::Malformed, "the body could not be read"),
            ),
        };
        metrics::counter!(crate::metric_definitions::BODIES_REJECTED, "reason" => reason)
            .increment(1);
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
        .get::<ConnectionPermit>()
        .is_some_and(ConnectionPermit::is_crowded);
    let timeout = if crowded {
        CROWDED_BODY_TIMEOUT
    } else {
        BODY_TIMEOUT
    };

    read_with_timeout(timeout, max, &BUDGET, request.into_body())
        .await
        .map_err(BodyError::problem)
}

async fn read_with_timeout(
    timeout: Duration,
    max: usize,
    budget: &ByteBudget,
    body: Body,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge);
    }
    tokio::time::timeout(timeout, collect(max, budget, body))
        .await
        .unwrap_or(Err(BodyError::TimedOut))
}

async fn collect(max: usize, budget: &ByteBudget, mut body: Body) -> Result<Bytes, BodyError> {
    let mut share = budget.share();
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());

    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Interrupted)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if share.bytes + data.len() > max {
            return Err(BodyError::TooLarge);
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
        let budget = ByteBudget::new(100);
        let whole = read_with_timeout(LATE, 9, &budget, pieces(&["abc", "", "def", "ghi"])).await;

        assert_eq!(whole.as_deref(), Ok(&b"abcdefghi"[..]));
        assert_eq!(
            read_with_timeout(LATE, 8, &budget, pieces(&["abc", "def", "ghi"])).await,
            Err(BodyError::TooLarge)
        );
        assert_eq!(
            read_with_timeout(LATE, 8, &budget, Body::from("abcdefghi")).await,
            Err(BodyError::TooLarge)
        );
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = Body::from_stream(stream::pending::<io::Result<Bytes>>());
        assert_eq!(
            read_with_timeout(SOON, 10, &ByteBudget::new(100), never).await,
            Err(BodyError::TimedOut)
        );
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_budget() {
        let budget = ByteBudget::new(10);
        let half = stream::iter([io::Result::Ok("seven by")]).chain(stream::pending());
        let mut held = Box::pin(collect(100, &budget, Body::from_stream(half)));

        assert!(futures_util::poll!(&mut held).is_pending());
        assert_eq!(
            read_with_timeout(LATE, 100, &budget, Body::from("four")).await,
            Err(BodyError::BudgetExceeded)
        );
        assert_eq!(
            read_with_timeout(LATE, 100, &budget, Body::from("2!"))
                .await
                .as_deref(),
            Ok(&b"2!"[..])
        );
        drop(held);

        assert_eq!(
            read_with_timeout(LATE, 100, &budget, Body::from("four"))
                .await
                .as_deref(),
            Ok(&b"four"[..])
        );
    }
}
