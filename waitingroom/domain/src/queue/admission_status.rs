//! Whether a queue releases users at this moment, and if not, the one reason to name to operators.

use serde::Serialize;
use utoipa::ToSchema;

use super::{QueueSettings, SaleState};

/// What decides how many users a queue releases. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionStatus {
    /// The sale has not been opened.
    Scheduled,
    /// The sale is over.
    Closed,
    /// An operator paused the sale.
    Paused,
    /// Every seat is sold.
    SoldOut,
    /// The queue is frozen for a planned restart of its store.
    HandedOver,
    /// The queue is being rebuilt after a loss.
    Rebuilding,
    /// The seats are not counted yet.
    CountingSeats,
    /// No queue worker is running.
    NoWorker,
    /// No booking process can take reservations.
    BookingUnavailable,
    /// The configured rate is 0.
    RateZero,
    /// All seats that are not sold are held.
    SeatsHeld,
    /// The queue is empty.
    Empty,
    /// Every user in the queue is absent.
    AllAbsent,
    /// As many passes are active as the cap allows; users follow as others finish.
    CapReached,
    /// Users are released below the configured rate, because booking is overloaded.
    Throttled,
    /// Users are released at the configured rate.
    Releasing,
}

impl AdmissionStatus {
    /// True if users in the queue wait and none of them moves until something changes.
    pub const fn stands_still(self) -> bool {
        !matches!(
            self,
            Self::Empty | Self::CapReached | Self::Throttled | Self::Releasing
        )
    }
}

/// What [`AdmissionConditions::status`] decides by.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionConditions<'a> {
    /// The settings in force.
    pub settings: &'a QueueSettings,
    /// The share of the configured rate that the throttle leaves, 0 to 1.
    pub share: f64,
    /// Users in the queue without a pass.
    pub total: u64,
    /// Those of them who are absent.
    pub absent: u64,
    /// Active passes.
    pub active: u64,
    /// Seats that can be reserved; nothing if they are not counted yet.
    pub seats_left: Option<u64>,
    /// The queue is being rebuilt.
    pub is_rebuilding: bool,
    /// The queue is frozen.
    pub is_frozen: bool,
    /// False if it is known that no queue worker is running.
    pub has_worker: bool,
}

impl AdmissionConditions<'_> {
    /// The one reason to name.
    pub fn status(&self) -> AdmissionStatus {
        match self.settings.state {
            SaleState::Scheduled => AdmissionStatus::Scheduled,
            SaleState::Closed => AdmissionStatus::Closed,
            SaleState::Paused => AdmissionStatus::Paused,
            SaleState::SoldOut => AdmissionStatus::SoldOut,
            SaleState::Open => self.status_of_open_sale(),
        }
    }

    fn status_of_open_sale(&self) -> AdmissionStatus {
        let obstacles = [
            (self.is_frozen, AdmissionStatus::HandedOver),
            (self.is_rebuilding, AdmissionStatus::Rebuilding),
            (self.seats_left.is_none(), AdmissionStatus::CountingSeats),
            (!self.has_worker, AdmissionStatus::NoWorker),
            (self.share <= 0.0, AdmissionStatus::BookingUnavailable),
            (
                self.settings.rate_per_second <= 0.0,
                AdmissionStatus::RateZero,
            ),
            (self.seats_left == Some(0), AdmissionStatus::SeatsHeld),
            (self.total == 0, AdmissionStatus::Empty),
            (self.absent >= self.total, AdmissionStatus::AllAbsent),
            (
                self.active >= u64::from(self.settings.max_active),
                AdmissionStatus::CapReached,
            ),
            (self.share < 1.0, AdmissionStatus::Throttled),
        ];

        obstacles
            .into_iter()
            .find(|(applies, _)| *applies)
            .map_or(AdmissionStatus::Releasing, |(_, status)| status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(
        change: impl FnOnce(&mut QueueSettings, &mut AdmissionConditions<'_>),
    ) -> AdmissionStatus {
        let mut settings = QueueSettings {
            state: SaleState::Open,
            max_active: 10,
            ..QueueSettings::default()
        };
        let defaults = settings.clone();
        let mut conditions = AdmissionConditions {
            settings: &defaults,
            share: 1.0,
            total: 20,
            absent: 5,
            active: 4,
            seats_left: Some(9),
            is_rebuilding: false,
            is_frozen: false,
            has_worker: true,
        };
        change(&mut settings, &mut conditions);
        AdmissionConditions {
            settings: &settings,
            ..conditions
        }
        .status()
    }

    #[test]
    fn names_the_first_reason_that_applies() {
        use AdmissionStatus::*;

        assert_eq!(status(|_, _| {}), Releasing);
        assert_eq!(status(|_, now| now.share = 0.5), Throttled);
        assert_eq!(status(|_, now| now.active = 10), CapReached);
        assert_eq!(
            status(|_, now| (now.active, now.absent) = (10, 20)),
            AllAbsent,
            "a higher cap would release none of them"
        );
        assert_eq!(status(|_, now| (now.total, now.absent) = (0, 0)), Empty);
        assert_eq!(status(|_, now| now.seats_left = Some(0)), SeatsHeld);
        assert_eq!(
            status(|settings, now| (settings.rate_per_second, now.total) = (0.0, 0)),
            RateZero,
            "also of an empty queue: the next user will wait"
        );
        assert_eq!(status(|_, now| now.share = 0.0), BookingUnavailable);
        assert_eq!(status(|_, now| now.has_worker = false), NoWorker);
        assert_eq!(status(|_, now| now.seats_left = None), CountingSeats);
        assert_eq!(status(|_, now| now.is_rebuilding = true), Rebuilding);
        assert_eq!(status(|_, now| now.is_frozen = true), HandedOver);

        for (state, expected) in [
            (SaleState::Scheduled, Scheduled),
            (SaleState::Paused, Paused),
            (SaleState::SoldOut, SoldOut),
            (SaleState::Closed, Closed),
        ] {
            let of_state = |settings: &mut QueueSettings, now: &mut AdmissionConditions<'_>| {
                (settings.state, now.share) = (state, 0.0);
            };
            assert_eq!(status(of_state), expected);
        }
    }

    #[test]
    fn stands_still_unless_users_can_move() {
        use AdmissionStatus::*;

        for moves in [Empty, CapReached, Throttled, Releasing] {
            assert!(!moves.stands_still(), "{moves:?}");
        }
        for stands in [Scheduled, Paused, RateZero, AllAbsent, BookingUnavailable] {
            assert!(stands.stands_still(), "{stands:?}");
        }
    }
}
