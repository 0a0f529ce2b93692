//! Estimates case by case, and their accuracy over whole sales.

use super::*;
use crate::bench_support::sales;

const NOW: Timestamp = Timestamp::from_millis(0);

/// Settings of a queue that only the rate limits.
fn settings(state: SaleState, rate_per_second: f64) -> QueueSettings {
    QueueSettings {
        state,
        rate_per_second,
        max_active: 100_000,
        ..QueueSettings::default()
    }
}

fn progress(settings: QueueSettings, removed: u64, active: u64) -> Progress {
    Progress {
        event_id: uuid::Uuid::nil().into(),
        epoch: "e1".parse().unwrap(),
        from: 0,
        to: removed,
        removed: (0..removed).collect(),
        total: 1_000,
        active,
        seats_left: 10,
        settings,
        share: 1.0,
        released: None,
        present: None,
        passed_over: 0,
        counting: false,
        seats_known: true,
    }
}

/// A pace after seconds that each brought so many steps.
fn measured(seconds: &[u64], active: u64) -> WaitEstimator {
    let mut estimator = WaitEstimator::default();
    let set = settings(SaleState::Open, 100.0);

    estimator.observe(&progress(set.clone(), 0, active), Timestamp::from_millis(0));

    for (at, removed) in seconds.iter().enumerate() {
        let now = |ms: i64| Timestamp::from_millis(at as i64 * 1_000 + ms);
        estimator.observe(&progress(set.clone(), *removed, active), now(500));
        estimator.observe(&progress(set.clone(), 0, active), now(1_000));
    }

    estimator
}

#[test]
fn estimates_by_measured_rate() {
    let (steady, idle) = (measured(&[50; 20], 5), measured(&[0; 60], 5));
    let uneven = measured(&[20, 80, 10, 90, 20, 80, 50, 50, 10, 90], 5);
    let range = |low, high| Some(WaitRange { low, high });
    let cases = [
        (
            "nothing measured: the set rate",
            WaitEstimator::default(),
            100.0,
            1_000,
            10,
            range(9, 20),
        ),
        (
            "a steady pace",
            steady.clone(),
            100.0,
            1_000,
            20,
            range(18, 22),
        ),
        (
            "never faster than set",
            steady.clone(),
            25.0,
            1_000,
            40,
            range(36, 44),
        ),
        (
            "an empty queue says nothing of the rate",
            idle,
            100.0,
            1_000,
            10,
            range(9, 20),
        ),
        (
            "a rate of nothing",
            steady.clone(),
            0.0,
            1_000,
            86_400,
            None,
        ),
        ("one's turn", steady, 100.0, 0, 0, None),
    ];

    for (name, estimator, rate, position, wait_seconds, range) in cases {
        let now = estimator.at.unwrap_or_default();
        let estimate = estimator.estimate(position, &settings(SaleState::Open, rate), 10, now);
        assert_eq!(
            (estimate.wait_seconds, estimate.range, estimate.reason),
            (wait_seconds, range, None),
            "{name}"
        );
    }

    let estimate = uneven.estimate(1_000, &settings(SaleState::Open, 100.0), 10, NOW);
    let range = estimate.range.unwrap();

    assert!(
        range.high - range.low > 8,
        "an uneven pace widens the range: {range:?}"
    );
    assert!(
        range.low < estimate.wait_seconds && estimate.wait_seconds < range.high,
        "{estimate:?}"
    );
}

#[test]
fn measures_again_when_rate_changes() {
    let mut estimator = measured(&[10; 6], 10);
    let lifted = settings(SaleState::Open, 200.0);
    let wait = |estimator: &WaitEstimator| {
        estimator
            .estimate(1_000, &settings(SaleState::Open, 100.0), 10, NOW)
            .wait_seconds
    };

    assert_eq!(wait(&estimator), 100, "something else holds it back");
    estimator.observe(
        &progress(lifted.clone(), 1, 11),
        Timestamp::from_millis(7_000),
    );
    assert_eq!(wait(&estimator), 10, "nothing is known but the set rate");
    estimator.observe(
        &progress(lifted.clone(), 50, 61),
        Timestamp::from_millis(8_000),
    );

    assert_eq!(wait(&estimator), 20, "and then what the first second shows");
}

#[test]
fn gives_reason_when_queue_stalls() {
    let cases = [
        (SaleState::Open, 10, None),
        (SaleState::Open, 0, Some(WaitReason::SoldOut)),
        (SaleState::SoldOut, 10, Some(WaitReason::SoldOut)),
        (SaleState::Paused, 0, Some(WaitReason::Paused)),
    ];

    for (state, seats_left, reason) in cases {
        let estimate =
            WaitEstimator::default().estimate(1_000, &settings(state, 100.0), seats_left, NOW);
        assert_eq!(estimate.reason, reason, "{state:?}");
        assert_eq!(
            (estimate.wait_seconds, estimate.range.is_some()),
            (10, reason.is_none()),
            "{state:?}"
        );
    }
}

#[test]
fn estimates_by_current_share_then_by_mean() {
    let mut estimator = measured(&[50; 20], 5);
    let open = settings(SaleState::Open, 100.0);

    estimator.observe(
        &Progress {
            share: 0.1,
            ..progress(open.clone(), 0, 0)
        },
        Timestamp::from_millis(20_500),
    );
    assert_eq!(
        estimator.estimate(100, &open, 10, NOW).wait_seconds,
        10,
        "at once, not when it was measured"
    );
    assert!(
        estimator.estimate(1_000, &open, 10, NOW).wait_seconds > 20,
        "and strain passes: later the mean counts"
    );
    estimator.observe(
        &Progress {
            share: 0.0,
            ..progress(open.clone(), 0, 0)
        },
        Timestamp::from_millis(20_600),
    );

    let estimate = estimator.estimate(1_000, &open, 10, NOW);
    assert_eq!(
        (estimate.wait_seconds, estimate.range, estimate.reason),
        (20, None, Some(WaitReason::Paused))
    );
}

#[test]
fn ignores_pauses() {
    let mut estimator = measured(&[50; 20], 5);
    let paused = settings(SaleState::Paused, 100.0);

    for second in 21..60 {
        estimator.observe(
            &progress(paused.clone(), 0, 10),
            Timestamp::from_millis(second * 1_000),
        );
    }

    assert_eq!(
        estimator
            .estimate(1_000, &settings(SaleState::Open, 100.0), 10, NOW)
            .wait_seconds,
        20
    );
}

#[test]
fn ignores_small_increases() {
    let wait = |wait_seconds| WaitEstimate {
        wait_seconds,
        range: None,
        reason: None,
    };

    for (sent, now, worse) in [
        (10, 15, false),
        (10, 16, true),
        (100, 125, false),
        (100, 126, true),
        (9, 3, false),
    ] {
        assert_eq!(wait(now).is_worse_than(sent), worse, "{sent} → {now}");
    }

    assert!(!wait(86_400).is_worse_than(u32::MAX));
}

#[test]
fn estimates_by_pass_lifetimes_when_capped() {
    // Two passes at once that nobody uses, 15 s each: the six behind them wait for one, two and
    // three lives.
    let capped = QueueSettings {
        max_active: 2,
        pass_ttl_seconds: 15,
        ..settings(SaleState::Open, 10.0)
    };
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    let line = |total: u64, released: u64| Progress {
        total,
        released: Some(released),
        present: Some(total),
        ..progress(capped.clone(), 0, 2)
    };

    let mut estimator = WaitEstimator::default();
    estimator.observe(
        &Progress {
            active: 0,
            ..line(8, 0)
        },
        at(0),
    );

    for generation in 0..3 {
        estimator.observe(&line(6, 2 + 2 * generation), at(15 * generation as i64));
    }

    let waits: Vec<_> = (1..=6)
        .map(|position| {
            estimator
                .estimate(position, &capped, 10, at(35))
                .wait_seconds
        })
        .collect();
    assert_eq!(waits, [10, 10, 25, 25, 40, 40]);

    let range = estimator.estimate(5, &capped, 10, at(35)).range.unwrap();
    assert!(
        range.low <= 40 && 40 <= range.high && range.high - range.low < 12,
        "{range:?}"
    );
}

#[test]
fn skips_absent_users() {
    let mut estimator = measured(&[100; 20], 5);
    let open = settings(SaleState::Open, 100.0);
    let half_there = Progress {
        present: Some(400),
        passed_over: 200,
        ..progress(open.clone(), 0, 5)
    };

    estimator.observe(&half_there, Timestamp::from_millis(20_100));
    assert_eq!(
        estimator.estimate(1_000, &open, 10, NOW).wait_seconds,
        5,
        "200 were passed over, and half of the rest is absent"
    );
}

/// The median error of the point, and the part of the waits that were in the range, of all kinds of
/// sales.
#[test]
fn predicts_waits_of_simulated_sales() {
    let mut scores = Vec::new();
    for kind in sales::SALE_KINDS {
        let waits = sales::simulate(kind, 1);
        let score = sales::Score::of(&waits);
        println!("{kind:?}: {score:?}");
        scores.push((kind, score));
    }

    for (kind, score) in scores {
        assert!(score.samples > 100, "{kind:?}: {score:?}");
        assert!(
            score.median_error <= 0.25 && score.within_range >= 0.9,
            "{kind:?}: {score:?}"
        );
    }
}

#[test]
fn herd_that_joined_empty_queue_is_present() {
    let set = settings(SaleState::Open, 10.0);
    let mut estimator = WaitEstimator::default();
    let empty = Progress {
        total: 0,
        present: Some(0),
        ..progress(set.clone(), 0, 0)
    };
    estimator.observe(&empty, NOW);
    assert_eq!(estimator.estimate(501, &set, 10, NOW).wait_seconds, 51);

    let half_absent = Progress {
        total: 100,
        present: Some(50),
        ..empty
    };
    estimator.observe(&half_absent, Timestamp::from_millis(1_000));
    let wait = estimator.estimate(501, &set, 10, NOW).wait_seconds;
    assert_eq!(wait, 46, "50 of the first hundred, and all after them");
}
