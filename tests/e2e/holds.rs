//! Unconfirmed holds expire, and their seats are free again.

use std::collections::HashMap;

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Stack, Visitor, eventually,
    inventory::{Inventory, offered},
    shopping::{confirm, id, reserve},
    simulated_users::admit,
};

async fn expires_unconfirmed_hold(stack: &Stack) {
    let sale = EventBuilder::new(&[5])
        .hold_seconds(2)
        .create(&stack.operator())
        .await;
    let (slow, quick) = (Visitor::new("slow"), Visitor::new("quick"));
    let pass = admit(&stack.gateway(0), &sale, &slow).await;
    let held = reserve(&stack.booking(0), &pass, &sale.wish(0, 4))
        .await
        .expect(201);
    assert_eq!(
        (&held["status"], &held["quantity"], &held["total_price"]),
        (&json!("reserved"), &json!(4), &json!(10_000))
    );
    assert_eq!(
        Inventory::settled(&sale, &stack.operator())
            .await
            .total()
            .held,
        4
    );

    // Held seats are not sold to others.
    let rival = admit(&stack.gateway(1), &sale, &quick).await;
    reserve(&stack.booking(1), &rival, &sale.wish(0, 2))
        .await
        .expect_problem(409, "INSUFFICIENT_SEATS");

    let (path, mine) = (
        format!("/bookings/{}", id(&held)),
        stack.booking(1).by(&slow),
    );
    eventually("the hold to expire", || async {
        (mine.get(&path).await.expect(200)["status"] == "expired").then_some(())
    })
    .await;
    confirm(&mine, id(&held))
        .await
        .expect_problem(409, "BOOKING_EXPIRED");
    eventually("the seats to be back in every book", || async {
        let inventory = Inventory::of(&sale, &stack.operator()).await;
        let back = inventory.total().available == 5 && inventory.drift == 0;
        (back && offered(&sale, &stack.booking(1)).await == 5).then_some(())
    })
    .await;
    assert_eq!(
        mine.get("/bookings/pending").await.expect(200)["bookings"],
        json!([])
    );

    // The rival's pass outlived the refusal, and the seats can be sold.
    let sold = reserve(&stack.booking(1), &rival, &sale.wish(0, 5))
        .await
        .expect(201);
    confirm(&stack.booking(0).by(&quick), id(&sold))
        .await
        .expect(200);
    if !stack.is_embedded() {
        let once = HashMap::from([(id(&held).to_owned(), 1)]);
        eventually("the end to be published", || async {
            (stack
                .backends()
                .published()
                .of_each_booking("bookings.expired")
                .await
                == once)
                .then_some(())
        })
        .await;
        let confirmed = HashMap::from([(id(&sold).to_owned(), 1)]);
        eventually("the sale to be published", || async {
            (stack
                .backends()
                .published()
                .of_each_booking("bookings.confirmed")
                .await
                == confirmed)
                .then_some(())
        })
        .await;
    }
}

crate::on_both!(expires_unconfirmed_hold);
