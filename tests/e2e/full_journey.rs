//! The whole journey under load: 800 visitors wait on sockets, streams and by polling, under a
//! rate and a cap. All receive a pass in the order of their tickets, reserve and confirm; engine,
//! database, catalogue and bus agree in the end.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::json;
use stanchion_tests::{
    Admission, EventBuilder, Rest, Sale, Stack, Visitor,
    admission::{assert_in_order, assert_within_cap, assert_within_rate},
    eventually,
    inventory::{Inventory, offered},
    redis_cluster::NEVER,
    shopping,
    simulated_users::{ConcurrencyLimit, Transport, run_all, wait_for_pass},
    wait::now_ms,
};
use tokio::sync::watch;

const ZONES: [u32; 5] = [200; 5];
const RATE: f64 = 80.0;
const BURST: f64 = 20.0;
const CAP: usize = 60;
const PASS_TTL: i64 = 300;

/// The transports of 800 visitors.
fn transports() -> impl Iterator<Item = Transport> {
    let transport = |at: usize| match at % 8 {
        0..5 => Transport::Socket,
        5..7 => Transport::Stream,
        _ => Transport::Polling,
    };
    (0..800).map(transport)
}

async fn sells_seat_to_every_visitor(stack: &Stack) {
    let queue = json!({"rate_per_second": RATE, "burst": BURST as u32, "max_active": CAP, "pass_ttl_seconds": PASS_TTL});
    let sale = EventBuilder::new(&ZONES)
        .queue(queue)
        .create(&stack.operator())
        .await;
    assert_eq!(
        transports()
            .filter(|transport| *transport == Transport::Socket)
            .count(),
        500
    );
    assert_eq!(
        transports()
            .filter(|transport| *transport == Transport::Stream)
            .count(),
        200
    );

    // Reservations begin once the cap is reached: otherwise it might never be tested.
    let (reached, may_reserve) = watch::channel(false);
    let limit = ConcurrencyLimit::default();
    let most_active = AtomicU64::new(0);
    let work = transports()
        .zip(Visitor::many("shopper", 800))
        .enumerate()
        .map(|(at, (transport, visitor))| {
            let (gateway, url, booking) = (
                stack.gateway(at),
                stack.gateway_url(at).to_owned(),
                stack.booking(at),
            );
            let (sale, limit, mut may_reserve) = (sale.clone(), limit.clone(), may_reserve.clone());
            async move {
                let admission =
                    wait_for_pass(&gateway, &url, &sale, &visitor, transport, &limit).await;
                may_reserve
                    .wait_for(|open| *open)
                    .await
                    .expect("the sender lives");
                let handed_in = now_ms();
                let wish = sale.wish(at % ZONES.len(), 1);
                let booking = shopping::buy(&booking, &admission, &wish).await;
                (admission, handed_in, shopping::id(&booking).to_owned())
            }
        });
    let bought = tokio::select! {
        bought = run_all(work) => bought,
        () = watch_the_cap(stack.gateway(0), &sale, reached, &most_active) => unreachable!("the watch does not end"),
    };

    let admissions: Vec<Admission> = bought
        .iter()
        .map(|(admission, _, _)| admission.clone())
        .collect();
    let handed_in: HashMap<String, i64> = bought
        .iter()
        .map(|(one, at, _)| (one.claims.jti.clone(), *at))
        .collect();
    assert_eq!(handed_in.len(), 800, "each visitor has an own pass");
    assert_in_order(&admissions, PASS_TTL);
    assert_within_rate(&admissions, PASS_TTL, RATE, BURST);
    let most = assert_within_cap(&admissions, PASS_TTL, CAP, |one| handed_in[&one.claims.jti]);
    assert_eq!(most, CAP, "the cap was reached");
    let most = most_active.into_inner();
    assert!(
        most <= CAP as u64,
        "{most} active passes under a cap of {CAP}"
    );

    check_all_stores(stack, &sale).await;
    let bookings: Vec<String> = bought.into_iter().map(|(_, _, booking)| booking).collect();
    if !stack.is_embedded() {
        check_published_once(stack, bookings).await;
    }
}

/// Polls the state of the queue during the sale; lets the reservations begin when the cap is
/// reached.
async fn watch_the_cap(gateway: Rest, sale: &Sale, reached: watch::Sender<bool>, most: &AtomicU64) {
    let gateway = gateway.by(&Visitor::new("watcher"));
    loop {
        let status = sale.status(&gateway).await;
        let active = status["active_passes"].as_u64().expect("active_passes");
        most.fetch_max(active, Ordering::Relaxed);
        if active >= CAP as u64 {
            reached.send_replace(true);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn check_all_stores(stack: &Stack, sale: &Sale) {
    let inventory = Inventory::settled(sale, &stack.operator()).await;
    for zone in &inventory.zones {
        assert_eq!((zone.available, zone.held, zone.confirmed), (40, 0, 160));
    }

    eventually("the catalogue to offer what is left", || async {
        (offered(sale, &stack.booking(1)).await == 200).then_some(())
    })
    .await;

    let gateway = stack.gateway(1).by(&Visitor::new("watcher"));
    eventually("the line to be empty", || async {
        let status = sale.status(&gateway).await;
        let is = |name: &str, value: u64| status[name] == value;
        (is("total_in_queue", 0) && is("active_passes", 0) && is("seats_left", 200)).then_some(())
    })
    .await;

    if !stack.is_embedded() {
        let database = &stack.backends().database;
        assert_eq!(
            database.number("SELECT sum(confirmed) FROM zones").await,
            800
        );
        assert_eq!(database.number("SELECT sum(held) FROM zones").await, 0);
        assert_eq!(
            database
                .number("SELECT count(*) FROM bookings WHERE status = 'confirmed'")
                .await,
            800
        );
        assert_eq!(
            database
                .number("SELECT count(DISTINCT pass_jti) FROM bookings WHERE status <> 'void'")
                .await,
            800
        );
    }
}

async fn check_published_once(stack: &Stack, bookings: Vec<String>) {
    let database = &stack.backends().database;
    eventually("the outbox to be drained", || async {
        (database.number("SELECT count(*) FROM outbox").await == 0).then_some(())
    })
    .await;

    let once: HashMap<String, usize> = bookings.into_iter().map(|booking| (booking, 1)).collect();
    for topic in ["bookings.reserved", "bookings.confirmed"] {
        assert_eq!(
            stack.backends().published().of_each_booking(topic).await,
            once,
            "{topic}"
        );
    }
}

crate::on_both!(sells_seat_to_every_visitor);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cluster() {
    sells_seat_to_every_visitor(&Stack::on_cluster(NEVER).await).await;
}
