use proptest::prelude::*;

use super::*;

fn healthy() -> BookingLoad {
    BookingLoad {
        reserve_p95_ms: Some(8.0),
        database_ms: 1.0,
        commit_capacity: 100,
        ..BookingLoad::default()
    }
}

fn slow(ms: f64) -> BookingLoad {
    BookingLoad {
        reserve_p95_ms: Some(ms),
        ..healthy()
    }
}

fn after(pace: &AdmissionThrottle, at_ms: i64, bookings: &[BookingLoad]) -> AdmissionThrottle {
    let reported: Vec<_> = bookings
        .iter()
        .map(|load| ReportedLoad {
            age: Duration::ZERO,
            load: *load,
        })
        .collect();
    let at = Timestamp::from_millis(at_ms);
    AdmissionThrottle::after(Some(pace), &reported, at, &ThrottleConfig::default())
}

fn start() -> AdmissionThrottle {
    AdmissionThrottle::full(Timestamp::from_millis(0))
}

#[test]
fn each_sign_of_strain_halves_the_pace_once_until_it_can_show_an_effect() {
    let signs = [
        slow(251.0),
        BookingLoad {
            database_ms: 1_000.0,
            ..healthy()
        },
        BookingLoad {
            error_share: 0.06,
            ..healthy()
        },
        BookingLoad {
            commit_waiting: 51,
            ..healthy()
        },
    ];

    for sign in signs {
        let cut = after(&start(), 1_000, &[healthy(), sign]);
        assert_eq!(cut.share(), 0.5, "{sign:?}: the worst of several counts");
        assert_eq!(after(&cut, 3_499, &[sign]).share(), 0.5);
        let again = after(&cut, 3_500, &[sign]);
        assert_eq!(again.share(), 0.25);
        let floor = (2..9).fold(again, |pace, at| after(&pace, at * 2_500, &[sign]));
        assert_eq!(floor.share(), 0.1, "never below the floor");
    }
}

#[test]
fn between_calm_and_strain_nothing_moves() {
    let cut = after(&start(), 0, &[slow(300.0)]);
    let held = (1..50).fold(cut.clone(), |pace, at| {
        after(&pace, at * 1_000, &[slow(200.0)])
    });

    assert_eq!(held.share(), cut.share());
    assert_eq!(
        (1..50)
            .fold(start(), |pace, at| after(&pace, at * 1_000, &[slow(200.0)]))
            .share(),
        1.0
    );
}

#[test]
fn a_trouble_that_passes_costs_a_few_seconds() {
    let strained = (0..60).fold(start(), |pace, at| after(&pace, at * 500, &[slow(1_000.0)]));
    assert_eq!(strained.share(), 0.1);
    let mut pace = strained;
    for at in 0..8 {
        pace = after(&pace, 30_000 + at * 500, &[healthy()]);
    }
    assert_eq!(pace.share(), 1.0, "four seconds later");
}

#[test]
fn without_booking_the_queue_stands_and_resumes_at_half_the_ceiling() {
    let waiting = after(&start(), 10_000, &[]);
    assert_eq!(waiting.share(), 1.0, "it may be about to start");

    let paused = after(&waiting, 10_001, &[]);
    assert_eq!(paused.share(), 0.0);

    let back = after(&paused, 20_000, &[healthy()]);
    assert_eq!(back.share(), 0.5);
    assert!(back.decided().decided_at > paused.decided().decided_at);

    let back = after(&back, 21_000, &[healthy()]);
    assert_eq!(
        after(&back, 30_999, &[]).share(),
        0.8,
        "an instance that restarts"
    );

    let at = Timestamp::from_millis(77);
    let first = AdmissionThrottle::after(None, &[], at, &ThrottleConfig::default());
    assert_eq!(first.share(), 1.0);
}

fn unable() -> BookingLoad {
    BookingLoad {
        unable: true,
        ..healthy()
    }
}

/// From its first healthy vitals on, looked at twice a second.
fn back_after(pace: &AdmissionThrottle, at_ms: i64) -> i64 {
    let mut pace = pace.clone();
    let back = (0..100).map(|look| look * 500).find(|ms| {
        pace = after(&pace, at_ms + ms, &[healthy()]);
        pace.share() == 1.0
    });
    back.expect("the whole rate within a minute")
}

#[test]
fn the_line_stands_while_nothing_can_be_booked_whatever_the_requests_say() {
    let paused = after(&start(), 1_000, &[unable(), unable()]);
    assert_eq!(
        (paused.share(), throttle_reason(paused.share())),
        (0.0, Some(ThrottleReason::Paused))
    );
    assert_eq!(
        after(&paused, 60_000, &[unable()]).share(),
        0.0,
        "as long as it lasts"
    );
    assert_eq!(
        after(&start(), 1_000, &[unable(), healthy()]).share(),
        0.5,
        "one of two is able"
    );
    assert!(back_after(&paused, 60_000) <= 2_500);
}

#[test]
fn outages_in_a_row_do_not_make_the_way_back_longer() {
    let mut pace = start();
    for outage in 0..5 {
        let at = outage * 10_000;
        pace = after(
            &pace,
            at,
            &[BookingLoad {
                error_share: 1.0,
                ..healthy()
            }],
        );
        assert!(pace.share() < 1.0, "strain is seen first");
        pace = after(&pace, at + 1_000, &[unable()]);
        pace = after(&pace, at + 4_000, &[unable()]);
        assert!(back_after(&pace, at + 5_000) <= 2_500, "outage {outage}");
        pace = (0..8).fold(pace, |pace, look| {
            after(&pace, at + 5_000 + look * 500, &[healthy()])
        });
    }
}

#[test]
fn what_waited_for_the_end_of_an_outage_does_not_make_the_way_back_longer() {
    let paused = after(&start(), 1_000, &[unable()]);
    let tried = after(&paused, 11_000, &[healthy()]);
    let late = (1..5).fold(tried, |pace, look| {
        after(&pace, 11_000 + look * 500, &[slow(5_000.0)])
    });
    assert_eq!(late.share(), 0.5);
    assert!(back_after(&late, 13_500) <= 2_500);

    let overloaded = after(&late, 13_500, &[slow(5_000.0)]);
    assert_eq!(overloaded.share(), 0.25, "it lasts: it is the present load");
    assert!(
        back_after(&overloaded, 14_000) <= 3_500,
        "the ceiling stays"
    );
}

#[test]
fn strain_that_lasted_before_an_outage_and_returns_after_it_is_remembered() {
    let strained = (0..20).fold(start(), |pace, at| after(&pace, at * 500, &[slow(1_000.0)]));
    let paused = after(&strained, 10_000, &[unable()]);
    let resumed = after(&paused, 11_000, &[healthy()]);
    assert_eq!(resumed.share(), 0.1, "booking did not take more");
    let again = (0..3).fold(paused, |pace, at| {
        after(&pace, 11_000 + at * 1_000, &[healthy()])
    });
    let again = after(&again, 14_000, &[slow(1_000.0)]);
    assert!(back_after(&again, 15_000) > 10_000, "in small steps");
}

#[test]
fn a_pace_of_an_earlier_release_is_read() {
    let mut text = serde_json::to_value(after(&start(), 1_234, &[slow(300.0)])).unwrap();
    text.as_object_mut().unwrap().remove("before");
    assert_eq!(
        serde_json::from_value::<AdmissionThrottle>(text)
            .unwrap()
            .share(),
        0.5
    );
}

#[test]
fn a_pace_is_read_as_it_was_written() {
    let pace = after(&start(), 1_234, &[slow(300.0)]);
    let text = serde_json::to_string(&pace).unwrap();
    let read: AdmissionThrottle = serde_json::from_str(&text).unwrap();
    assert_eq!((serde_json::to_string(&read).unwrap(), read), (text, pace));
}

#[test]
fn what_is_slower_says_why() {
    assert_eq!(throttle_reason(1.0), None);
    assert_eq!(throttle_reason(0.4), Some(ThrottleReason::Slowed));
    assert_eq!(throttle_reason(0.0), Some(ThrottleReason::Paused));
}

/// A booking that can take `capacity` (a share of the configured rate): below it, answers take ever
/// longer as in any queue; beyond it, a backlog grows. What is measured is the mean of the last two
/// seconds.
struct Plant {
    capacity: f64,
    backlog: f64,
    measured: [f64; 4],
}

impl Plant {
    fn new(capacity: f64) -> Self {
        Self {
            capacity,
            backlog: 0.0,
            measured: [5.0; 4],
        }
    }

    /// Half a second at this share; the backlog is in seconds of work.
    fn run(&mut self, share: f64) -> BookingLoad {
        let load = share / self.capacity;
        self.backlog = (self.backlog + (load - 1.0) / 2.0).clamp(0.0, 4.0);
        let busy = 5.0 / (1.0 - load.min(0.98));
        self.measured.rotate_left(1);
        self.measured[3] = busy + self.backlog * 1000.0;
        slow(self.measured.iter().sum::<f64>() / 4.0)
    }
}

fn simulate(capacity: impl Fn(usize) -> f64, half_seconds: usize) -> Vec<f64> {
    let (mut plant, mut pace, mut shares) = (Plant::new(1.0), start(), Vec::new());
    for at in 0..half_seconds {
        plant.capacity = capacity(at);
        let status = plant.run(pace.share());
        pace = after(&pace, at as i64 * 500, &[status]);
        shares.push(pace.share());
    }
    shares
}

#[test]
fn the_pace_comes_to_rest_at_what_booking_can_take() {
    for capacity in [0.25, 0.4, 0.6, 0.85, 0.97] {
        let shares = simulate(|_| capacity, 600);
        let rest = &shares[240..];
        let (low, high) = rest.iter().fold((1.0_f64, 0.0_f64), |(low, high), s| {
            (low.min(*s), high.max(*s))
        });
        assert!(high <= capacity * 1.02, "{capacity}: up to {high}");
        assert!(
            low >= capacity * 0.8,
            "{capacity}: down to {low}, after two minutes"
        );
        let turns = rest
            .windows(3)
            .filter(|s| (s[1] - s[0]) * (s[2] - s[1]) < 0.0)
            .count();
        assert!(
            turns <= 2,
            "{capacity}: it went up and down {turns} times in three minutes"
        );
    }
}

#[test]
fn the_pace_is_back_when_the_trouble_is_over() {
    let shares = simulate(|at| if (20..40).contains(&at) { 0.05 } else { 2.0 }, 120);
    assert!(shares[26] <= 0.5, "three seconds into the trouble");
    assert_eq!(shares[40], 0.1);

    let back = shares[40..].iter().position(|share| *share == 1.0).unwrap();
    assert!(
        back <= 20,
        "back after {back} half seconds, four seconds of backlog among them"
    );
    assert!(
        shares[40 + back..].iter().all(|share| *share == 1.0),
        "for good"
    );
}

fn any_vitals() -> impl Strategy<Value = BookingLoad> {
    (
        prop::option::of(0.0..5_000.0f64),
        0.0..1.0f64,
        0.0..5_000.0f64,
        0..200u64,
    )
        .prop_map(
            |(reserve_p95_ms, error_share, database_ms, commit_waiting)| BookingLoad {
                reserve_p95_ms,
                error_share,
                database_ms,
                commit_waiting,
                ..healthy()
            },
        )
}

proptest! {
    #[test]
    fn between_the_floor_and_the_whole_or_nothing_without_booking(
        steps in prop::collection::vec((0i64..4_000, prop::collection::vec(any_vitals(), 0..3)), 1..80)
    ) {
        let (mut pace, mut at, mut seen) = (start(), 0, 0);
        for (pause, bookings) in steps {
            at += pause;
            pace = after(&pace, at, &bookings);
            seen = if bookings.is_empty() { seen } else { at };
            let paused = at - seen > BOOKING_ABSENCE_LIMIT.as_millis() as i64;
            prop_assert_eq!(pace.share() == 0.0, paused);
            prop_assert!(paused || (0.1..=1.0).contains(&pace.share()));
        }
    }

    #[test]
    fn deciding_more_often_does_not_move_it_faster(status in any_vitals(), often in 1i64..400) {
        let decide = |every: i64| (0..=10_000 / every).fold(start(), |pace, at| after(&pace, at * every, &[status]));
        prop_assert!(decide(often).share() >= decide(500).share() - 1e-9 || decide(500).share() <= 0.13);
    }
}
