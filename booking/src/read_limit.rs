//! Requests that only read a user's bookings: how many are under way, in all and of one user. What
//! they wait for is theirs alone (`PostgresStore` has connections for reads), so those who reserve
//! never wait behind them.

use std::collections::HashMap;

use parking_lot::Mutex;
use waitingroom::ids::UserId;

use crate::error::BookingError;

/// Of one user: a page asks for a list, what is pending and a sum at once.
const OF_A_USER: u32 = 4;

/// In all: more would wait longer than anybody wants to.
const IN_ALL: u32 = 256;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct ReadLimiter(Mutex<InFlightReads>);

#[derive(Debug, Default)]
struct InFlightReads {
    of_users: HashMap<UserId, u32>,
    in_all: u32,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct ReadPermit<'a> {
    reads: &'a ReadLimiter,
    user: UserId,
}

impl ReadLimiter {
    /// Begins one.
    ///
    /// # Errors
    /// [`BookingError::TooManyReads`] if the user has others under way, [`BookingError::Unavailable`] if all
    /// together have too many.
    pub(crate) fn begin(&self, user: &UserId) -> Result<ReadPermit<'_>, BookingError> {
        let mut under_way = self.0.lock();
        if under_way
            .of_users
            .get(user)
            .is_some_and(|reads| *reads >= OF_A_USER)
        {
            return Err(BookingError::TooManyReads);
        }
        if under_way.in_all >= IN_ALL {
            return Err(BookingError::Unavailable(
                "too many requests for bookings are under way",
            ));
        }
        under_way.in_all += 1;
        *under_way.of_users.entry(user.clone()).or_default() += 1;
        Ok(ReadPermit {
            reads: self,
            user: user.clone(),
        })
    }
}

impl Drop for ReadPermit<'_> {
    fn drop(&mut self) {
        let mut under_way = self.reads.0.lock();
        under_way.in_all -= 1;
        let left = under_way.of_users.get_mut(&self.user).map(|reads| {
            *reads -= 1;
            *reads
        });
        if left == Some(0) {
            under_way.of_users.remove(&self.user);
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
    fn one_user_has_a_few_at_once_and_all_together_a_bounded_number() {
        let reads = ReadLimiter::default();
        let mut under_way: Vec<_> = (0..OF_A_USER)
            .map(|_| reads.begin(&user(0)).unwrap())
            .collect();
        assert!(matches!(
            reads.begin(&user(0)),
            Err(BookingError::TooManyReads)
        ));
        under_way.extend((OF_A_USER..IN_ALL).map(|other| reads.begin(&user(other)).unwrap()));
        assert!(matches!(
            reads.begin(&user(IN_ALL)),
            Err(BookingError::Unavailable(_))
        ));
        under_way.truncate(1);
        drop(reads.begin(&user(0)).unwrap());
        under_way.clear();
        let left = reads.0.lock();
        assert_eq!((left.in_all, left.of_users.len()), (0, 0));
    }
}
