//! How holds end.

use std::time::Duration;

use waitingroom_domain::{
    presence::Presence,
    seats::{Reserve, ReserveOutcome, Settlement, StaleHold},
};
use waitingroom_engine::{EngineError, SharedEngine};

use super::sale::{Sale, at, quick, user};
use crate::single_action::{Join, SingleAction};

pub(crate) async fn an_aborted_hold_gives_everything_back(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let held = sale.hold("ann", 2).await;
    sale.settle(held.booking_id, Settlement::Aborted).await;
    sale.settle(held.booking_id, Settlement::Aborted).await;
    assert_eq!(
        (sale.seats_left().await, sale.status().await.active),
        (100, 1)
    );
    let place = sale.resume("ann", Presence::Poll).await.unwrap();
    assert_eq!(
        place.grant.map(|grant| grant.pass_id),
        Some(held.pass_id.clone()),
        "the pass is as good as before"
    );
    assert_eq!(
        sale.reserve(&Reserve {
            user_limit: 2,
            ..held.clone()
        })
        .await,
        ReserveOutcome::Held
    );

    sale.settle(held.booking_id, Settlement::Committed).await;
    sale.settle(held.booking_id, Settlement::Aborted).await;
    assert_eq!(
        sale.seats_left().await,
        98,
        "what is committed cannot be aborted"
    );
}

pub(crate) async fn an_aborted_hold_does_not_revive_an_ended_pass(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let held = sale.hold("ann", 2).await;

    sale.wait(300_000).await;
    sale.settle(held.booking_id, Settlement::Aborted).await;
    assert_eq!(
        (sale.seats_left().await, sale.status().await.active),
        (100, 0)
    );
    assert_eq!(sale.resume("ann", Presence::Poll).await, None);
    assert_eq!(sale.join("ann").await.position, 1);
}

pub(crate) async fn a_released_hold_gives_its_seats_back_once(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    for committed in [true, false] {
        let held = sale.hold("ann", 2).await;
        if committed {
            sale.settle(held.booking_id, Settlement::Committed).await;
        }
        assert_eq!(sale.seats_left().await, 98);
        sale.settle(held.booking_id, Settlement::Released).await;
        sale.settle(held.booking_id, Settlement::Released).await;
        sale.settle(held.booking_id, Settlement::Confirmed).await;
        assert_eq!(sale.seats_left().await, 100);
        assert_eq!(
            sale.reserve(&held).await,
            ReserveOutcome::PassUsed(held.booking_id),
            "the pass stays used"
        );
    }

    let grant = sale.pass("ann").await;
    let request = Reserve {
        user_limit: 2,
        ..sale.request("ann", &grant, 2)
    };

    assert_eq!(
        sale.reserve(&request).await,
        ReserveOutcome::Held,
        "nothing counts against the limit"
    );
}

pub(crate) async fn a_confirmed_hold_is_sold(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let held = sale.hold("ann", 2).await;

    sale.settle(held.booking_id, Settlement::Committed).await;
    sale.settle(held.booking_id, Settlement::Confirmed).await;
    sale.settle(held.booking_id, Settlement::Released).await;
    assert_eq!(sale.seats_left().await, 98);
    assert_eq!(
        sale.engine
            .stale_holds(sale.event, sale.after(10_000_000), Duration::ZERO, 10)
            .await
            .unwrap(),
        []
    );
}

/// Whatever a user does while their reservation is being decided, in a second tab or after a
/// reload.
pub(crate) async fn whoever_waits_for_a_commit_keeps_place_and_pass(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let held = sale.hold("ann", 2).await;
    let deciding =
        |refused: EngineError| assert!(matches!(refused, EngineError::Deciding), "{refused}");
    let poll = Presence::Poll;
    let again = async || {
        for ticket in [None, Some(("earlier".parse().unwrap(), 5))] {
            let join = Join {
                event_id: sale.event,
                user: user("ann"),
                presence: at("n2"),
                ticket,
            };
            deciding(sale.engine.join(&join, sale.now()).await.unwrap_err());
        }
        let ticket = ("earlier".parse().unwrap(), 5);
        deciding(
            sale.engine
                .restore(sale.event, &user("ann"), &poll, &ticket, None, sale.now())
                .await
                .unwrap_err(),
        );
        deciding(
            sale.engine
                .resume(sale.event, &user("ann"), &poll, sale.now())
                .await
                .unwrap_err(),
        );
        deciding(
            sale.engine
                .leave(sale.event, &user("ann"), sale.now())
                .await
                .unwrap_err(),
        );
        sale.detach("ann", "n1").await;
    };
    again().await;
    sale.release().await;
    assert_eq!(
        (sale.status().await.total, sale.status().await.active),
        (0, 1)
    );
    sale.settle(held.booking_id, Settlement::Aborted).await;
    let place = sale.resume("ann", poll.clone()).await.unwrap();
    assert_eq!(
        (place.number, place.position),
        (1, 0),
        "as if nothing had happened"
    );
    assert_eq!(
        place.grant.map(|grant| grant.pass_id),
        Some(held.pass_id.clone())
    );
    assert_eq!(sale.reserve(&held).await, ReserveOutcome::Held);

    again().await;
    sale.settle(held.booking_id, Settlement::Committed).await;
    assert_eq!(
        sale.resume("ann", poll.clone()).await,
        None,
        "the turn was used"
    );
    assert_eq!(sale.join("ann").await.number, 2);
}

/// An acknowledgement may be overtaken by the reservation.
pub(crate) async fn a_used_pass_has_arrived(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;
    let held = sale.request("ann", &grant, 1);

    assert_eq!(sale.reserve(&held).await, ReserveOutcome::Held);
    assert!(sale.acknowledge("ann", &grant).await, "while it is decided");
    sale.settle(held.booking_id, Settlement::Committed).await;
    assert!(sale.acknowledge("ann", &grant).await, "once it is booked");
    sale.wait(300_000).await;

    assert!(!sale.acknowledge("ann", &grant).await, "its time is over");
}

const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn holds_are_stale_when_the_database_has_to_be_asked(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let stale = async |at, limit| {
        sale.engine
            .stale_holds(sale.event, at, PATIENCE, limit)
            .await
            .unwrap()
    };

    let committed = sale.hold("ann", 1).await.booking_id;
    sale.settle(committed, Settlement::Committed).await;
    sale.wait(1_000).await;

    let pending = sale.hold("bob", 1).await.booking_id;
    assert_eq!(stale(sale.after(4_999), 10).await, []);
    assert_eq!(
        stale(sale.after(5_000), 10).await,
        [StaleHold {
            booking_id: pending,
            pending: true
        }]
    );

    let both = [
        StaleHold {
            booking_id: pending,
            pending: true,
        },
        StaleHold {
            booking_id: committed,
            pending: false,
        },
    ];
    assert_eq!(stale(sale.after(604_000), 10).await, both);
    assert_eq!(stale(sale.after(604_000), 1).await, both[..1]);
    sale.settle(pending, Settlement::Released).await;

    assert_eq!(stale(sale.after(604_000), 10).await, both[1..]);
}
