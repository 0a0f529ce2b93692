//! What is counted, for a comparison with the database.

use std::collections::BTreeSet;

use waitingroom_domain::seats::{SeatSnapshot, Settlement};
use waitingroom_engine::{COUNTED_USERS_PAGE, SharedEngine};

use super::sale::{Sale, quick};

pub(crate) async fn a_tally_tells_what_is_free_what_waits_for_its_commit_and_what_users_have(
    engine: SharedEngine,
) {
    let sale = Sale::open(engine, quick()).await;
    let users = ["ann", "bob", "nobody"].map(|user| user.parse().unwrap());
    let held = sale.hold("ann", 2).await;
    let bought = sale.hold("bob", 3).await;

    sale.settle(bought.booking_id, Settlement::Committed).await;
    let tally = sale.engine.tally(sale.event, &users).await.unwrap();
    let zone = tally
        .zones
        .iter()
        .find(|zone| zone.zone_id == held.zone_id)
        .unwrap();

    assert_eq!(
        (zone.available, zone.pending),
        (sale.seats_left().await as u32, 2)
    );
    assert_eq!(
        (&tally.users[..], &tally.pending[..]),
        (&[2, 3, 0][..], &[2, 0, 0][..])
    );
    sale.settle(held.booking_id, Settlement::Aborted).await;
    sale.settle(bought.booking_id, Settlement::Confirmed).await;

    let tally = sale.engine.tally(sale.event, &users).await.unwrap();
    let zone = tally
        .zones
        .iter()
        .find(|zone| zone.zone_id == held.zone_id)
        .unwrap();

    assert_eq!((zone.pending, tally.users), (0, vec![0, 3, 0]));
    let tally = sale.engine.tally(sale.event, &[]).await.unwrap();
    assert!(tally.users.is_empty() && tally.zones.is_sorted());
}

pub(crate) async fn everybody_whose_seats_are_counted_is_found(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    assert_eq!(
        sale.engine.counted_users(sale.event, "").await.unwrap(),
        (Vec::new(), String::new())
    );

    let many = 3 * COUNTED_USERS_PAGE;
    let users = (0..many)
        .map(|number| (format!("u{number:04}").parse().unwrap(), 1))
        .collect();
    let snapshot = SeatSnapshot {
        users,
        ..SeatSnapshot::default()
    };

    sale.engine
        .load_seats(sale.event, &snapshot, sale.now())
        .await
        .unwrap();

    let (mut found, mut cursor, mut looks) = (BTreeSet::new(), String::new(), 0);
    loop {
        let (users, next) = sale
            .engine
            .counted_users(sale.event, &cursor)
            .await
            .unwrap();
        assert!(
            users.len() <= 2 * COUNTED_USERS_PAGE,
            "{} at once",
            users.len()
        );
        found.extend(users);
        (cursor, looks) = (next, looks + 1);
        if cursor.is_empty() {
            break;
        }
    }

    assert_eq!(found.len(), many);
    assert!((2..=4).contains(&looks), "{looks}");
}
