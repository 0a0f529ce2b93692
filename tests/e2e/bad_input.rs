//! Bad input of every form: the response names the error, and no state changes.

mod frames;
mod identities;
mod requests;

use stanchion_tests::{EventBuilder, Sale, Stack, Visitor, inventory::Inventory};

async fn rejects_bad_input_without_side_effects(stack: &Stack) {
    let sale = EventBuilder::new(&[10, 20])
        .paused()
        .create(&stack.operator())
        .await;
    let ann = Visitor::new("ann");
    sale.join(&stack.gateway(0).by(&ann)).await.expect(201);
    let before = state(stack, &sale).await;

    identities::are_checked(stack, &sale).await;
    requests::of_the_line(stack, &sale).await;
    requests::of_booking(stack, &sale).await;
    requests::of_operators(stack).await;
    requests::by_the_wrong_door(stack).await;
    frames::are_checked(stack, &sale).await;

    assert_eq!(state(stack, &sale).await, before);
}

async fn state(stack: &Stack, sale: &Sale) -> (serde_json::Value, Inventory) {
    let mut status = sale
        .status(&stack.gateway(0).by(&Visitor::new("watcher")))
        .await;
    status["rate_effective"].take(); // it depends on the load of booking
    (status, Inventory::of(sale, &stack.operator()).await)
}

crate::on_both!(rejects_bad_input_without_side_effects);
