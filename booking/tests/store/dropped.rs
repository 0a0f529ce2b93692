//! Steps that are dropped while they wait, at each place where they do: the next step finds a
//! connection as good as new.

use std::{
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use booking::{
    model::{
        appearance::AppearancePatch,
        audit_log::{AuditAction, AuditEntry},
        booking::NewBooking,
        event::Event,
        revision::Precondition,
    },
    store::{AsOf, InsertOutcome, Outage, SharedStore, Transition, postgres::PostgresStore},
};
use futures_util::future::poll_fn;
use sqlx::{Connection, PgConnection, SqliteConnection};
use uuid::Uuid;
use waitingroom_domain::{ids::BookingId, queue::QueuePatch};

use super::{
    databases::{own_database, sqlite_file, sqlite_memory},
    fixtures::{NOW, later, operator, reservation, stored_event, transition_request},
};

type Step<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Everything that a store does.
const STEPS: [&str; 41] = [
    "insert",
    "insert duplicates",
    "apply transitions",
    "expire",
    "resolve holds",
    "create event",
    "patch queue",
    "patch nothing",
    "patch appearance",
    "catalogue",
    "snapshot",
    "note",
    "audit",
    "lease outbox batches",
    "delete outbox batches",
    "replace outbox messages",
    "outbox backlog",
    "zone counts",
    "checkpoint",
    "save checkpoint",
    "clear checkpoint",
    "handover",
    "begin handover",
    "hasten handover",
    "end handover",
    "lease sync",
    "release sync",
    "beat",
    "extend holds",
    "user seats",
    "seats of users",
    "clear expired keys",
    "booking",
    "find attempt",
    "pass is used",
    "list",
    "pending",
    "summary",
    "time",
    "revision",
    "reset",
];

/// A user without any seats so far.
fn somebody() -> String {
    Uuid::new_v4().to_string()
}

/// One of them, on rows that are there and rows that are not.
fn step<'a>(
    name: &'static str,
    store: &'a SharedStore,
    event: &'a Event,
    there: &'a NewBooking,
) -> Step<'a> {
    let id = event.event_id;
    let user = &there.booking.user;

    Box::pin(async move {
        match name {
            "insert" => drop(
                store
                    .insert(&[
                        reservation(event, 0, &somebody(), 1),
                        reservation(event, 1, &somebody(), 1),
                    ])
                    .await,
            ),
            "insert duplicates" => drop(
                store
                    .insert(&[there.clone(), reservation(event, 0, &somebody(), 1)])
                    .await,
            ),
            "apply transitions" => drop(
                store
                    .apply_transitions(
                        &[transition_request(there, Transition::Confirm)],
                        AsOf::Fixed(NOW),
                    )
                    .await,
            ),
            "expire" => {
                let mut new = reservation(event, 1, &somebody(), 1);
                new.booking.expires_at = NOW;
                drop(store.insert(&[new]).await);
                drop(store.expire_due(AsOf::Fixed(later(1)), 10).await);
            }
            "resolve holds" => {
                let lost = reservation(event, 0, &somebody(), 1).booking.booking_id;
                drop(
                    store
                        .resolve_holds(id, &[there.booking.booking_id, lost])
                        .await,
                );
            }
            "create event" => drop(
                store
                    .create_event(&super::fixtures::event(&[1, 2]), &operator(NOW))
                    .await,
            ),
            "patch queue" => {
                let patch = QueuePatch {
                    burst: Some(7),
                    ..QueuePatch::default()
                };
                drop(
                    store
                        .patch_queue(id, &patch, &Precondition::None, &operator(NOW))
                        .await,
                );
            }
            "patch nothing" => {
                let patch = QueuePatch {
                    burst: Some(7),
                    ..QueuePatch::default()
                };
                drop(
                    store
                        .patch_queue(
                            Uuid::nil().into(),
                            &patch,
                            &Precondition::None,
                            &operator(NOW),
                        )
                        .await,
                );
            }
            "patch appearance" => {
                let patch = AppearancePatch {
                    accent: Some("#123456".into()),
                    ..AppearancePatch::default()
                };
                drop(
                    store
                        .patch_appearance(id, &patch, &Precondition::None, &operator(NOW))
                        .await,
                );
            }
            "catalogue" => drop(store.catalogue().await),
            "snapshot" => drop(store.snapshot(id).await),
            "note" => {
                let act = operator(NOW);
                let deed = AuditEntry {
                    context: act,
                    event_id: None,
                    action: AuditAction::SyncInventory,
                    before: None,
                    after: None,
                };
                drop(store.append_audit(&deed).await);
            }
            "audit" => drop(store.audit_records(None, i64::MAX, 10).await),
            "lease outbox batches" => drop(store.lease_batches(Uuid::nil(), NOW, NOW, 10).await),
            "delete outbox batches" => drop(store.delete_batches(&[1, 2]).await),
            "replace outbox messages" => drop(store.replace_messages(Uuid::nil(), 1, &[]).await),
            "outbox backlog" => drop(store.backlog().await),
            "zone counts" => drop(store.zone_counts(Some(id)).await),
            "checkpoint" => drop(store.checkpoint(id).await),
            "clear checkpoint" => drop(store.clear_checkpoint(id).await),
            "save checkpoint" => drop(store.save_checkpoint(id, &Default::default()).await),
            "handover" => drop(store.handover(id).await),
            "begin handover" => drop(store.begin_handover(id, "a mark", NOW).await),
            "hasten handover" => drop(store.hasten_handover(id).await),
            "end handover" => drop(store.end_handover(id, "a mark").await),
            "lease sync" => drop(store.lease_sync(id, NOW, NOW).await),
            "release sync" => drop(store.release_sync(id).await),
            "extend holds" => {
                let (from, to) = (NOW, later(1));
                drop(store.extend_holds(Outage { from, to }).await);
            }
            "beat" => drop(store.write_heartbeat().await),
            "user seats" => drop(store.user_seats(id, None, 10).await),
            "seats of users" => drop(store.seats_of_users(id, std::slice::from_ref(user)).await),
            "clear expired keys" => drop(store.clear_expired_keys(NOW, 10).await),
            "booking" => drop(store.booking(there.booking.booking_id).await),
            "find attempt" => drop(store.find_attempt(user, &"a key".parse().unwrap()).await),
            "pass is used" => drop(store.pass_is_used(&there.pass_id).await),
            "pending" => drop(store.pending(user, NOW).await),
            "reset" => drop(store.reset().await),
            "list" => drop(store.list(user, None, 10, 0).await),
            "summary" => drop(store.summary(user, None, NOW).await),
            "time" => drop(store.time().await),
            "revision" => drop(store.revision().await),
            _ => unreachable!("{name}"),
        }
    })
}

/// Polls until the step has waited so many times, and drops it; true if it came to its end before.
async fn cut(waits: usize, step: impl Future<Output = ()>) -> bool {
    let (mut step, mut left) = (pin!(step), waits);
    poll_fn(|context| match step.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if left <= 1 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// After each cut, a reservation is stored and seen from outside: what the step left open would
/// swallow it.
async fn nothing_is_left_behind(store: &SharedStore, is_there: impl AsyncFn(BookingId) -> bool) {
    let event = stored_event(store, &[100_000, 100_000]).await;
    for name in STEPS {
        for waits in 1.. {
            let there = reservation(&event, 0, &somebody(), 1);
            let stored = store.insert(std::slice::from_ref(&there)).await.unwrap();
            assert_eq!(
                stored,
                [InsertOutcome::Stored],
                "after {name} was dropped at its wait {}",
                waits - 1
            );
            assert!(
                is_there(there.booking.booking_id).await,
                "{name}, dropped at its wait {}",
                waits - 1
            );
            if cut(waits, step(name, store, &event, &there)).await {
                break;
            }
            assert!(waits < 1_000, "{name} does not end");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres() {
    let url = own_database().await;

    // One connection for what changes something, and one for reads: each next step gets the one
    // that was dropped.
    let store: SharedStore = std::sync::Arc::new(PostgresStore::open(&url, 2).await.unwrap());
    let outside = tokio::sync::Mutex::new(PgConnection::connect(&url).await.unwrap());

    nothing_is_left_behind(&store, async |booking| {
        let found = "SELECT count(*) FROM bookings WHERE booking_id = $1 AND status = 'reserved'";
        let found = sqlx::query_scalar::<_, i64>(found).bind(booking.uuid());
        found.fetch_one(&mut *outside.lock().await).await.unwrap() == 1
    })
    .await;

    let mut outside = outside.lock().await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);

    while sqlx::query_scalar::<_, i64>(open)
        .fetch_one(&mut *outside)
        .await
        .unwrap()
        > 0
    {
        assert!(
            tokio::time::Instant::now() < deadline,
            "a transaction is left open"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_file_of_sqlite() {
    let (store, file) = sqlite_file().await;
    let outside = tokio::sync::Mutex::new(SqliteConnection::connect(&file.url()).await.unwrap());
    nothing_is_left_behind(&store, async |booking| {
        let found = "SELECT count(*) FROM bookings WHERE booking_id = $1 AND status = 'reserved'";
        let found = sqlx::query_scalar::<_, i64>(found).bind(booking.uuid());
        found.fetch_one(&mut *outside.lock().await).await.unwrap() == 1
    })
    .await;
}

/// Nobody is outside: what was open would make the next transaction fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    let store = sqlite_memory().await;
    nothing_is_left_behind(&store, async |booking| {
        store.booking(booking).await.unwrap().is_some()
    })
    .await;
}
