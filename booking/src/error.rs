//! Booking's errors, and the one place that maps each to a problem for the client.

use std::time::Duration;

use waitingroom_engine::EngineError;
use waitingroom_server::problem::{Code, Conflict, Problem};

use crate::{model::booking::Status, store::StoreError};

/// When a client may try again after a temporary failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BookingError {
    /// The user has too many requests in flight.
    #[error("too many requests of one user at once")]
    TooManyReads,
    /// No such event.
    #[error("no such event")]
    EventNotFound,
    /// The event has no such show.
    #[error("no such show")]
    ShowNotFound,
    /// The show has no such zone.
    #[error("no such zone")]
    ZoneNotFound,
    /// The user has no such booking.
    #[error("no such booking")]
    BookingNotFound,
    /// No pass came with the request.
    #[error("no pass")]
    PassRequired,
    /// The pass was not issued here.
    #[error("the pass is invalid")]
    PassInvalid,
    /// The pass has expired.
    #[error("the pass has expired")]
    PassExpired,
    /// The pass was issued to another user.
    #[error("the pass was issued to another user")]
    PassWrongUser,
    /// The pass is for another event.
    #[error("the pass is for another event")]
    PassWrongEvent,
    /// A booking was made with the pass.
    #[error("the pass was used")]
    PassUsed,
    /// The pass was revoked.
    #[error("the pass was taken back")]
    PassRevoked,
    /// Fewer seats are left than requested.
    #[error("{0} seats left")]
    InsufficientSeats(u32),
    /// The user may have fewer seats than requested.
    #[error("{0} more seats allowed")]
    UserLimit(u32),
    /// The sale is closed.
    #[error("the sale is closed")]
    SaleClosed,
    /// The user is not in this queue.
    #[error("not in the queue")]
    NotInQueue,
    /// Guests of this address have made too many bookings; the time until one of them counts no
    /// more.
    #[error("too many bookings of guests from one address")]
    GuestLimitExceeded(Duration),
    /// The code is of no booking.
    #[error("no booking has this code")]
    CodeUnknown,
    /// Too many codes from one address were none; the time until one more may be tried.
    #[error("too many wrong codes from one address")]
    TooManyCodes(Duration),
    /// It is not known when the show begins, so that a calendar cannot have it.
    #[error("no start time")]
    NoStartTime,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
    /// The hold was over before it was confirmed.
    #[error("the booking has expired")]
    BookingExpired,
    /// The booking is not pending any more.
    #[error("the booking is {}", .0.as_str())]
    BookingNotPending(Status),
    /// An id is taken.
    #[error("{0} already exists")]
    AlreadyExists(&'static str),
    /// The value is not the one that the caller expects.
    #[error("changed since it was read")]
    PreconditionFailed(Box<Conflict>),
    /// A temporary failure: nothing was changed, or a repeated request is safe.
    #[error("not now: {0}")]
    Unavailable(&'static str),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for BookingError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists(what) => Self::AlreadyExists(what),
            other => Self::Store(other),
        }
    }
}

impl BookingError {
    /// The code of the API's problem, and the label of metrics.
    pub fn code(&self) -> Code {
        match self {
            Self::EventNotFound => Code::EventNotFound,
            Self::ShowNotFound | Self::NoStartTime => Code::ShowNotFound,
            Self::ZoneNotFound => Code::ZoneNotFound,
            Self::BookingNotFound | Self::CodeUnknown => Code::BookingNotFound,
            Self::PassRequired => Code::PassRequired,
            Self::PassInvalid => Code::PassInvalid,
            Self::PassExpired => Code::PassExpired,
            Self::PassWrongUser => Code::PassWrongUser,
            Self::PassWrongEvent => Code::PassWrongEvent,
            Self::PassUsed => Code::PassUsed,
            Self::PassRevoked => Code::PassRevoked,
            Self::InsufficientSeats(_) => Code::InsufficientSeats,
            Self::UserLimit(_) => Code::UserLimitExceeded,
            Self::SaleClosed => Code::QueueClosed,
            Self::GuestLimitExceeded(_) | Self::TooManyCodes(_) => Code::RateLimited,
            Self::NotInQueue => Code::NotInQueue,
            Self::IdempotencyMismatch => Code::IdempotencyMismatch,
            Self::BookingExpired => Code::BookingExpired,
            Self::BookingNotPending(_) => Code::BookingNotPending,
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::PreconditionFailed(_) => Code::PreconditionFailed,
            Self::TooManyReads => Code::RateLimited,
            Self::Unavailable(_) | Self::Engine(_) => Code::Unavailable,
            Self::Store(StoreError::Corrupt(_)) => Code::Internal,
            Self::Store(_) => Code::Unavailable,
        }
    }

    /// True for a failure of the service, a 5xx.
    pub(crate) fn is_server_error(&self) -> bool {
        matches!(self.code(), Code::Unavailable | Code::Internal)
    }

    fn detail(&self) -> String {
        match self {
            Self::EventNotFound => "there is no event with this event_id".into(),
            Self::ShowNotFound => "the event has no show with this show_id".into(),
            Self::ZoneNotFound => "the show has no zone with this zone_id".into(),
            Self::BookingNotFound => "you have no booking with this id".into(),
            Self::CodeUnknown => "no booking has this code".into(),
            Self::TooManyCodes(_) => {
                "too many codes of this address were wrong; try again in a moment".into()
            }
            Self::NoStartTime => "it is not known when the show begins".into(),
            Self::PassRequired => {
                "send the pass in the header X-Queue-Pass or in queue_pass".into()
            }
            Self::PassInvalid => "the pass is malformed or was not issued here".into(),
            Self::PassExpired => "the pass has expired; join the queue again".into(),
            Self::PassWrongUser => "the pass was issued to another user".into(),
            Self::PassWrongEvent => "the pass was issued for another event".into(),
            Self::PassUsed => {
                "a booking was made with this pass; join the queue again for another".into()
            }
            Self::PassRevoked => {
                "the pass was revoked: it was not claimed in time or the user left the queue".into()
            }
            Self::InsufficientSeats(left) => format!("the zone has {left} seats left"),
            Self::UserLimit(0) => "you have reached the seat limit for this event".into(),
            Self::UserLimit(room) => format!("you can hold {room} more seats for this event"),
            Self::GuestLimitExceeded(_) => {
                "guests of this address have too many bookings; sign in, or try again later".into()
            }
            Self::SaleClosed => "the sale is closed: no more seats are reserved".into(),
            Self::NotInQueue => "this user is not in the queue".into(),
            Self::IdempotencyMismatch => "this idempotency key was used for another request".into(),
            Self::BookingExpired => {
                "the booking was not confirmed in time; its seats were released".into()
            }
            Self::BookingNotPending(status) => {
                format!("the booking is {} already", status.as_str())
            }
            Self::AlreadyExists(what) => format!("{what} already exists"),
            Self::PreconditionFailed(_) => {
                "the settings are not those of If-Match; read them again, or send no If-Match"
                    .into()
            }
            Self::TooManyReads => {
                "you have other requests for your bookings in progress; wait for their responses"
                    .into()
            }
            Self::Unavailable(why) => (*why).into(),
            Self::Engine(_) => "the queue is temporarily unavailable".into(),
            Self::Store(StoreError::Corrupt(_)) => "internal error".into(),
            Self::Store(_) => "the database is temporarily unavailable".into(),
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::EventNotFound => Some("event_id"),
            Self::ShowNotFound => Some("show_id"),
            Self::ZoneNotFound => Some("zone_id"),
            Self::InsufficientSeats(_) | Self::UserLimit(_) => Some("quantity"),
            Self::IdempotencyMismatch => Some("idempotency_key"),
            Self::AlreadyExists(what) => Some(what),
            _ => None,
        }
    }
}

impl From<BookingError> for Problem {
    fn from(error: BookingError) -> Self {
        log(&error);
        let code = error.code();
        let mut problem = Self::new(code, error.detail());
        if let Some(field) = error.field() {
            problem = problem.field(field);
        }

        match error {
            BookingError::GuestLimitExceeded(after) | BookingError::TooManyCodes(after) => {
                problem.retry_after(after)
            }
            BookingError::PreconditionFailed(conflict) => problem.conflict(*conflict),
            _ if matches!(code, Code::Unavailable | Code::RateLimited) => {
                problem.retry_after(RETRY_AFTER)
            }
            _ => problem,
        }
    }
}

/// Failures of the service are logged here, once; rejected requests are not.
fn log(error: &BookingError) {
    match error {
        BookingError::Store(error) => tracing::warn!(%error, "request failed: database error"),
        BookingError::Engine(error) => tracing::warn!(%error, "request failed: engine error"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The catalogue says which events there are. An engine that does not know one has lost it, and
    /// gets it back.
    #[test]
    fn event_lost_by_engine_is_unavailable() {
        let lost = BookingError::from(EngineError::UnknownEvent);
        assert_eq!((lost.code(), lost.field()), (Code::Unavailable, None));
        assert_eq!(BookingError::EventNotFound.code(), Code::EventNotFound);
    }
}
