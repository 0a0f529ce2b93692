//! What is counted, for a comparison with the database.

use waitingroom::{engine::SharedEngine, seats::Settlement};

use super::sale::{Sale, quick};

pub(crate) async fn a_tally_tells_what_is_free_what_waits_for_its_commit_and_what_users_have(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let users = ["ann", "bob", "nobody"].map(|user| user.parse().unwrap());
    let held = sale.hold("ann", 2).await;
    let bought = sale.hold("bob", 3).await;
    sale.settle(bought.booking_id, Settlement::Committed).await;
    let tally = sale.engine.tally(sale.event, &users).await.unwrap();
    let zone = tally.zones.iter().find(|zone| zone.zone_id == held.zone_id).unwrap();
    assert_eq!((zone.available, zone.pending), (sale.seats_left().await as u32, 2));
    assert_eq!(tally.users, [2, 3, 0]);
    sale.settle(held.booking_id, Settlement::Aborted).await;
    sale.settle(bought.booking_id, Settlement::Confirmed).await;
    let tally = sale.engine.tally(sale.event, &users).await.unwrap();
    let zone = tally.zones.iter().find(|zone| zone.zone_id == held.zone_id).unwrap();
    assert_eq!((zone.pending, tally.users), (0, vec![0, 3, 0]));
    let tally = sale.engine.tally(sale.event, &[]).await.unwrap();
    assert!(tally.users.is_empty() && tally.zones.is_sorted());
}
