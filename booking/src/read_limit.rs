//! Limits the requests in flight that only read a user's bookings, in all and of one user. They
//! have connections of their own (`PostgresStore`), so reservations never wait behind them.

use std::collections::HashMap;

use parking_lot::Mutex;
use waitingroom_domain::ids::UserId;

use crate::error::BookingError;

/// Of one user: a page requests the list, the pending bookings and the summary at once.
const MAX_READS_PER_USER: u32 = 4;

/// In all: more would wait for too long.
const MAX_READS: u32 = 256;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct ReadLimiter(Mutex<InFlightReads>);

#[derive(Debug, Default)]
struct InFlightReads {
    per_user: HashMap<UserId, u32>,
    total: u32,
}

/// One read in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct ReadPermit<'a> {
    limiter: &'a ReadLimiter,
    /// None for a read that is nobody's in particular.
    user: Option<UserId>,
}

impl ReadLimiter {
    /// A permit for one read.
    ///
    /// # Errors
    /// [`BookingError::TooManyReads`] if the user has too many reads in flight,
    /// [`BookingError::Unavailable`] if all users together have.
    pub(crate) fn acquire(&self, user: &UserId) -> Result<ReadPermit<'_>, BookingError> {
        let mut in_flight = self.0.lock();
        if in_flight
            .per_user
            .get(user)
            .is_some_and(|reads| *reads >= MAX_READS_PER_USER)
        {
            return Err(BookingError::TooManyReads);
        }

        in_flight.begin()?;
        *in_flight.per_user.entry(user.clone()).or_default() += 1;
        Ok(ReadPermit {
            limiter: self,
            user: Some(user.clone()),
        })
    }

    /// A permit for one read of a client without an identity.
    ///
    /// # Errors
    /// [`BookingError::Unavailable`] if there are too many reads in flight.
    pub(crate) fn acquire_shared(&self) -> Result<ReadPermit<'_>, BookingError> {
        self.0.lock().begin()?;
        Ok(ReadPermit {
            limiter: self,
            user: None,
        })
    }
}

impl InFlightReads {
    fn begin(&mut self) -> Result<(), BookingError> {
        if self.total >= MAX_READS {
            return Err(BookingError::Unavailable(
                "too many requests for bookings are under way",
            ));
        }

        self.total += 1;
        Ok(())
    }
}

impl Drop for ReadPermit<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.limiter.0.lock();
        in_flight.total -= 1;
        let Some(user) = &self.user else { return };
        let left = in_flight.per_user.get_mut(user).map(|reads| {
            *reads -= 1;
            *reads
        });

        if left == Some(0) {
            in_flight.per_user.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u32) -> UserId {
        format!("u{number}").parse().unwrap()
    }

    #[test]
    fn limits_reads_per_user_and_in_all() {
        let limiter = ReadLimiter::default();
        let mut in_flight: Vec<_> = (0..MAX_READS_PER_USER)
            .map(|_| limiter.acquire(&user(0)).unwrap())
            .collect();

        assert!(matches!(
            limiter.acquire(&user(0)),
            Err(BookingError::TooManyReads)
        ));
        in_flight.extend(
            (MAX_READS_PER_USER..MAX_READS).map(|other| limiter.acquire(&user(other)).unwrap()),
        );
        assert!(matches!(
            limiter.acquire(&user(MAX_READS)),
            Err(BookingError::Unavailable(_))
        ));
        in_flight.truncate(1);
        drop(limiter.acquire(&user(0)).unwrap());
        in_flight.clear();

        let left = limiter.0.lock();
        assert_eq!((left.total, left.per_user.len()), (0, 0));
    }
}
