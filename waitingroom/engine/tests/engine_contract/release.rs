//! Passes: in which order, how fast, how many at a time, and how they end.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use waitingroom_domain::{
    clock::Timestamp,
    presence::Presence,
    queue::{Grant, QueueSettings, Removal, SaleState},
    rate::Throttle,
    seats::{Reserve, ReserveOutcome, Settlement},
};
use waitingroom_engine::{
    MAX_PASS_CLOCK_STOP, MAX_PROGRESS_REMOVALS, MAX_SWEPT_USERS, Released, SharedEngine,
};

use super::sale::{Sale, at, lapses, names, node, quick};

/// So many workers step at the same moment.
async fn release_at_once(sale: &Arc<Sale>, workers: usize) -> Vec<Released> {
    let steps = (0..workers).map(|_| {
        let sale = sale.clone();
        tokio::spawn(async move { sale.release().await })
    });

    join_all(steps)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

async fn join_many(sale: &Sale, count: usize) {
    for index in 0..count {
        sale.join(&format!("u{index}")).await;
    }
}

pub(crate) async fn first_come_first_served(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    join_many(&sale, 5).await;

    let first = sale.release_at_most(2).await;
    assert_eq!(names(&first), ["u0", "u1"]);
    assert_eq!(
        (
            first.granted[0].payload.number,
            first.granted[1].payload.number
        ),
        (1, 2)
    );
    assert_eq!(first.granted[0].payload.issued_at, sale.now());
    assert_eq!(first.granted[0].payload.expires_at, sale.after(300_000));
    assert_eq!(first.granted[0].nodes, [node("n1")]);
    assert_eq!(sale.status().await.head, 2);
    assert_eq!(names(&sale.release().await), ["u2", "u3", "u4"]);

    let place = sale.resume("u0", Presence::Poll).await.unwrap();
    assert_eq!(
        (place.position, place.grant.as_ref()),
        (0, Some(&first.granted[0].payload))
    );
}

pub(crate) async fn rate_and_burst_hold_across_releasers(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            rate_per_second: 7.0,
            burst: 5,
            ..quick()
        },
    )
    .await;
    let sale = Arc::new(sale);

    join_many(&sale, 60).await;
    let (mut released, mut passes) = (Vec::new(), HashSet::new());

    for step in 0..50 {
        for report in release_at_once(&sale, 4).await {
            let granted = report.granted.into_iter();
            released.extend(granted.map(|grant| {
                assert!(passes.insert(grant.payload.pass_id));
                grant.payload.number
            }));
        }
        assert!(
            released.len() as f64 <= 5.0 + 7.0 * 0.1 * f64::from(step) + 1e-9,
            "{} after {step}",
            released.len()
        );
        sale.wait(100).await;
        sale.report("n1").await;
    }

    assert_eq!(
        released.len(),
        5 + 34,
        "5 at first, then 7 a second for 4.9 s"
    );
    released.sort_unstable();
    assert_eq!(released, (1..=39).collect::<Vec<u64>>());
}

pub(crate) async fn the_cap_holds_across_releasers_and_frees_with_every_end(engine: SharedEngine) {
    let sale = Arc::new(
        Sale::open(
            engine,
            QueueSettings {
                max_active: 3,
                ..quick()
            },
        )
        .await,
    );
    join_many(&sale, 10).await;

    let active = release_at_once(&sale, 6)
        .await
        .iter()
        .map(|report| report.granted.len())
        .sum::<usize>();
    assert_eq!((active, sale.status().await.active), (3, 3));
    sale.leave("u0").await;
    assert_eq!(names(&sale.release().await), ["u3"]);

    let grant = sale
        .resume("u1", Presence::Poll)
        .await
        .unwrap()
        .grant
        .unwrap();
    let request = sale.request("u1", &grant, 1);

    sale.reserve(&request).await;
    assert_eq!(
        sale.release().await.granted,
        [],
        "a hold that is not committed may give its pass back"
    );
    sale.settle(request.booking_id, Settlement::Aborted).await;
    assert_eq!(
        (sale.release().await.granted, sale.status().await.active),
        (vec![], 3),
        "as it does here"
    );

    let again = sale.request("u1", &grant, 1);
    sale.reserve(&again).await;
    sale.settle(again.booking_id, Settlement::Committed).await;
    assert_eq!(names(&sale.release().await), ["u4"]);
    assert_eq!(sale.status().await.active, 3);
}

pub(crate) async fn a_sale_that_stands_still_releases_nobody(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;

    for state in [
        SaleState::Scheduled,
        SaleState::Paused,
        SaleState::SoldOut,
        SaleState::Closed,
    ] {
        sale.configure(QueueSettings { state, ..quick() }).await;
        assert_eq!(sale.release().await.granted, [], "{state:?}");
    }

    sale.configure(quick()).await;
    sale.load(0).await;
    assert_eq!(sale.release().await.granted, [], "no seats");
    sale.load(1).await;
    assert_eq!(sale.release_at_most(0).await.granted, [], "no limit");
    assert_eq!(names(&sale.release().await), ["ann"]);
}

pub(crate) async fn a_share_of_the_rate_is_released(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            rate_per_second: 20.0,
            burst: 10,
            ..quick()
        },
    )
    .await;
    assert_eq!(sale.status().await.share, 1.0);
    join_many(&sale, 60).await;
    assert_eq!(
        sale.release_at(0.5).await.granted.len(),
        5,
        "half of the burst"
    );

    let step = sale.release_at(0.0).await;
    assert_eq!(
        (
            step.granted,
            step.progress.share,
            step.progress.rate_effective()
        ),
        (vec![], 0.0, 0.0)
    );
    sale.wait(60_000).await;
    sale.report("n1").await;
    assert_eq!(
        sale.release_at(0.0).await.granted,
        [],
        "nothing, however long"
    );

    let released = async |share: f64| {
        let mut count = 0;
        for _ in 0..20 {
            sale.wait(100).await;
            count += sale.release_at(share).await.granted.len();
        }
        count
    };
    assert_eq!(released(0.25).await, 10, "5 a second for two seconds");
    assert!((1..=2).contains(&released(0.001).await), "a trickle");

    let status = sale.status().await;
    assert_eq!(
        (status.share, status.settings.rate_per_second),
        (0.001, 20.0)
    );

    let earlier = Throttle {
        factor: 1.0,
        decided_at: Timestamp::from_millis(sale.now().millis() - 1),
    };
    assert_eq!(
        sale.release_as(earlier).await.progress.share,
        0.001,
        "a worker that has not heard of it yet"
    );
}

pub(crate) async fn what_is_sold_is_sold_out_until_seats_come_back(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.load(2).await;

    let held = sale.hold("ann", 2).await;
    sale.join("bob").await;

    let step = sale.release().await;
    assert_eq!(
        (step.granted, step.progress.settings.state),
        (vec![], SaleState::Open),
        "they may come back"
    );
    sale.settle(held.booking_id, Settlement::Confirmed).await;

    let step = sale.release().await;
    assert_eq!(
        (step.granted, step.progress.settings.state),
        (vec![], SaleState::SoldOut)
    );
    assert_eq!(sale.status().await.settings.state, SaleState::SoldOut);
    assert_eq!(sale.join("cem").await.position, 2, "joining goes on");
    sale.configure(QueueSettings {
        state: SaleState::Paused,
        ..quick()
    })
    .await;
    assert_eq!(
        sale.status().await.settings.state,
        SaleState::Paused,
        "the operator's word counts"
    );
    sale.configure(quick()).await;
    sale.load(1).await;

    let step = sale.release_at_most(1).await;
    assert_eq!(
        (names(&step), step.progress.settings.state),
        (vec!["bob"], SaleState::Open)
    );
}

pub(crate) async fn a_pass_nobody_acknowledges_is_sent_again_each_second(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;

    let granted = sale.release().await.granted;
    sale.wait(999).await;
    assert_eq!(sale.release().await.unacknowledged, []);
    sale.wait(1).await;
    assert_eq!(sale.release().await.unacknowledged, granted);
    assert_eq!(sale.release().await.unacknowledged, [], "once a second");
    sale.wait(1_000).await;
    assert_eq!(sale.release().await.unacknowledged, granted);
    assert!(sale.acknowledge("ann", &granted[0].payload).await);
    sale.wait(60_000).await;

    let quiet = sale.release().await;
    assert_eq!((quiet.unacknowledged, quiet.removals), (vec![], vec![]));
}

pub(crate) async fn an_expired_pass_is_gone(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;

    sale.wait(299_999).await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.wait(1).await;
    assert!(!sale.acknowledge("ann", &grant).await);

    let report = sale.release().await;
    assert_eq!(lapses(&report), [("ann", Removal::Expired)]);
    assert_eq!(report.removals[0].nodes, [node("n1")]);
    assert_eq!(sale.resume("ann", Presence::Poll).await, None);
    assert_eq!(sale.status().await.active, 0);
}

pub(crate) async fn passes_stand_still_while_booking_can_take_nobody(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let (ann, bob) = (sale.pass("ann").await, sale.pass("bob").await);
    sale.wait(100_000).await;
    sale.release_at(0.0).await;
    sale.wait(400_000).await;
    assert_eq!(lapses(&sale.release_at(0.0).await), []);
    let later = |grant: &Grant| grant.expires_at.plus(Duration::from_millis(400_000));
    let place = sale.resume("ann", Presence::Poll).await.unwrap();
    assert_eq!(place.grant.map(|grant| grant.expires_at), Some(later(&ann)));

    let going = sale.release_at(1.0).await;
    let told: Vec<_> = going
        .unacknowledged
        .iter()
        .map(|told| (told.user.as_str(), told.payload.expires_at))
        .collect();
    assert_eq!(
        told,
        [("ann", later(&ann)), ("bob", later(&bob))],
        "everybody is told the new end"
    );
    assert_eq!(sale.release_at(1.0).await.unacknowledged, [], "once");
    assert!(sale.acknowledge("ann", &ann).await);
    // Booking shows the token of before, with its old end.
    let held = sale.request("ann", &ann, 1);
    assert_eq!(sale.reserve(&held).await, ReserveOutcome::Held);
    let again = Reserve {
        booking_id: uuid::Uuid::new_v4().into(),
        ..held.clone()
    };
    assert_eq!(
        sale.reserve(&again).await,
        ReserveOutcome::PassUsed(held.booking_id),
        "which is remembered to the new end"
    );
    sale.settle(held.booking_id, Settlement::Aborted).await;
    sale.wait(199_999).await;
    assert_eq!(
        sale.reserve(&held).await,
        ReserveOutcome::Held,
        "until the new end"
    );
    sale.settle(held.booking_id, Settlement::Committed).await;
    assert_eq!(lapses(&sale.release_at(1.0).await), []);
    sale.wait(1).await;
    assert_eq!(
        lapses(&sale.release_at(1.0).await),
        [("bob", Removal::Expired)]
    );
    assert_eq!(
        sale.reserve(&sale.request("bob", &bob, 1)).await,
        ReserveOutcome::PassExpired
    );
}

pub(crate) async fn time_in_which_a_line_could_not_be_reached_is_given_back(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            claim_window_seconds: 10,
            ..quick()
        },
    )
    .await;
    let (ann, window) = (sale.pass("ann").await, 10_000);
    sale.join("bob").await;
    let granted = sale.release().await.granted;
    let [bob] = &granted[..] else {
        panic!("{granted:?}")
    };
    sale.wait(9_000).await;
    sale.leap(3_000);
    assert_eq!(
        lapses(&sale.release().await),
        [("bob", Removal::Unclaimed)],
        "a pause is no outage"
    );

    sale.join("cid").await;
    assert_eq!(names(&sale.release().await), ["cid"]);
    sale.wait(9_000).await;
    sale.leap(60_000);
    let back = sale.release().await;
    assert_eq!(lapses(&back), [], "cid could not claim it");
    let later = |grant: &Grant| grant.expires_at.plus(Duration::from_millis(60_000));
    let told = back
        .unacknowledged
        .iter()
        .find(|told| told.user.as_str() == "ann")
        .expect("ann is told");
    assert_eq!(told.payload.expires_at, later(&ann));
    sale.report("n1").await;
    assert_eq!(
        sale.resume("bob", at("n1")).await.unwrap().number,
        bob.payload.number
    );
    sale.wait(window - 1).await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.wait(1).await;
    assert_eq!(
        lapses(&sale.release().await),
        [("cid", Removal::Unclaimed)],
        "a whole window after it"
    );

    sale.leap(MAX_PASS_CLOCK_STOP.as_millis() as i64 + 100_000);
    let back = sale.release().await;
    let told = back
        .unacknowledged
        .iter()
        .find(|told| told.user.as_str() == "ann")
        .expect("ann is told");
    assert_eq!(
        told.payload.expires_at,
        later(&ann).plus(MAX_PASS_CLOCK_STOP),
        "ten minutes at most"
    );
}

pub(crate) async fn passes_do_not_stand_still_for_ever(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.pass("ann").await;
    sale.release_at(0.0).await;
    sale.wait(600_000 + 299_999).await;
    assert_eq!(lapses(&sale.release_at(0.0).await), []);
    sale.wait(1).await;

    assert_eq!(
        lapses(&sale.release_at(0.0).await),
        [("ann", Removal::Expired)]
    );
}

pub(crate) async fn only_the_live_pass_can_be_acknowledged(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;

    assert!(sale.acknowledge("ann", &grant).await);
    assert!(sale.acknowledge("ann", &grant).await, "again");
    assert!(!sale.acknowledge("bob", &grant).await, "by another");

    let other = waitingroom_domain::queue::Grant {
        pass_id: "other".parse().unwrap(),
        ..grant.clone()
    };
    assert!(!sale.acknowledge("ann", &other).await, "another");
    sale.leave("ann").await;

    assert!(!sale.acknowledge("ann", &grant).await, "given up");
}

/// Joins, or leaves, in any order among themselves.
async fn crowd(sale: &Sale, count: usize, joins: bool) {
    for some in (0..count).collect::<Vec<_>>().chunks(500) {
        let steps = some.iter().map(async |index| {
            let name = format!("u{index}");
            if joins {
                sale.join(&name).await.number > 0
            } else {
                sale.leave(&name).await
            }
        });
        assert!(join_all(steps).await.into_iter().all(|done| done));
    }
}

pub(crate) async fn a_step_looks_at_so_many_of_the_absent_only(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    crowd(&sale, MAX_SWEPT_USERS + 1, true).await;
    sale.try_join("bob", at("n2"), None).await;
    sale.wait(10_000).await;
    sale.report("n2").await;
    assert_eq!(
        names(&sale.release_at_most(1).await),
        Vec::<&str>::new(),
        "the users of n1 are absent"
    );
    assert_eq!(names(&sale.release_at_most(1).await), ["bob"]);
    sale.wait(290_000).await;

    let ended = [
        sale.release().await.removals.len(),
        sale.release().await.removals.len(),
    ];
    assert_eq!(
        ended,
        [MAX_SWEPT_USERS + 1, 1],
        "bob's pass and all absent but one, then that one"
    );
}

pub(crate) async fn a_crowd_is_served_in_bounded_steps(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            burst: 20_000,
            max_active: 20_000,
            ..quick()
        },
    )
    .await;
    crowd(&sale, MAX_PROGRESS_REMOVALS + 10, true).await;
    crowd(&sale, MAX_PROGRESS_REMOVALS + 10, false).await;
    let (first, second) = (sale.release().await.progress, sale.release().await.progress);
    assert_eq!(
        (first.from, first.to, first.removed.len()),
        (0, 10_000, MAX_PROGRESS_REMOVALS)
    );
    assert_eq!(
        (second.from, second.to, second.removed.len(), second.total),
        (10_000, 10_010, 10, 0)
    );

    crowd(&sale, 5_000, true).await;
    let granted = sale.release_at_most(5_000).await.granted;
    assert!(
        granted
            .iter()
            .map(|grant| grant.payload.number)
            .eq(10_011..=15_010)
    );
    assert_eq!(
        granted
            .iter()
            .map(|grant| &grant.payload.pass_id)
            .collect::<HashSet<_>>()
            .len(),
        5_000
    );
    assert_eq!(
        (sale.status().await.active, sale.status().await.total),
        (5_000, 0)
    );
    sale.wait(1_000).await;
    assert_eq!(sale.release().await.unacknowledged.len(), MAX_SWEPT_USERS);
    sale.wait(29_000).await;
    let step = sale.release().await;
    assert!(
        step.removals
            .iter()
            .all(|lapse| lapse.payload == Removal::Unclaimed)
    );
    assert_eq!(
        (
            step.removals.len(),
            step.progress.active,
            step.progress.total
        ),
        (MAX_SWEPT_USERS, 4_000, 1_000)
    );
}

pub(crate) async fn a_step_of_passes_leaves_all_else_to_the_next_whole_one(engine: SharedEngine) {
    let settings = QueueSettings {
        rate_per_second: 10.0,
        burst: 4,
        claim_window_seconds: 2,
        ..quick()
    };
    let sale = Sale::open(engine, settings).await;
    join_many(&sale, 9).await;
    sale.leave("u8").await;
    let passes = sale.release_passes(2).await;
    assert_eq!(names(&passes), ["u0", "u1"]);
    assert_eq!(
        (
            passes.progress.from,
            passes.progress.to,
            passes.progress.removed.len()
        ),
        (0, 0, 0),
        "told later"
    );
    assert_eq!((passes.progress.total, passes.progress.active), (6, 2));
    assert_eq!(
        names(&sale.release_passes(9).await),
        ["u2", "u3"],
        "one bucket for both kinds of steps"
    );
    assert_eq!(names(&sale.release().await), Vec::<&str>::new());

    sale.wait(100).await;
    assert_eq!(names(&sale.release_passes(9).await), ["u4"]);
    let place = sale.resume("u5", at("n1")).await.unwrap();
    assert_eq!(
        (place.position, place.revision),
        (1, 6),
        "a reading counts what is not told yet"
    );
    sale.wait(1_900).await; // u0 to u3 let their passes lie
    let passes = sale.release_passes(0).await;
    assert_eq!(
        (
            passes.unacknowledged.len(),
            lapses(&passes).len(),
            passes.progress.active
        ),
        (0, 0, 5)
    );
    let whole = sale.release_at_most(0).await;
    assert_eq!(
        (
            whole.unacknowledged.len(),
            lapses(&whole).len(),
            whole.progress.active
        ),
        (1, 4, 1)
    );
    assert_eq!(
        (whole.progress.from, whole.progress.to),
        (5, 6),
        "after what the whole step before told"
    );
    assert_eq!(whole.progress.removed, [5]);
}
