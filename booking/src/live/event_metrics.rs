//! The metrics of one event and of the installation around it, at one moment.

use serde::Serialize;
use utoipa::ToSchema;
use waitingroom_domain::{overload_throttle::BookingLoad, queue::SaleState, rate::throttled_rate};
use waitingroom_engine::QueueStatus;
use waitingroom_messaging::process_registry::{RegistrySnapshot, Role};

use crate::store::ZoneCount;

macro_rules! event_metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Numbers that can be plotted; `null` if one is not known.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
        #[schema(as = Figures)]
        pub(crate) struct EventMetrics {
            $($(#[$doc])* #[schema(value_type = Option<f64>, required)] pub(crate) $name: f64,)*
        }

        /// The number of metrics.
        pub(crate) const METRIC_COUNT: usize = [$(stringify!($name)),*].len();

        impl EventMetrics {
            /// The names of the metrics, in the order of their values.
            pub(crate) const NAMES: [&str; METRIC_COUNT] = [$(stringify!($name)),*];

            /// The values, with the precision of a plot.
            pub(crate) fn values(&self) -> [f32; METRIC_COUNT] {
                [$(self.$name as f32),*]
            }
        }
    };
}

event_metrics! {
    /// Users in the queue without a pass.
    line,
    /// Those of `line` who are disconnected, within the grace period.
    absent,
    /// Users who joined.
    arrivals_per_second,
    /// Users who left, and users whose grace period ended.
    departures_per_second,
    /// The configured rate.
    rate_set,
    /// The effective rate: throttled if booking is overloaded, zero if the sale stands still.
    rate_effective,
    /// Passes released.
    released_per_second,
    /// Passes neither used nor expired.
    active,
    /// Max active passes.
    max_active,
    /// Unclaimed passes.
    no_shows_per_second,
    /// Passes that expired unused.
    expired_per_second,
    /// Seats bought.
    sold,
    /// Seats reserved, not yet bought.
    held,
    /// Seats that can be reserved.
    free,
    /// Reservations answered, by all booking processes, for all events.
    reserves_per_second,
    /// The slowest twentieth of them, at the slowest process.
    reserve_p95_ms,
    /// Share of them that were 5xx.
    error_share,
    /// Reservations queued for their commit.
    commit_waiting,
    /// Age of the oldest message that is not published.
    outbox_lag_seconds,
    /// Connections to gateways.
    connections,
    /// Resident memory of all processes.
    memory_bytes,
}

/// The rates between two samples, per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    pub(crate) arrivals: f64,
    pub(crate) departures: f64,
    pub(crate) released: f64,
    pub(crate) unclaimed: f64,
    pub(crate) expired: f64,
}

impl Rates {
    /// After one sample only.
    pub(crate) const UNKNOWN: Self = Self {
        arrivals: f64::NAN,
        departures: f64::NAN,
        released: f64::NAN,
        unclaimed: f64::NAN,
        expired: f64::NAN,
    };
}

/// The metrics of a sample; `counts` are those of the event's zones, if the database answered.
pub(crate) fn event_metrics(
    status: &QueueStatus,
    rates: &Rates,
    counts: Option<&[&ZoneCount]>,
    reading: Option<&RegistrySnapshot>,
) -> EventMetrics {
    let sum = |of: fn(&ZoneCount) -> u32| {
        counts.map_or(f64::NAN, |c| c.iter().map(|zone| f64::from(of(zone))).sum())
    };

    let booking = reading.map(total_booking_load).unwrap_or_default();
    let has_booking = reading.is_some_and(|reading| bookings(reading).next().is_some());
    let of_booking = |value: f64| if has_booking { value } else { f64::NAN };
    EventMetrics {
        line: status.total as f64,
        absent: status.absent as f64,
        arrivals_per_second: rates.arrivals,
        departures_per_second: rates.departures,
        rate_set: status.settings.rate_per_second,
        rate_effective: effective_rate(status, reading),
        released_per_second: rates.released,
        active: status.active as f64,
        max_active: f64::from(status.settings.max_active),
        no_shows_per_second: rates.unclaimed,
        expired_per_second: rates.expired,
        sold: sum(|zone| zone.confirmed),
        held: sum(|zone| zone.held),
        free: status.seats_left as f64,
        reserves_per_second: of_booking(booking.reserves_per_second),
        reserve_p95_ms: booking.reserve_p95_ms.unwrap_or(f64::NAN),
        error_share: of_booking(booking.error_share),
        commit_waiting: of_booking(booking.commit_waiting as f64),
        outbox_lag_seconds: of_booking(booking.outbox_lag_seconds),
        connections: reading.map_or(f64::NAN, connections),
        memory_bytes: reading.map_or(f64::NAN, memory),
    }
}

/// The rate at which the queue moves while users wait.
fn effective_rate(status: &QueueStatus, reading: Option<&RegistrySnapshot>) -> f64 {
    let stands = status.settings.state != SaleState::Open || status.seats_left == 0;
    let share = reading
        .and_then(|reading| reading.throttle.as_ref())
        .map_or(1.0, |pace| pace.share());

    if stands {
        0.0
    } else {
        throttled_rate(status.settings.rate_per_second, share)
    }
}

fn bookings(reading: &RegistrySnapshot) -> impl Iterator<Item = &BookingLoad> {
    reading
        .processes
        .iter()
        .filter_map(|live| live.status.booking.as_ref())
}

/// The load of all booking processes: counts are added, times are those of the slowest process, and
/// the whole is unable if every process is.
pub(crate) fn total_booking_load(reading: &RegistrySnapshot) -> BookingLoad {
    let answered: f64 = bookings(reading)
        .map(|vitals| vitals.reserves_per_second)
        .sum();
    let none = BookingLoad {
        unable: bookings(reading).next().is_some(),
        ..BookingLoad::default()
    };

    let mut whole = bookings(reading).fold(none, |sum, vitals| BookingLoad {
        unable: sum.unable && vitals.unable,
        reserves_per_second: answered,
        reserve_p50_ms: slower(sum.reserve_p50_ms, vitals.reserve_p50_ms),
        reserve_p95_ms: slower(sum.reserve_p95_ms, vitals.reserve_p95_ms),
        error_share: sum.error_share + vitals.error_share * vitals.reserves_per_second,
        database_ms: sum.database_ms.max(vitals.database_ms),
        commit_waiting: sum.commit_waiting + vitals.commit_waiting,
        commit_capacity: sum.commit_capacity + vitals.commit_capacity,
        outbox_lag_seconds: sum.outbox_lag_seconds.max(vitals.outbox_lag_seconds),
    });

    whole.error_share = if answered > 0.0 {
        whole.error_share / answered
    } else {
        0.0
    };
    whole
}

fn slower(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

fn connections(reading: &RegistrySnapshot) -> f64 {
    let gateways = reading
        .processes
        .iter()
        .filter(|live| live.status.process.roles.contains(&Role::Gateway));
    gateways.map(|live| live.status.connections as f64).sum()
}

fn memory(reading: &RegistrySnapshot) -> f64 {
    reading
        .processes
        .iter()
        .filter_map(|live| live.status.memory_bytes)
        .map(|bytes| bytes as f64)
        .sum()
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::clock::Timestamp;
    use waitingroom_messaging::process_registry::{LiveProcess, Process, ProcessStatus};

    use super::*;

    fn process(name: &str, booking: BookingLoad) -> LiveProcess {
        let process = Process {
            node: name.parse().unwrap(),
            roles: vec![Role::Booking],
            version: "1".into(),
            started_at: Timestamp::default(),
            settings: Default::default(),
        };
        let vitals = ProcessStatus {
            process,
            connections: 9,
            memory_bytes: Some(5),
            live_tasks: 1,
            booking: Some(booking),
            guest_majority: None,
        };

        LiveProcess {
            status: vitals,
            age_ms: 0,
        }
    }

    #[test]
    fn adds_counts_and_takes_slowest_times() {
        let busy = BookingLoad {
            reserves_per_second: 30.0,
            reserve_p95_ms: Some(20.0),
            error_share: 0.2,
            commit_waiting: 3,
            commit_capacity: 10,
            outbox_lag_seconds: 1.0,
            ..BookingLoad::default()
        };
        let quiet = BookingLoad {
            reserves_per_second: 10.0,
            commit_capacity: 10,
            ..BookingLoad::default()
        };

        let reading = RegistrySnapshot {
            processes: vec![process("a", busy), process("b", quiet)],
            ..RegistrySnapshot::default()
        };
        let whole = total_booking_load(&reading);

        assert_eq!(
            (whole.reserves_per_second, whole.reserve_p95_ms),
            (40.0, Some(20.0))
        );
        assert_eq!(
            (
                whole.commit_waiting,
                whole.commit_capacity,
                whole.outbox_lag_seconds
            ),
            (3, 20, 1.0)
        );
        assert!(
            (whole.error_share - 0.15).abs() < 1e-9,
            "by how much each answered: {}",
            whole.error_share
        );
        assert_eq!(
            (memory(&reading), connections(&reading)),
            (10.0, 0.0),
            "connections are those to gateways"
        );
        assert_eq!(
            total_booking_load(&RegistrySnapshot::default()),
            BookingLoad::default()
        );
    }
}
