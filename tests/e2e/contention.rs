//! Many passes, few seats: all seats are sold and none twice, and the other users receive a
//! refusal.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};
use stanchion_tests::{
    Admission, EventBuilder, Rest, RestResponse, Sale, Stack, Visitor,
    inventory::Inventory,
    shopping,
    simulated_users::{ConcurrencyLimit, admit_all, run_all},
};

/// Requests at the same moment.
const AT_ONCE: usize = 256;

/// Where and how many.
type Want = (usize, u32);

async fn sells_each_seat_once_under_contention(stack: &Stack) {
    let sale = EventBuilder::new(&[500]).create(&stack.operator()).await;
    let visitors = Visitor::many("rival", 2_000);
    let admissions = admit_all(&gateways(stack), &sale, &visitors).await;
    let wants = vec![(0, 1); admissions.len()];
    let answers = all_reserve(stack, &sale, admissions, wants).await;
    let sold = answers
        .into_iter()
        .filter(|(_, answer)| was_sold(answer.clone()))
        .count();
    assert_eq!(sold, 500);
    let inventory = Inventory::settled(&sale, &stack.operator()).await;
    assert_eq!(
        (inventory.total().available, inventory.total().held),
        (0, 500)
    );

    for seed in [1, 2] {
        random_wants(stack, seed).await;
    }
}

/// Zones and quantities at random: nothing is oversold, and nothing is refused that would have
/// fitted.
async fn random_wants(stack: &Stack, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let capacities: Vec<u32> = (0..6).map(|_| random.random_range(1..=120)).collect();
    let sale = EventBuilder::new(&capacities)
        .create(&stack.operator())
        .await;
    let visitors = Visitor::many(&format!("random-{seed}"), 200);
    let admissions = admit_all(&gateways(stack), &sale, &visitors).await;
    let wants: Vec<Want> = admissions
        .iter()
        .map(|_| {
            (
                random.random_range(0..capacities.len()),
                random.random_range(1..=10),
            )
        })
        .collect();
    let answers = all_reserve(stack, &sale, admissions, wants).await;

    let inventory = Inventory::settled(&sale, &stack.operator()).await;
    let mut sold: BTreeMap<usize, u64> = BTreeMap::new();
    for ((zone, quantity), answer) in answers {
        let left = inventory.zones[zone].available;
        if was_sold(answer) {
            *sold.entry(zone).or_default() += u64::from(quantity);
        } else {
            assert!(
                u64::from(quantity) > left,
                "seed {seed}: {quantity} of zone {zone} were refused, and {left} are left"
            );
        }
    }
    for (at, zone) in inventory.zones.iter().enumerate() {
        let sold = sold.get(&at).copied().unwrap_or(0);
        assert!(
            sold <= zone.capacity,
            "seed {seed}: {sold} of {} seats",
            zone.capacity
        );
        assert_eq!(zone.held, sold, "seed {seed}: the books of zone {at}");
    }
}

fn gateways(stack: &Stack) -> Vec<Rest> {
    (0..stack.gateways()).map(|at| stack.gateway(at)).collect()
}

async fn all_reserve(
    stack: &Stack,
    sale: &Sale,
    admissions: Vec<Admission>,
    wants: Vec<Want>,
) -> Vec<(Want, RestResponse)> {
    let limit = ConcurrencyLimit::new(AT_ONCE);
    let work =
        admissions
            .into_iter()
            .zip(wants)
            .enumerate()
            .map(|(at, (admission, (zone, quantity)))| {
                let (booking, wish, limit) =
                    (stack.booking(at), sale.wish(zone, quantity), limit.clone());
                async move {
                    let answer = limit
                        .run(shopping::reserve(&booking, &admission, &wish))
                        .await;
                    ((zone, quantity), answer)
                }
            });
    run_all(work).await
}

/// Sold, or refused in the one way that is right here.
fn was_sold(answer: RestResponse) -> bool {
    if answer.status == 201 {
        return true;
    }
    answer.expect_problem(409, "INSUFFICIENT_SEATS");
    false
}

crate::on_both!(sells_each_seat_once_under_contention);
