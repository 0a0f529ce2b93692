//! Reads of a user's bookings.

use std::sync::Arc;

use waitingroom_domain::ids::{BookingId, EventId, UserId};

use crate::{
    database_clock::DatabaseClock,
    error::BookingError,
    model::booking::Booking,
    read_limit::ReadLimiter,
    store::{Page, SharedStore, Summary},
};

/// See the module's documentation. Bookings are as they stand now by the database's clock.
pub(crate) struct BookingQueries {
    store: SharedStore,
    database_clock: Arc<DatabaseClock>,
    read_limiter: ReadLimiter,
}

impl BookingQueries {
    pub(crate) fn new(store: SharedStore, database_clock: Arc<DatabaseClock>) -> Self {
        Self {
            store,
            database_clock,
            read_limiter: ReadLimiter::default(),
        }
    }

    /// One booking of this user.
    pub(crate) async fn booking(
        &self,
        user: &UserId,
        booking: BookingId,
    ) -> Result<Booking, BookingError> {
        let _permit = self.read_limiter.acquire(user)?;
        let booking = self.store.booking(booking).await?;

        let own = booking
            .filter(|booking| booking.user == *user)
            .ok_or(BookingError::BookingNotFound)?;
        Ok(own.at(self.database_clock.now()))
    }

    /// A page of the user's bookings, newest first.
    pub(crate) async fn list(
        &self,
        user: &UserId,
        event: Option<EventId>,
        limit: u32,
        offset: u64,
    ) -> Result<Page, BookingError> {
        let _permit = self.read_limiter.acquire(user)?;
        let page = self.store.list(user, event, limit, offset).await?;

        let bookings = page
            .bookings
            .into_iter()
            .map(|booking| booking.at(self.database_clock.now()))
            .collect();
        Ok(Page { bookings, ..page })
    }

    /// The user's bookings that wait for confirmation.
    pub(crate) async fn pending(&self, user: &UserId) -> Result<Vec<Booking>, BookingError> {
        let _permit = self.read_limiter.acquire(user)?;
        let now = self.database_clock.now();
        Ok(self.store.pending(user, now).await?)
    }

    /// The user's live bookings in numbers, one summary for each currency.
    pub(crate) async fn summary(
        &self,
        user: &UserId,
        event: Option<EventId>,
    ) -> Result<Vec<Summary>, BookingError> {
        let _permit = self.read_limiter.acquire(user)?;
        let now = self.database_clock.now();
        Ok(self.store.summary(user, event, now).await?)
    }
}
