//! Presence and absence: a place is kept for a user, not for a socket.

use waitingroom_domain::{
    presence::Presence,
    queue::{QueueSettings, Removal},
};
use waitingroom_engine::{MAX_NODES_PER_USER, SharedEngine};

use super::sale::{Sale, at, lapses, names, node, quick};

pub(crate) async fn the_absent_are_skipped_and_first_again_on_return(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let place = sale.join("ann").await;

    sale.join("bob").await;
    sale.join("cem").await;
    sale.detach("ann", "n1").await;
    assert_eq!(sale.status().await.total, 3, "the place is kept");
    assert_eq!(names(&sale.release_at_most(1).await), ["bob"]);

    let back = sale.resume("ann", at("n2")).await.unwrap();
    assert_eq!((back.number, back.position), (place.number, 1));

    let next = sale.release_at_most(1).await;
    assert_eq!(names(&next), ["ann"]);
    assert_eq!(next.granted[0].nodes, [node("n2")]);
    assert_eq!(sale.status().await.head, 2, "the head does not go back");
}

pub(crate) async fn a_pass_nobody_claims_is_taken_back_and_its_place_reused(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            max_active: 1,
            ..quick()
        },
    )
    .await;
    let place = sale.join("ann").await;
    sale.join("bob").await;
    let grant = sale.release().await.granted.remove(0).payload;
    sale.wait(29_999).await;
    sale.report("n1").await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.wait(1).await;
    let step = sale.release().await;
    assert_eq!(lapses(&step), [("ann", Removal::Unclaimed)]);
    assert_eq!(step.removals[0].nodes, [node("n1")]);
    assert_eq!(names(&step), ["bob"], "in the same step");
    assert!(!sale.acknowledge("ann", &grant).await);

    let back = sale.resume("ann", at("n1")).await.unwrap();
    assert_eq!(
        (back.number, back.position, back.total, back.grant),
        (place.number, 1, 1, None)
    );
    sale.join("cem").await;
    sale.leave("bob").await;
    let next = sale.release().await;
    assert_eq!(names(&next), ["ann"], "first again");
    assert_ne!(next.granted[0].payload.pass_id, grant.pass_id);
}

pub(crate) async fn the_absent_keep_their_place_for_the_grace_period(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            grace_seconds: 60,
            ..quick()
        },
    )
    .await;
    sale.join("ann").await;
    sale.join("bob").await;
    sale.detach("ann", "n1").await;
    sale.detach("bob", "n1").await;
    sale.wait(59_999).await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.resume("bob", at("n1")).await;
    sale.wait(1).await;

    let step = sale.release().await;
    assert_eq!(lapses(&step), [("ann", Removal::Absent)]);
    assert_eq!(step.progress.removed, [1, 2], "bob was released");
    assert_eq!(sale.resume("ann", at("n1")).await, None);
    assert_eq!(sale.join("ann").await.number, 3, "the end of the line");
}

pub(crate) async fn polling_is_presence_for_a_while(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.configure(QueueSettings {
        burst: 1,
        rate_per_second: 0.0,
        ..quick()
    })
    .await;
    sale.try_join("ann", Presence::Poll, None).await;
    sale.wait(15_000).await;
    assert_eq!(
        names(&sale.release().await),
        Vec::<&str>::new(),
        "the last poll is too long ago"
    );
    sale.resume("ann", Presence::Poll).await;
    sale.wait(14_999).await;
    let granted = sale.release().await.granted;
    assert_eq!(
        (granted[0].user.as_str(), granted[0].nodes.as_slice()),
        ("ann", [].as_slice())
    );

    let place = sale.resume("ann", Presence::Poll).await.unwrap();
    assert_eq!(place.grant.as_ref(), Some(&granted[0].payload));
    sale.wait(30_000).await;
    let quiet = sale.release().await;
    assert_eq!(
        (quiet.unacknowledged, quiet.removals),
        (vec![], vec![]),
        "the answer carried the pass: acknowledged"
    );
}

pub(crate) async fn users_of_a_dead_node_are_absent(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            grace_seconds: 60,
            ..quick()
        },
    )
    .await;
    sale.join("ann").await;
    sale.try_join("bob", at("n2"), None).await;
    sale.wait(9_999).await;
    sale.report("n2").await;
    sale.wait(1).await;
    assert_eq!(
        names(&sale.release().await),
        ["bob"],
        "n1 was silent for ten seconds"
    );
    sale.wait(49_999).await;
    assert_eq!(lapses(&sale.release().await), [("bob", Removal::Unclaimed)]);
    sale.wait(1).await;

    let step = sale.release().await;
    assert_eq!(
        lapses(&step),
        [("ann", Removal::Absent)],
        "a minute after the node's last sign of life"
    );
}

pub(crate) async fn a_node_learns_that_it_was_taken_for_dead(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    assert!(!sale.report("n1").await, "never heard of");
    sale.join("ann").await;
    sale.wait(9_999).await;
    assert!(sale.report("n1").await);
    sale.wait(10_000).await;
    assert_eq!(
        sale.release().await.granted,
        [],
        "the node was silent for ten seconds"
    );
    assert!(!sale.report("n1").await, "ann was taken for absent");
    assert_eq!(
        sale.release().await.granted,
        [],
        "and is until the node has resumed her"
    );
    sale.resume("ann", at("n1")).await;
    assert_eq!(names(&sale.release().await), ["ann"]);
    assert!(sale.report("n1").await);
}

pub(crate) async fn a_new_connection_does_not_hide_that_its_node_was_taken_for_dead(
    engine: SharedEngine,
) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    sale.report("n1").await;
    sale.wait(10_000).await;
    sale.release().await;
    sale.join("bob").await;
    assert!(
        !sale.report("n1").await,
        "bob came by it, and ann is still taken for absent"
    );
    assert!(sale.report("n1").await);
}

pub(crate) async fn a_leap_of_time_makes_nobody_lose_their_place(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            grace_seconds: 60,
            ..quick()
        },
    )
    .await;

    for name in ["ann", "bob"] {
        sale.join(name).await;
    }

    sale.detach("bob", "n1").await;
    sale.leap(3_600_000);
    assert_eq!(lapses(&sale.release().await), []);
    assert!(!sale.report("n1").await);
    sale.wait(100).await;
    assert_eq!(
        lapses(&sale.release().await),
        [],
        "in the next step neither"
    );
    sale.resume("ann", at("n1")).await;
    assert_eq!(names(&sale.release().await), ["ann"]);
    sale.wait(59_900 - 1).await;
    assert_eq!(lapses(&sale.release().await), [("ann", Removal::Unclaimed)]);
    sale.wait(1).await;

    assert_eq!(
        lapses(&sale.release().await),
        [("bob", Removal::Absent)],
        "away for a grace period since"
    );
}

pub(crate) async fn who_lets_three_passes_lie_loses_the_place(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            claim_window_seconds: 5,
            ..quick()
        },
    )
    .await;
    sale.join("ann").await;

    for time in 1..=3 {
        assert_eq!(names(&sale.release().await), ["ann"]);
        sale.wait(5_000).await;
        let lapse = if time < 3 {
            Removal::Unclaimed
        } else {
            Removal::Absent
        };
        assert_eq!(
            lapses(&sale.release().await),
            [("ann", lapse)],
            "the {time}. time"
        );
        assert_eq!(sale.resume("ann", at("n1")).await.is_some(), time < 3);
    }

    assert_eq!(
        (sale.status().await.total, sale.status().await.active),
        (0, 0)
    );
    assert_eq!(sale.join("ann").await.number, 2, "the end of the line");
}

pub(crate) async fn a_second_connection_keeps_a_user_present(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    sale.resume("ann", at("n2")).await;
    sale.detach("ann", "n1").await;
    sale.detach("ann", "n1").await;
    sale.detach("ann", "n3").await;
    let granted = sale.release().await.granted;
    assert_eq!(granted[0].nodes, [node("n2")]);

    sale.try_join("bob", Presence::Poll, None).await;
    sale.resume("bob", at("n1")).await;
    sale.resume("bob", Presence::Poll).await;
    sale.detach("bob", "n1").await;
    assert_eq!(
        names(&sale.release().await),
        ["bob"],
        "who has polled a moment ago"
    );
}

pub(crate) async fn only_the_latest_nodes_of_a_user_are_kept(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    for name in ["n2", "n3", "n2", "n4", "n5"] {
        sale.resume("ann", at(name)).await;
    }
    let granted = sale.release().await.granted;
    assert_eq!(granted[0].nodes, ["n3", "n2", "n4", "n5"].map(node));
    assert_eq!(granted[0].nodes.len(), MAX_NODES_PER_USER);
}

pub(crate) async fn absence_counts_from_the_last_sign_of_life(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            grace_seconds: 60,
            ..quick()
        },
    )
    .await;
    sale.join("poller").await;
    sale.try_join("mover", at("n2"), None).await;
    sale.resume("mover", at("n1")).await;
    sale.wait(2_000).await;
    sale.report("n2").await;
    sale.resume("poller", Presence::Poll).await;
    sale.wait(15_000).await;
    assert_eq!(
        sale.release().await.granted,
        [],
        "both nodes are dead, and the poll too long ago"
    );
    sale.wait(45_000 - 1).await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.wait(1).await;
    assert_eq!(
        lapses(&sale.release().await),
        [("mover", Removal::Absent)],
        "a minute after n2's report"
    );
    sale.wait(15_000 - 1).await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.wait(1).await;

    assert_eq!(
        lapses(&sale.release().await),
        [("poller", Removal::Absent)],
        "a minute after the poll's window"
    );
}

pub(crate) async fn users_with_a_pass_are_not_counted_as_absent(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let counts = async || {
        let status = sale.status().await;
        (status.total, status.absent, status.active)
    };

    for name in ["u0", "u1", "u2"] {
        sale.try_join(name, Presence::Poll, None).await;
    }
    sale.join("connected").await;
    sale.join("away").await;
    sale.detach("away", "n1").await;
    assert_eq!(
        counts().await,
        (5, 1, 0),
        "one of the five has no connection"
    );

    assert_eq!(sale.release().await.granted.len(), 4);
    assert_eq!(counts().await, (1, 1, 4));
    sale.resume("u0", Presence::Poll).await;
    sale.detach("connected", "n1").await;
    sale.wait(20_000).await;
    assert_eq!(
        counts().await,
        (1, 1, 4),
        "holders of passes who neither poll nor are connected"
    );

    sale.wait(10_000).await;
    sale.release().await;
    assert_eq!(
        counts().await,
        (4, 4, 1),
        "in the queue again with an unclaimed pass, and away; u0 has polled"
    );
}
