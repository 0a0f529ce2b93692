//! From a pass to held seats: all or nothing, once.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use uuid::Uuid;
use waitingroom_domain::{
    ids::Epoch,
    queue::QueueSettings,
    seats::{Reserve, ReserveOutcome, Settlement},
};
use waitingroom_engine::SharedEngine;

use super::sale::{Sale, quick, user};

/// All at the same moment.
async fn reserve_at_once(sale: &Arc<Sale>, requests: Vec<Reserve>) -> Vec<ReserveOutcome> {
    let attempts = requests.into_iter().map(|request| {
        let sale = sale.clone();
        tokio::spawn(async move { sale.reserve(&request).await })
    });

    join_all(attempts)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

fn held(outcomes: &[ReserveOutcome]) -> usize {
    outcomes
        .iter()
        .filter(|outcome| **outcome == ReserveOutcome::Held)
        .count()
}

pub(crate) async fn each_refusal_has_its_reason_and_changes_nothing(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.load(3).await;

    let grant = sale.pass("ann").await;
    let good = sale.request("ann", &grant, 2);
    let refusals = [
        (
            Reserve {
                zone_id: Uuid::nil().into(),
                ..good.clone()
            },
            ReserveOutcome::UnknownZone,
        ),
        (
            Reserve {
                quantity: 4,
                ..good.clone()
            },
            ReserveOutcome::Insufficient(3),
        ),
        (
            Reserve {
                user_limit: 1,
                ..good.clone()
            },
            ReserveOutcome::UserLimit(1),
        ),
        (
            Reserve {
                pass_id: "over".parse().unwrap(),
                pass_expires_at: sale.now(),
                ..good.clone()
            },
            ReserveOutcome::PassExpired,
        ),
        (
            Reserve {
                pass_id: "forged".parse().unwrap(),
                ..good.clone()
            },
            ReserveOutcome::PassRevoked,
        ),
        (
            Reserve {
                user: user("bob"),
                ..good.clone()
            },
            ReserveOutcome::PassRevoked,
        ),
    ];

    for (request, outcome) in refusals {
        assert_eq!(sale.reserve(&request).await, outcome);
        assert_eq!(
            (sale.seats_left().await, sale.status().await.active),
            (3, 1),
            "{outcome:?}"
        );
    }

    assert_eq!(
        sale.reserve(&good).await,
        ReserveOutcome::Held,
        "a refusal leaves the pass valid"
    );
    assert_eq!(
        sale.reserve(&good).await,
        ReserveOutcome::PassUsed(good.booking_id)
    );
}

pub(crate) async fn a_pass_of_an_earlier_line_counts_as_live(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;
    let earlier: Epoch = "earlier".parse().unwrap();
    let unknown = sale.request(
        "bob",
        &waitingroom_domain::queue::Grant {
            pass_id: "old-1".parse().unwrap(),
            ..grant
        },
        2,
    );

    let request = Reserve {
        pass_epoch: earlier,
        ..unknown
    };
    assert_eq!(sale.reserve(&request).await, ReserveOutcome::Held);
    assert_eq!(
        sale.reserve(&request).await,
        ReserveOutcome::PassUsed(request.booking_id)
    );
    sale.settle(request.booking_id, Settlement::Aborted).await;

    assert_eq!(sale.reserve(&request).await, ReserveOutcome::Held);
}

pub(crate) async fn a_hold_takes_seats_and_burns_the_pass(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let first = sale.hold("ann", 2).await;
    assert_eq!(
        (sale.seats_left().await, sale.status().await.active),
        (98, 1),
        "active until the commit"
    );

    let again = Reserve {
        booking_id: Uuid::new_v4().into(),
        ..first.clone()
    };
    assert_eq!(
        sale.reserve(&again).await,
        ReserveOutcome::PassUsed(first.booking_id)
    );
    sale.settle(first.booking_id, Settlement::Confirmed).await;
    assert_eq!(sale.status().await.active, 0);
    assert_eq!(
        sale.reserve(&again).await,
        ReserveOutcome::PassUsed(first.booking_id),
        "and stays so"
    );

    let grant = sale.pass("ann").await;
    let more = Reserve {
        user_limit: 4,
        ..sale.request("ann", &grant, 3)
    };
    assert_eq!(
        sale.reserve(&more).await,
        ReserveOutcome::UserLimit(2),
        "two are confirmed"
    );
    assert_eq!(
        sale.reserve(&Reserve {
            quantity: 2,
            ..more
        })
        .await,
        ReserveOutcome::Held
    );
}

pub(crate) async fn a_repeated_attempt_is_answered_with_its_booking(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;
    let named = |fingerprint: &str| Some(("key\u{e9}1".parse().unwrap(), fingerprint.to_owned()));
    let first = Reserve {
        idempotency: named("two"),
        ..sale.request("ann", &grant, 2)
    };
    let again = Reserve {
        booking_id: Uuid::new_v4().into(),
        ..first.clone()
    };
    assert_eq!(sale.reserve(&first).await, ReserveOutcome::Held);
    assert_eq!(
        sale.reserve(&again).await,
        ReserveOutcome::Replayed(first.booking_id)
    );
    let other = Reserve {
        idempotency: named("three"),
        ..again.clone()
    };
    assert_eq!(sale.reserve(&other).await, ReserveOutcome::Mismatch);
    let expired = Reserve {
        pass_expires_at: Sale::START,
        ..again.clone()
    };
    assert_eq!(
        sale.reserve(&expired).await,
        ReserveOutcome::Replayed(first.booking_id),
        "whatever became of the pass"
    );

    let bobs = sale.pass("bob").await;
    let same_key = Reserve {
        idempotency: named("two"),
        ..sale.request("bob", &bobs, 2)
    };
    assert_eq!(
        sale.reserve(&same_key).await,
        ReserveOutcome::Held,
        "another user's key is another key"
    );

    sale.settle(first.booking_id, Settlement::Aborted).await;
    assert_eq!(
        sale.reserve(&again).await,
        ReserveOutcome::Held,
        "forgotten with the attempt"
    );
    sale.wait(600_000).await;
    assert_eq!(
        sale.reserve(&other).await,
        ReserveOutcome::PassExpired,
        "forgotten with the hold's end"
    );
}

pub(crate) async fn of_a_hundred_replays_one_holds(engine: SharedEngine) {
    let sale = Arc::new(Sale::open(engine, quick()).await);
    let grant = sale.pass("ann").await;
    let outcomes = reserve_at_once(
        &sale,
        (0..100).map(|_| sale.request("ann", &grant, 2)).collect(),
    )
    .await;

    assert_eq!(held(&outcomes), 1);
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, ReserveOutcome::PassUsed(_)))
            .count(),
        99
    );
    assert_eq!(sale.seats_left().await, 98);
}

pub(crate) async fn nobody_holds_a_seat_too_many(engine: SharedEngine) {
    let sale = Arc::new(
        Sale::open(
            engine,
            QueueSettings {
                max_active: 200,
                ..quick()
            },
        )
        .await,
    );
    sale.load(50).await;

    let mut requests = Vec::new();
    for index in 0..60 {
        let name = format!("u{index}");
        requests.push(sale.request(&name, &sale.pass(&name).await, 3));
    }

    let outcomes = reserve_at_once(&sale, requests).await;
    assert_eq!((held(&outcomes), sale.seats_left().await), (16, 2));
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == ReserveOutcome::Insufficient(2))
            .count(),
        44
    );
}

pub(crate) async fn what_is_asked_together_is_answered_as_if_one_after_the_other(
    engine: SharedEngine,
) {
    let sale = Sale::open(engine, quick()).await;
    sale.load(7).await;

    let (ann, bob, cid) = (
        sale.pass("ann").await,
        sale.pass("bob").await,
        sale.pass("cid").await,
    );
    let named = |request: Reserve, asked: &str| Reserve {
        idempotency: Some(("key".parse().unwrap(), asked.to_owned())),
        booking_id: Uuid::new_v4().into(),
        ..request
    };

    let first = named(sale.request("ann", &ann, 2), "two");
    let requests = [
        first.clone(),
        named(first.clone(), "two"),
        named(first.clone(), "three"),
        Reserve {
            idempotency: None,
            ..sale.request("ann", &ann, 1)
        },
        Reserve {
            user: user("ann"),
            user_limit: 4,
            pass_epoch: "earlier".parse().unwrap(),
            ..sale.request("ann", &cid, 3)
        },
        sale.request("bob", &bob, 4),
        sale.request("cid", &cid, 2),
        sale.request("cid", &cid, 1),
        sale.request("cid", &cid, 1),
    ];

    let outcomes = sale
        .engine
        .reserve_all(sale.event, &requests, sale.now())
        .await
        .unwrap();
    use ReserveOutcome::{Held, Insufficient, Mismatch, PassUsed, Replayed, UserLimit};

    let last = requests[7].booking_id;
    let expected = [
        Held,
        Replayed(first.booking_id),
        Mismatch,
        PassUsed(first.booking_id),
        UserLimit(2),
        Held,
        Insufficient(1),
        Held,
        PassUsed(last),
    ];

    assert_eq!(outcomes, expected);
    assert_eq!(
        (sale.seats_left().await, sale.status().await.active),
        (0, 3)
    );

    let settlements = [
        (first.booking_id, Settlement::Committed),
        (last, Settlement::Committed),
        (last, Settlement::Released),
        (last, Settlement::Released),
        (requests[5].booking_id, Settlement::Released),
        (first.booking_id, Settlement::Confirmed),
    ];
    sale.engine
        .settle(sale.event, &settlements, sale.now())
        .await
        .unwrap();
    assert_eq!(
        (sale.seats_left().await, sale.status().await.active),
        (5, 0)
    );
    assert_eq!(
        sale.engine
            .stale_holds(sale.event, sale.after(10_000_000), Duration::ZERO, 10)
            .await
            .unwrap(),
        []
    );
}
