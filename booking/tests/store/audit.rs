//! What operators did.

use booking::{
    model::{
        appearance::AppearancePatch,
        audit_log::{AuditAction, AuditEntry, AuditRecord},
        revision::Precondition,
    },
    store::SharedStore,
};
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use waitingroom_domain::{ids::EventId, queue::QueuePatch};

use super::{
    databases::sqlite_file,
    fixtures::{NOW, event, later, operator, stored_event},
};

async fn all(store: &SharedStore, event: Option<EventId>) -> Vec<AuditRecord> {
    store.audit_records(event, i64::MAX, 100).await.unwrap()
}

pub(crate) async fn audits_each_change_with_values(store: SharedStore) {
    let event = stored_event(&store, &[3, 4]).await;
    let id = event.event_id;
    let rate = QueuePatch {
        rate_per_second: Some(7.5),
        message: Some(String::new()),
        ..QueuePatch::default()
    };
    store
        .patch_queue(id, &rate, &Precondition::None, &operator(later(1)))
        .await
        .unwrap();
    let logo = format!("data:image/png;base64,{}", "A".repeat(2_000));
    let look = AppearancePatch {
        logo: Some(logo.clone()),
        accent: Some(String::new()),
        ..AppearancePatch::default()
    };
    let changed = store
        .patch_appearance(id, &look, &Precondition::None, &operator(later(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (changed.logo.as_deref(), changed.accent),
        (Some(&*logo), None)
    );
    assert_eq!(
        store.catalogue().await.unwrap()[0].appearance.logo,
        Some(logo)
    );

    let lines = all(&store, Some(id)).await;
    let [painted, run, created] = &*lines else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (&*created.action, &*created.operator, created.at),
        ("create_event", "olga", NOW)
    );
    let after = created.after.as_ref().unwrap();
    assert_eq!(
        (&after["name"], &after["seats"], &created.before),
        (&json!("A Night"), &json!(7), &None)
    );
    assert_eq!((&*run.action, run.at), ("change_queue", later(1)));
    assert_eq!(
        run.before,
        Some(json!({"rate_per_second": 50.0, "message": "hello"}))
    );
    assert_eq!(
        run.after,
        Some(json!({"rate_per_second": 7.5, "message": null}))
    );
    assert_eq!(
        painted.before,
        Some(json!({"accent": "#0a7f5a", "logo": null}))
    );
    let shown = painted.after.as_ref().unwrap()["logo"].as_str().unwrap();
    assert!(
        shown.starts_with("data:image/png;base64 (2022 bytes, sha256 "),
        "{shown}"
    );
}

pub(crate) async fn failed_change_is_not_audited(store: SharedStore) {
    let taken = stored_event(&store, &[1]).await;
    let before = all(&store, None).await;

    store
        .create_event(&taken, &operator(NOW))
        .await
        .unwrap_err();

    let nobody = event(&[1]).event_id;
    let patch = QueuePatch {
        burst: Some(9),
        ..QueuePatch::default()
    };

    assert_eq!(
        store
            .patch_queue(nobody, &patch, &Precondition::None, &operator(NOW))
            .await
            .unwrap(),
        None
    );

    let look = AppearancePatch {
        accent: Some("#000000".into()),
        ..AppearancePatch::default()
    };
    assert_eq!(
        store
            .patch_appearance(nobody, &look, &Precondition::None, &operator(NOW))
            .await
            .unwrap(),
        None
    );
    assert_eq!(all(&store, None).await, before);
}

pub(crate) async fn audit_pages_go_back_in_time(store: SharedStore) {
    let event = stored_event(&store, &[1]).await.event_id;
    for second in 0..5 {
        let act = operator(later(second));
        let deed = AuditEntry {
            context: act,
            event_id: None,
            action: AuditAction::SyncInventory,
            before: None,
            after: None,
        };
        store.append_audit(&deed).await.unwrap();
    }

    let first = store.audit_records(None, i64::MAX, 4).await.unwrap();
    let second = store
        .audit_records(None, first[3].audit_id, 4)
        .await
        .unwrap();
    let times: Vec<_> = first.iter().chain(&second).map(|line| line.at).collect();

    assert_eq!(times, [later(4), later(3), later(2), later(1), NOW, NOW]);
    assert_eq!(
        all(&store, Some(event)).await.len(),
        1,
        "of that event only"
    );
    store.reset().await.unwrap();

    assert_eq!(
        all(&store, None).await.len(),
        6,
        "a reset is no reason to forget"
    );
}

/// By a connection of its own, past the store; PostgreSQL's refusal is tested with its server.
#[tokio::test]
async fn nobody_rewrites_it_in_sqlite() {
    let (store, file) = sqlite_file().await;
    stored_event(&store, &[1]).await;

    let before = all(&store, None).await;
    let mut intruder = SqliteConnection::connect(&file.url()).await.unwrap();

    for statement in ["UPDATE audit SET operator = 'nobody'", "DELETE FROM audit"] {
        let refused = sqlx::query(statement)
            .execute(&mut intruder)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }

    assert_eq!(before.len(), 1);
    assert_eq!(all(&store, None).await, before);
}
