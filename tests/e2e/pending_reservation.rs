//! A reservation hangs in the database while its user reloads, opens a second tab, or retries: the
//! user keeps place and pass until it is decided.

use std::str::FromStr;

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use stanchion_tests::{
    EventBuilder, Shape, Socket, Stack, Visitor, eventually,
    shopping::{id, new_key, reserve_once, with_retries},
    simulated_users::admit,
    tokens,
};
use waitingroom_server::protocol::ServerMessage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_pass_when_reloading_during_reservation() {
    let stack = Stack::servers(Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[10]).create(&stack.operator()).await;
    let ann = Visitor::new("ann");
    let admission = admit(&stack.gateway(0), &sale, &ann).await;
    let (gateway, booking) = (stack.gateway(0).by(&ann), stack.booking(0).by(&ann));

    let options = PgConnectOptions::from_str(&stack.backends().database.url)
        .expect("the URL of a PostgreSQL");
    let mut lock = PgConnection::connect_with(&options)
        .await
        .expect("PostgreSQL answers");
    // Booking has the server end transactions of its role that stand idle.
    sqlx::query("SET idle_in_transaction_session_timeout = 0")
        .execute(&mut lock)
        .await
        .expect("a setting");
    let mut locked = lock.begin().await.expect("a transaction");
    sqlx::query("SELECT * FROM zones FOR UPDATE")
        .execute(&mut *locked)
        .await
        .expect("a lock");

    let (wish, key, pass) = (sale.wish(0, 2), new_key(), admission.pass.clone());
    let reserving = {
        let (booking, wish, key, pass) = (booking.clone(), wish.clone(), key.clone(), pass.clone());
        tokio::spawn(async move { reserve_once(&booking, &wish, Some(&pass), Some(&key)).await })
    };
    eventually("the pass to be under decision", || async {
        (sale.place(&gateway).await.status == 503).then_some(())
    })
    .await;
    let joined = sale.join(&gateway).await;
    assert!(joined.has_retry_after(), "{joined:?}");
    assert_eq!(joined.code(), "UNAVAILABLE");
    let mut tab = Socket::open(stack.gateway_url(0), &ann).await;
    let told = tab.join(&sale.event, None).await;
    assert!(
        matches!(&told, ServerMessage::Error { code, .. } if code == "UNAVAILABLE"),
        "{told:?}"
    );

    let answer = reserving.await.expect("an answer");
    assert!(
        answer.has_retry_after(),
        "the database did not store it: {answer:?}"
    );
    let place = eventually("the place to be given back", || async {
        let joined = sale.join(&gateway).await;
        assert!(
            [200, 503].contains(&joined.status),
            "never a new place: {joined:?}"
        );
        (joined.status == 200).then_some(joined.body)
    })
    .await;
    let number = tokens::ticket_number(
        place["ticket"].as_str().expect("a ticket"),
        &ann.name,
        &sale.event,
    );
    assert_eq!(number, admission.claims.num, "{place}");
    assert_eq!(
        (place["is_ready"].as_bool(), place["queue_pass"].as_str()),
        (Some(true), Some(&*pass)),
        "{place}"
    );

    locked.rollback().await.expect("an end of the lock");
    let booked = with_retries(|| reserve_once(&booking, &wish, Some(&pass), Some(&key)))
        .await
        .expect(201);
    assert!(!id(&booked).is_empty());
    assert_eq!(
        sale.join(&gateway).await.status,
        201,
        "the turn was used: a new place"
    );
}
