//! The problems of this role's routes, as responses of the OpenAPI document.

waitingroom_server::problem_responses! {
    pub(super) fn register;
    AlreadyExists: [AlreadyExists];
    PreconditionFailed: [PreconditionFailed];
    BookingNotFound: [BookingNotFound];
    CalendarNotFound: [EventNotFound, ShowNotFound];
    BookingCalendarNotFound: [BookingNotFound, EventNotFound, ShowNotFound];
    NotPending: [BookingExpired, BookingNotPending];
    PassRejected: [
        PassRequired, PassInvalid, PassExpired, PassWrongUser, PassWrongEvent, PassRevoked,
    ];
    SeatsNotFound: [EventNotFound, ShowNotFound, ZoneNotFound];
    ReservationConflict: [
        PassUsed, InsufficientSeats, UserLimitExceeded, QueueClosed, BookingExpired,
        BookingNotPending,
    ];
    ReservationInvalid: [InvalidField, IdempotencyMismatch];
}
