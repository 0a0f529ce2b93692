//! Rebuilding the inventory from the database while holds come and go.

use std::time::Duration;

use uuid::Uuid;
use waitingroom_domain::seats::{
    Hold, Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, ZoneSeats,
};
use waitingroom_engine::SharedEngine;

use super::sale::{Sale, quick, user, zone};

/// The database with so many seats available, these holds, and the seats of their users.
fn database(available: u32, holds: &[&Reserve]) -> SeatSnapshot {
    SeatSnapshot {
        zones: vec![ZoneSeats {
            zone_id: zone(),
            available,
        }],
        holds: holds.iter().map(|request| stored(request)).collect(),
        users: holds
            .iter()
            .map(|request| (request.user.clone(), request.quantity))
            .collect(),
    }
}

fn stored(request: &Reserve) -> Hold {
    Hold {
        booking_id: request.booking_id,
        user: request.user.clone(),
        zone_id: request.zone_id,
        quantity: request.quantity,
        expires_at: request.hold_expires_at,
        pass_id: request.pass_id.clone(),
    }
}

async fn begin(sale: &Sale) -> u64 {
    sale.engine
        .begin_sync(sale.event, sale.now())
        .await
        .unwrap()
}

pub(crate) async fn a_sync_stops_holds_for_a_while(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;
    let request = sale.request("ann", &grant, 1);

    assert_eq!(begin(&sale).await, 0);
    sale.wait(4_999).await;
    assert_eq!(sale.reserve(&request).await, ReserveOutcome::Syncing);
    sale.wait(1).await;
    assert_eq!(
        sale.reserve(&request).await,
        ReserveOutcome::Held,
        "a sync that died no longer stops anyone"
    );
    assert_eq!(begin(&sale).await, 1, "one hold waits for its commit");
    sale.load(99).await;

    let grant = sale.pass("bob").await;
    assert_eq!(
        sale.reserve(&sale.request("bob", &grant, 1)).await,
        ReserveOutcome::Held,
        "the load ends the sync"
    );
}

pub(crate) async fn a_snapshot_replaces_the_inventory(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let lost = sale.hold("ann", 5).await;
    sale.settle(lost.booking_id, Settlement::Committed).await;
    let adopted = Reserve {
        booking_id: Uuid::new_v4().into(),
        user: user("bob"),
        quantity: 3,
        ..lost.clone()
    };
    let mut snapshot = database(40, &[&adopted]);
    let second = ZoneSeats {
        zone_id: Uuid::nil().into(),
        available: 2,
    };
    snapshot.zones.push(second);
    sale.load_snapshot(snapshot).await;

    let first = ZoneSeats {
        zone_id: zone(),
        available: 40,
    };
    assert_eq!(
        sale.engine.seats(sale.event).await.unwrap(),
        [second, first],
        "ordered by zone"
    );
    assert_eq!(sale.seats_left().await, 42);
    let stale = sale
        .engine
        .stale_holds(sale.event, adopted.hold_expires_at, Duration::ZERO, 10)
        .await
        .unwrap();
    assert_eq!(
        stale,
        [StaleHold {
            booking_id: adopted.booking_id,
            pending: false
        }]
    );
    sale.settle(lost.booking_id, Settlement::Released).await;
    sale.settle(adopted.booking_id, Settlement::Released).await;
    assert_eq!(
        sale.seats_left().await,
        45,
        "the database knows which holds there are"
    );
}

pub(crate) async fn pending_holds_survive_a_snapshot_that_lacks_them(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let pending = sale.hold("ann", 2).await;
    let stored = sale.hold("bob", 3).await;
    assert_eq!(begin(&sale).await, 2);
    sale.load_snapshot(database(97, &[&stored])).await;
    assert_eq!(
        sale.seats_left().await,
        95,
        "97 less those that the database does not know yet"
    );
    assert_eq!(begin(&sale).await, 1, "the stored one is committed");
    let stale = sale
        .engine
        .stale_holds(sale.event, sale.now(), Duration::ZERO, 10)
        .await
        .unwrap();
    assert_eq!(
        stale,
        [StaleHold {
            booking_id: pending.booking_id,
            pending: true
        }],
        "the database is asked at once"
    );

    sale.settle(stored.booking_id, Settlement::Aborted).await;
    sale.settle(pending.booking_id, Settlement::Aborted).await;
    assert_eq!(sale.seats_left().await, 97);
    sale.load(97).await;
    assert_eq!(
        sale.reserve(&pending).await,
        ReserveOutcome::Held,
        "its pass came back"
    );
}

pub(crate) async fn settlements_during_a_sync_are_applied_to_the_snapshot(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let mut requests = Vec::new();
    for name in ["released", "confirmed", "committed", "aborted"] {
        requests.push(sale.hold(name, 10).await);
    }
    let [released, confirmed, committed, aborted] = &requests[..] else {
        panic!("four holds")
    };
    for request in [released, confirmed] {
        sale.settle(request.booking_id, Settlement::Committed).await;
    }
    assert_eq!(begin(&sale).await, 2);
    // Read before the settlements: the first two are held, the others are not yet there.
    let snapshot = database(80, &[released, confirmed]);
    sale.settle(released.booking_id, Settlement::Released).await;
    sale.settle(confirmed.booking_id, Settlement::Confirmed)
        .await;
    sale.settle(committed.booking_id, Settlement::Committed)
        .await;
    sale.settle(aborted.booking_id, Settlement::Aborted).await;
    sale.load_snapshot(snapshot).await;
    assert_eq!(
        sale.seats_left().await,
        80,
        "100, less ten confirmed and ten committed"
    );

    let stale = sale
        .engine
        .stale_holds(sale.event, sale.after(600_000), Duration::ZERO, 10)
        .await
        .unwrap();
    assert_eq!(
        stale,
        [StaleHold {
            booking_id: committed.booking_id,
            pending: false
        }]
    );

    begin(&sale).await;
    sale.settle(committed.booking_id, Settlement::Released)
        .await;
    begin(&sale).await;
    sale.load_snapshot(database(70, &[committed])).await;
    assert_eq!(
        sale.seats_left().await,
        70,
        "the journal begins with the sync"
    );
}

pub(crate) async fn an_inventory_of_any_size_is_loaded_whole(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;
    let own = sale.request("ann", &grant, 2);
    assert_eq!(sale.reserve(&own).await, ReserveOutcome::Held);
    let held: Vec<Reserve> = (0..2_300)
        .map(|index| Reserve {
            booking_id: Uuid::new_v4().into(),
            pass_id: format!("p{index}").parse().unwrap(),
            ..sale.request(&format!("u{index}"), &grant, 1)
        })
        .collect();
    begin(&sale).await;
    let released: Vec<_> = held[..1_500]
        .iter()
        .map(|one| (one.booking_id, Settlement::Released))
        .collect();
    sale.engine
        .settle(sale.event, &released, sale.now())
        .await
        .unwrap();
    sale.settle(held[1_500].booking_id, Settlement::Confirmed)
        .await;
    sale.settle(own.booking_id, Settlement::Committed).await;
    sale.load_snapshot(database(10_000, &held.iter().collect::<Vec<_>>()))
        .await;

    assert_eq!(sale.seats_left().await, 10_000 + 1_500 - 2);
    let stale = sale
        .engine
        .stale_holds(sale.event, sale.after(600_000), Duration::ZERO, 10_000)
        .await
        .unwrap();
    assert_eq!(stale.len(), 2_300 - 1_501 + 1);
    for (index, room) in [(0, 10), (1_500, 9), (2_299, 9)] {
        let more = Reserve {
            pass_epoch: "earlier".parse().unwrap(),
            quantity: 11,
            ..held[index].clone()
        };
        let more = Reserve {
            pass_id: format!("more{index}").parse().unwrap(),
            ..more
        };
        assert_eq!(
            sale.reserve(&more).await,
            ReserveOutcome::UserLimit(room),
            "user {index}"
        );
        assert_eq!(
            sale.reserve(&held[index]).await,
            ReserveOutcome::PassUsed(held[index].booking_id)
        );
    }
}

pub(crate) async fn a_pass_burned_before_a_loss_stays_burned(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;
    let before = Reserve {
        pass_epoch: "earlier".parse().unwrap(),
        ..sale.request("bob", &grant, 2)
    };
    let before = Reserve {
        pass_id: "old-7".parse().unwrap(),
        ..before
    };

    sale.load_snapshot(database(98, &[&before])).await;
    let again = Reserve {
        booking_id: Uuid::new_v4().into(),
        ..before.clone()
    };

    assert_eq!(
        sale.reserve(&again).await,
        ReserveOutcome::PassUsed(before.booking_id)
    );

    let more = Reserve {
        pass_id: "old-8".parse().unwrap(),
        user_limit: 3,
        ..again
    };
    assert_eq!(
        sale.reserve(&more).await,
        ReserveOutcome::UserLimit(1),
        "held seats count"
    );
}
