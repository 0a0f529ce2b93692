//! Places: who has one, which, and how it ends by the user's own act.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use waitingroom_domain::{
    presence::Presence,
    queue::{QueueSettings, SaleState},
    seats::ReserveOutcome,
};
use waitingroom_engine::{JoinOutcome, OpenParams, SharedEngine};

use super::sale::{Sale, at, names, opening, quick};

fn number(outcome: &JoinOutcome) -> u64 {
    match outcome {
        JoinOutcome::Joined(place) | JoinOutcome::Same(place) => place.number,
        refused => panic!("{refused:?}"),
    }
}

pub(crate) async fn one_user_has_one_place(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let first = sale.try_join("ann", at("n1"), None).await;

    assert!(
        matches!(&first, JoinOutcome::Joined(place) if (place.position, place.total) == (1, 1))
    );

    for presence in [at("n1"), at("n2"), Presence::Poll] {
        let again = sale.try_join("ann", presence.clone(), None).await;
        assert!(matches!(&again, JoinOutcome::Same(place) if place.number == number(&first)));
        assert_eq!(
            sale.resume("ann", presence).await.unwrap().number,
            number(&first)
        );
    }

    assert_eq!(sale.resume("bob", Presence::Poll).await, None);
    assert_eq!(
        (sale.status().await.total, sale.status().await.sequence),
        (1, 1)
    );
}

pub(crate) async fn a_user_who_joins_a_hundred_times_at_once_has_one_place(engine: SharedEngine) {
    let sale = Arc::new(Sale::open(engine, quick()).await);
    let joins = (0..100).map(|_| {
        let sale = sale.clone();
        tokio::spawn(async move { sale.try_join("ann", at("n1"), None).await })
    });
    let outcomes: Vec<_> = join_all(joins)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, JoinOutcome::Joined(_)))
            .count(),
        1
    );
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, JoinOutcome::Same(_)))
            .count(),
        99
    );
    assert_eq!(sale.status().await.total, 1);
}

pub(crate) async fn places_are_in_the_order_of_joining(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    for (index, name) in (1..).zip(["zoe", "bob", "ann"]) {
        let place = sale.join(name).await;
        assert_eq!(
            (place.number, place.position, place.total, place.revision),
            (index, index, index, 0)
        );
        assert_eq!((place.epoch.as_str(), place.grant), ("now", None));
    }

    assert_eq!(names(&sale.release().await), ["zoe", "bob", "ann"]);
}

pub(crate) async fn leaving_gives_up_the_place_in_every_standing(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    assert!(!sale.leave("ann").await, "who was never here");

    let waiting = sale.join("ann").await;
    assert!(sale.leave("ann").await);
    assert!(!sale.leave("ann").await);
    assert!(
        sale.join("ann").await.number > waiting.number,
        "a place that was given up is gone"
    );

    let grant = sale.pass("ann").await;
    assert!(sale.leave("ann").await, "with a pass");
    assert_eq!(sale.status().await.active, 0);
    let request = sale.request("ann", &grant, 1);
    assert_eq!(sale.reserve(&request).await, ReserveOutcome::PassRevoked);

    sale.join("bob").await;
    sale.release().await;
    sale.wait(30_000).await;
    sale.release().await;
    assert_eq!(sale.status().await.total, 1, "bob's pass was taken back");
    assert!(sale.leave("bob").await, "returned");
    assert_eq!(sale.status().await.total, 0);
}

pub(crate) async fn a_full_line_takes_nobody_but_who_is_in_it(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            max_in_line: 2,
            ..quick()
        },
    )
    .await;
    sale.join("ann").await;
    sale.join("bob").await;
    assert_eq!(
        sale.try_join("cem", at("n1"), None).await,
        JoinOutcome::Full
    );
    assert!(matches!(
        sale.try_join("bob", at("n1"), None).await,
        JoinOutcome::Same(_)
    ));
    sale.leave("ann").await;
    assert!(matches!(
        sale.try_join("cem", at("n1"), None).await,
        JoinOutcome::Joined(_)
    ));
    assert_eq!(sale.status().await.sequence, 3, "a refusal takes no number");
}

pub(crate) async fn the_sale_must_admit_joins(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;

    for (state, admits) in [
        (SaleState::Scheduled, false),
        (SaleState::Closed, false),
        (SaleState::Paused, true),
        (SaleState::SoldOut, true),
        (SaleState::Open, true),
    ] {
        sale.configure(QueueSettings { state, ..quick() }).await;
        let outcome = sale.try_join(state.as_str(), at("n1"), None).await;
        if admits {
            assert!(matches!(outcome, JoinOutcome::Joined(_)), "{state:?}");
        } else {
            assert_eq!(outcome, JoinOutcome::NotOpen(state));
        }
        assert!(
            matches!(
                sale.try_join("ann", at("n1"), None).await,
                JoinOutcome::Same(_)
            ),
            "{state:?}"
        );
    }
}

/// A line that was rebuilt: 100 numbers were given out before, 40 served.
fn rebuilt() -> OpenParams {
    OpenParams {
        sequence: 100,
        head: 40,
        ..opening(quick(), Sale::START)
    }
}

pub(crate) async fn a_ticket_of_an_earlier_line_is_seated_again_once(engine: SharedEngine) {
    let sale = Sale::open_as(engine, &rebuilt()).await;
    let seated =
        async |name: &str, ticket| number(&sale.try_join(name, at("n1"), Some(ticket)).await);

    assert_eq!(
        seated("new", ("now", 50)).await,
        101,
        "a ticket of this line gives nothing"
    );
    assert_eq!(seated("eve", ("earlier", 50)).await, 50);
    assert_eq!(seated("ann", ("earlier", 41)).await, 41);
    assert_eq!(seated("bob", ("earlier", 100)).await, 100);
    assert_eq!(
        seated("thief", ("earlier", 41)).await,
        102,
        "re-presented before"
    );
    assert_eq!(
        seated("served", ("earlier", 40)).await,
        103,
        "already served"
    );
    assert_eq!(
        seated("forger", ("earlier", 104)).await,
        104,
        "was never given out"
    );
    assert_eq!(seated("ann", ("earlier", 60)).await, 41, "has a place");
    assert_eq!(
        sale.resume("bob", Presence::Poll).await.unwrap().position,
        3
    );
    assert_eq!(
        names(&sale.release().await)[..4],
        ["ann", "eve", "bob", "new"]
    );
    assert_eq!(sale.status().await.head, 104);
    sale.leave("eve").await;

    assert_eq!(seated("eve", ("earlier", 50)).await, 105, "given up");
}

pub(crate) async fn nobody_is_released_before_the_line_has_recovered(engine: SharedEngine) {
    let sale = Sale::open_as(
        engine,
        &OpenParams {
            release_from: Sale::START.plus(Duration::from_secs(5)),
            ..rebuilt()
        },
    )
    .await;
    sale.try_join("ann", at("n1"), Some(("earlier", 50))).await;
    sale.wait(4_999).await;
    assert_eq!(sale.release().await.granted, []);
    sale.wait(1).await;

    assert_eq!(names(&sale.release().await), ["ann"]);
}
