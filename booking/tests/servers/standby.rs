//! Commits that wait for a standby that is away: no time is long enough to say of one that it will
//! not be.

use booking::{
    model::booking::Status,
    store::{
        AsOf::Fixed, BookingStore, EventStore, HoldResolution, InsertOutcome, InventoryStore,
        postgres::PostgresStore,
    },
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    fixtures::{NOW, event, later, operator, reservation},
    postgres_server::PostgresServer,
    scratch::Scratch,
    wait::eventually,
};

async fn standby(server: &str, name: &str) {
    let mut operator = PgConnection::connect(server).await.unwrap();
    for statement in [
        format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"),
        "SELECT pg_reload_conf()".into(),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut operator)
            .await
            .unwrap();
    }

    eventually("the setting", || async {
        let mut session = PgConnection::connect(server).await.unwrap();
        let set = sqlx::query_scalar::<_, String>("SHOW synchronous_standby_names")
            .fetch_one(&mut session)
            .await
            .unwrap();
        (set == name).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_waiting_for_standby_stays_unknown() {
    let folder = Scratch::new(&format!("standby-{}", Uuid::new_v4().simple()));
    let server = PostgresServer::start(folder.path()).await;
    let store = PostgresStore::open(&server.url, 4).await.unwrap();
    let event = event(&[10]);
    store.create_event(&event, &operator(NOW)).await.unwrap();
    standby(&server.url, "nobody").await;

    let new = reservation(&event, 0, "ann", 3);
    let id = new.booking.booking_id;
    let told = store.insert(std::slice::from_ref(&new)).await;
    assert!(
        told.as_ref()
            .is_err_and(booking::store::StoreError::may_be_committed),
        "{told:?}"
    );
    assert_eq!(store.booking(id).await.unwrap(), None, "nobody sees it");
    let resolutions = store.resolve_holds(event.event_id, &[id]).await.unwrap();
    assert_eq!(resolutions.get(&id), None, "its commit is under way");

    standby(&server.url, "").await;
    let fate = eventually("an answer", || async {
        store
            .resolve_holds(event.event_id, &[id])
            .await
            .unwrap()
            .remove(&id)
    })
    .await;
    assert_eq!(fate, HoldResolution::Booked(Status::Reserved));
    assert_eq!(
        store.insert(std::slice::from_ref(&new)).await.unwrap(),
        [InsertOutcome::Duplicate]
    );
    assert_eq!(
        store.expire_due(Fixed(later(600)), 10).await.unwrap().len(),
        1
    );
    let counts = store.zone_counts(Some(event.event_id)).await.unwrap();
    assert_eq!((counts[0].held, counts[0].confirmed), (0, 0));
}
