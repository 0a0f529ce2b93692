//! The way to the database stands still for longer than any step waits, and then everything
//! arrives: each reservation that is told as stored is there, and so is nothing else.

use std::{sync::Arc, time::Duration};

use booking::{
    model::audit_log::{AuditAction, AuditEntry},
    store::{
        AsOf::Fixed, AuditStore, BookingStore, EventStore, InsertOutcome, postgres::PostgresStore,
    },
};
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use crate::{
    databases::own_database,
    fixtures::{NOW, event, later, operator, reservation},
};

/// Longer than a step waits (3.5 s), and shorter than its connection is waited for after that.
const STALL: Duration = Duration::from_millis(4_000);

/// A way to the server on which everything waits while `stands` is true.
async fn way_to(server: String, stands: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();

    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let ((from_client, to_client), (from_server, to_server)) = (
                client.into_split(),
                TcpStream::connect(&server).await.unwrap().into_split(),
            );
            tokio::spawn(carry(from_client, to_server, stands.clone()));
            tokio::spawn(carry(from_server, to_client, stands.clone()));
        }
    });
    port
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut stands: watch::Receiver<bool>) {
    let mut bytes = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if stands.wait_for(|stands| !stands).await.is_err()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_answer_after_stall_is_true() {
    let direct = own_database().await;
    let (credentials, address_and_path) = direct
        .rsplit_once('@')
        .unwrap_or(("postgres://postgres", &direct));
    let (address, path) = address_and_path.split_once('/').unwrap();
    let address = if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:5432")
    };
    let (stand, stands) = watch::channel(false);
    let port = way_to(address, stands).await;
    let url = format!("{credentials}@127.0.0.1:{port}/{path}");
    let store = Arc::new(PostgresStore::open(&url, 4).await.unwrap());
    let event = event(&[10_000]);
    store.create_event(&event, &operator(NOW)).await.unwrap();
    let seed = (0..3).map(|user| reservation(&event, 0, &format!("seed{user}"), 1));
    store.insert(&seed.collect::<Vec<_>>()).await.unwrap();

    // Transactions and statements are under way on connections that were good a moment ago.
    for answer in join_all((0..3).map(|_| store.revision())).await {
        answer.unwrap();
    }
    let until = tokio::time::Instant::now() + STALL;
    stand.send_replace(true);
    let (sweeper, clerk) = (Arc::clone(&store), Arc::clone(&store));
    let sweeping = tokio::spawn(async move { sweeper.expire_due(Fixed(later(0)), 10).await });
    let act = operator(NOW);
    let deed = AuditEntry {
        context: act,
        event_id: None,
        action: AuditAction::SyncInventory,
        before: None,
        after: None,
    };
    let noting = tokio::spawn(async move { clerk.append_audit(&deed).await });
    let during = reservation(&event, 0, "during", 1);
    let lost = store.insert(std::slice::from_ref(&during)).await;
    assert!(lost.is_err(), "{lost:?}");
    sweeping.await.unwrap().unwrap_err();
    noting.await.unwrap().unwrap_err();
    tokio::time::sleep_until(until).await;
    stand.send_replace(false);

    let mut outside = PgConnection::connect(&direct).await.unwrap();
    let mut stored = 0;
    for user in 0..40 {
        let new = reservation(&event, 0, &format!("u{user}"), 1);
        let Ok(answers) = store.insert(std::slice::from_ref(&new)).await else {
            continue;
        };
        assert_eq!(answers, [InsertOutcome::Stored]);
        let found =
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM bookings WHERE booking_id = $1");
        let found = found
            .bind(new.booking.booking_id.uuid())
            .fetch_one(&mut outside)
            .await
            .unwrap();
        assert_eq!(found, 1, "the reservation of u{user} was told as stored");
        stored += 1;
    }
    assert!(stored > 30, "{stored} of 40");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(open)
            .fetch_one(&mut outside)
            .await
            .unwrap(),
        0
    );
}
