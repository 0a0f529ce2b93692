//! A line that was lost and is rebuilt: whose number is still good, and what is told meanwhile.

use std::time::Duration;

use waitingroom_domain::{
    ids::Epoch,
    numbers::Numbers,
    presence::Presence,
    queue::{LastPosition, Place, QueueSettings},
    seats::{SeatSnapshot, Settlement},
};
use waitingroom_engine::{
    EngineError, Frozen, JoinOutcome, MAX_UNSERVED_RUNS, OpenParams, QueueStatus,
    RELEASE_DELAY_AFTER_FREEZE, RecoveryPoint, SharedEngine, TickScope, UnservedNumbers,
};

use super::sale::{Sale, at, names, node, opening, quick, user};
use crate::single_action::{Join, SingleAction};

fn numbers<const N: usize>(numbers: [u64; N]) -> Numbers {
    numbers.into_iter().collect()
}

async fn reached(sale: &Sale) -> RecoveryPoint {
    sale.engine.recovery_point(sale.event).await.unwrap()
}

/// The line of what was reached, begun anew as `epoch`; recovered after five seconds.
fn anew(epoch: &str, reached: &RecoveryPoint, sale: &Sale) -> OpenParams {
    let RecoveryPoint {
        sequence,
        head,
        unserved,
    } = reached.clone();
    let release_from = sale.now().plus(Duration::from_secs(5));

    OpenParams {
        epoch: epoch.parse().unwrap(),
        sequence,
        head,
        unserved,
        release_from,
        ..opening(quick(), sale.now())
    }
}

async fn lose(sale: &Sale, epoch: &str, reached: &RecoveryPoint) {
    sale.engine.remove(sale.event).await.unwrap();
    sale.engine
        .open(sale.event, &anew(epoch, reached, sale), sale.now())
        .await
        .unwrap();
    sale.load(100).await;
}

async fn back(sale: &Sale, name: &str, ticket: (&str, u64)) -> Result<Option<Place>, EngineError> {
    back_from(sale, name, ticket, None).await
}

/// The same of a user who was told this position.
async fn back_from(
    sale: &Sale,
    name: &str,
    ticket: (&str, u64),
    told: Option<u64>,
) -> Result<Option<Place>, EngineError> {
    let ticket: (Epoch, u64) = (ticket.0.parse().unwrap(), ticket.1);
    sale.engine
        .restore(
            sale.event,
            &user(name),
            &at("n1"),
            &ticket,
            told,
            sale.now(),
        )
        .await
}

async fn number(sale: &Sale, name: &str, ticket: (&str, u64)) -> Option<u64> {
    back(sale, name, ticket)
        .await
        .unwrap()
        .map(|place| place.number)
}

/// Of six, the first left the page, the second and the third have passes, the fourth's was taken
/// back, the fifth used theirs; the sixth waits.
async fn six(engine: SharedEngine) -> Sale {
    let sale = Sale::open(
        engine,
        QueueSettings {
            claim_window_seconds: 3,
            ..quick()
        },
    )
    .await;

    for name in ["away", "holder", "other", "returned", "buyer", "waits"] {
        sale.join(name).await;
    }

    sale.detach("away", "n1").await;
    let granted = sale.release_at_most(4).await.granted;
    let pass = |name: &str| {
        &granted
            .iter()
            .find(|grant| grant.user == user(name))
            .unwrap()
            .payload
    };

    sale.acknowledge("holder", pass("holder")).await;
    sale.acknowledge("other", pass("other")).await;
    sale.reserve(&sale.request("buyer", pass("buyer"), 1)).await;
    sale.wait(3_000).await;
    sale.release_at_most(0).await;

    sale
}

pub(crate) async fn who_was_not_served_is_known(engine: SharedEngine) {
    let sale = six(engine).await;
    let so_far = reached(&sale).await;

    assert_eq!((so_far.sequence, so_far.head), (6, 5));
    assert_eq!(
        so_far.unserved,
        UnservedNumbers {
            waiting: numbers([1]),
            unclaimed: numbers([4])
        }
    );
    assert_eq!(names(&sale.release_at_most(1).await), ["waits"]);

    let released = reached(&sale).await;
    assert_eq!(released.head, 6);
    assert_eq!(
        released.unserved,
        UnservedNumbers {
            waiting: numbers([1]),
            unclaimed: numbers([4, 6])
        },
        "6 was not reached"
    );

    let pass = sale.resume("waits", Presence::Poll).await.unwrap().grant;
    assert!(pass.is_some(), "told with the poll, and so acknowledged");
    sale.leave("away").await;

    assert_eq!(
        reached(&sale).await.unserved,
        UnservedNumbers {
            unclaimed: numbers([4]),
            ..UnservedNumbers::default()
        }
    );
}

pub(crate) async fn a_number_below_the_head_that_was_not_served_is_taken_up_again_once(
    engine: SharedEngine,
) {
    let sale = six(engine).await;
    let so_far = reached(&sale).await;

    lose(&sale, "anew", &so_far).await;
    assert_eq!(number(&sale, "away", ("now", 1)).await, Some(1));
    assert_eq!(
        number(&sale, "away", ("now", 1)).await,
        Some(1),
        "is there already"
    );
    sale.wait(5_000).await;
    assert_eq!(
        number(&sale, "thief", ("now", 1)).await,
        None,
        "re-presented before"
    );
    assert_eq!(
        number(&sale, "holder", ("now", 2)).await,
        None,
        "had a pass"
    );
    assert_eq!(
        number(&sale, "buyer", ("now", 5)).await,
        None,
        "bought with it"
    );
    assert_eq!(number(&sale, "waits", ("now", 6)).await, Some(6));
    assert_eq!(
        number(&sale, "own", ("anew", 6)).await,
        None,
        "a ticket of this line gives nothing"
    );
    assert_eq!(
        number(&sale, "forger", ("now", 7)).await,
        None,
        "was never given out"
    );
    assert_eq!(
        (
            sale.status().await.total,
            sale.status().await.counters.joined
        ),
        (2, 2)
    );
    assert_eq!(names(&sale.release().await), ["away", "waits"]);
}

pub(crate) async fn who_was_released_and_not_reached_is_first_and_outside_of_the_count(
    engine: SharedEngine,
) {
    let sale = six(engine).await;
    sale.join("last").await;

    let so_far = reached(&sale).await;
    lose(&sale, "anew", &so_far).await;

    for (name, number) in [("last", 7), ("waits", 6), ("returned", 4)] {
        assert!(matches!(
            sale.try_join(name, at("n1"), Some(("now", number))).await,
            JoinOutcome::Joined(_)
        ));
    }

    sale.wait(5_000).await;
    let position = async |name: &str| sale.resume(name, at("n1")).await.unwrap().position;

    assert_eq!(
        (position("waits").await, position("last").await),
        (1, 2),
        "4 was out of everybody's count"
    );
    assert_eq!(position("returned").await, 1);
    assert_eq!(names(&sale.release().await), ["returned", "waits", "last"]);
}

pub(crate) async fn numbers_survive_a_second_loss(engine: SharedEngine) {
    let sale = six(engine).await;
    let so_far = reached(&sale).await;

    lose(&sale, "second", &so_far).await;
    assert_eq!(reached(&sale).await, so_far, "nobody is back");
    sale.wait(5_000).await;
    sale.join("new").await;
    assert_eq!(names(&sale.release().await), ["new"]);

    let so_far = reached(&sale).await;
    assert_eq!((so_far.sequence, so_far.head), (7, 7));

    let unreached = UnservedNumbers {
        waiting: numbers([1, 6]),
        unclaimed: numbers([4, 7]),
    };
    assert_eq!(so_far.unserved, unreached, "who is not back is not served");
    lose(&sale, "third", &so_far).await;
    assert_eq!(
        number(&sale, "waits", ("now", 6)).await,
        Some(6),
        "a ticket of two losses ago"
    );
    assert_eq!(number(&sale, "away", ("second", 1)).await, Some(1));
    assert_eq!(number(&sale, "returned", ("now", 4)).await, Some(4));
    assert_eq!(number(&sale, "new", ("second", 7)).await, Some(7));
}

pub(crate) async fn while_a_line_is_rebuilt_bounds_are_told(engine: SharedEngine) {
    let mut lost = opening(quick(), Sale::START);
    (lost.sequence, lost.head) = (1_000, 40);
    lost.unserved = UnservedNumbers {
        waiting: numbers([3, 20, 21]),
        unclaimed: numbers([30]),
    };
    lost.release_from = Sale::START.plus(Duration::from_secs(5));

    let sale = Sale::open_as(engine, &lost).await;
    let bounds = [(20, 2), (3, 1), (45, 8), (30, 4), (21, 3)];

    for (number, bound) in bounds {
        let place = back(&sale, &format!("u{number}"), ("earlier", number))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (place.position, place.total, place.counting),
            (bound, bound, true),
            "{number}"
        );
        assert_eq!(
            sale.resume(&format!("u{number}"), Presence::Poll).await,
            Some(place),
            "and again"
        );
    }

    assert!(sale.status().await.counting);
    let progress = sale.release().await.progress;

    assert!(progress.counting && progress.seats_known);
    assert!(progress.removed.is_empty());
    sale.wait(5_000).await;
    sale.report("n1").await;

    let progress = sale.release_at_most(0).await.progress;
    assert!(!progress.counting && !sale.status().await.counting);

    for (number, bound) in bounds {
        let place = sale.resume(&format!("u{number}"), at("n1")).await.unwrap();
        assert!(
            !place.counting && place.position <= bound,
            "{place:?} beside {bound}"
        );
        assert_eq!(place.total, 5);
    }

    assert_eq!(
        names(&sale.release().await),
        ["u3", "u20", "u21", "u30", "u45"]
    );
}

/// A line of 100 of whom 40 were served, begun anew; it is rebuilt for five seconds unless these
/// nodes are done before.
async fn rebuilt_for<const N: usize>(engine: SharedEngine, awaited: [&str; N]) -> Sale {
    let mut lost = opening(quick(), Sale::START);
    (lost.sequence, lost.head) = (100, 40);
    lost.release_from = Sale::START.plus(Duration::from_secs(5));
    lost.awaited_nodes = awaited.map(node).to_vec();
    Sale::open_as(engine, &lost).await
}

async fn all_back(sale: &Sale, name: &str, epoch: &str) {
    sale.engine
        .finish_restore(sale.event, &node(name), &epoch.parse().unwrap(), sale.now())
        .await
        .unwrap();
}

pub(crate) async fn what_was_told_before_a_loss_comes_back_with_the_place(engine: SharedEngine) {
    let sale = rebuilt_for(engine, []).await;
    let told = async |name: &str, number, told| {
        back_from(&sale, name, ("earlier", number), told)
            .await
            .unwrap()
            .unwrap()
            .last_position
    };
    assert_eq!(told("ann", 50, None).await, LastPosition::NotSent);
    assert_eq!(told("ann", 50, Some(7)).await, LastPosition::Sent(7));
    assert_eq!(
        told("ann", 50, Some(9)).await,
        LastPosition::Sent(7),
        "the best of what several nodes told"
    );
    assert_eq!(
        told("ann", 49, Some(1)).await,
        LastPosition::Sent(7),
        "of a number that they gave up"
    );
    assert_eq!(told("bob", 52, Some(1)).await, LastPosition::Sent(1));
    assert!(matches!(
        sale.try_join("cy", at("n1"), Some(("earlier", 53))).await,
        JoinOutcome::Joined(_)
    ));

    sale.wait(5_000).await;
    let place = async |name: &str| sale.resume(name, Presence::Poll).await.unwrap();
    let shown = |place: Place| (place.position, place.last_position);
    assert_eq!(shown(place("ann").await), (1, LastPosition::Sent(1)));
    assert_eq!(shown(place("bob").await), (2, LastPosition::Sent(1)));
    assert_eq!(shown(place("cy").await), (3, LastPosition::Sent(3)));
    assert_eq!(
        number(&sale, "late", ("earlier", 41)).await,
        Some(41),
        "nobody remembered them"
    );
    assert_eq!(
        shown(place("cy").await),
        (4, LastPosition::Sent(3)),
        "who was shown better"
    );
    assert_eq!(shown(sale.join("new").await), (5, LastPosition::Sent(5)));
    let own = back_from(&sale, "new", ("now", 101), Some(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        shown(own),
        (5, LastPosition::Sent(5)),
        "of this line, the engine knows better"
    );

    let granted = sale.release_at_most(1).await;
    assert_eq!(names(&granted), ["late"]);
    let place = sale.resume("late", Presence::Poll).await.unwrap();
    assert!(
        place.grant.is_some() && place.last_position == LastPosition::NotSent,
        "a pass is not held against them"
    );
    sale.leave("cy").await;
    assert_eq!(
        shown(sale.join("cy").await),
        (4, LastPosition::Sent(4)),
        "another number"
    );
}

pub(crate) async fn a_line_that_is_not_rebuilt_remembers_nothing_that_was_told(
    engine: SharedEngine,
) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;

    let place = back_from(&sale, "ann", ("earlier", 1), Some(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (place.position, place.last_position),
        (1, LastPosition::NotSent)
    );
}

pub(crate) async fn a_line_is_whole_as_soon_as_every_node_has_brought_its_users_back(
    engine: SharedEngine,
) {
    let sale = rebuilt_for(engine, ["n1", "n2"]).await;
    let place = back_from(&sale, "ann", ("earlier", 50), Some(3))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (place.counting, place.last_position),
        (true, LastPosition::Unknown),
        "the other node may have told a better one"
    );
    for (name, epoch) in [
        ("n1", "now"),
        ("n1", "now"),
        ("n3", "now"),
        ("n2", "earlier"),
    ] {
        all_back(&sale, name, epoch).await;
        assert!(sale.status().await.counting, "{name} of {epoch}");
    }
    assert_eq!(names(&sale.release().await), [] as [&str; 0]);
    assert!(matches!(
        number(&sale, "bob", ("earlier", 60)).await,
        Some(60)
    ));

    sale.wait(700).await;
    sale.report("n1").await;
    all_back(&sale, "n2", "now").await;
    assert!(!sale.status().await.counting);
    let place = sale.resume("ann", at("n1")).await.unwrap();
    assert_eq!(
        (place.position, place.counting, place.last_position),
        (1, false, LastPosition::Sent(1))
    );
    assert_eq!(sale.join("new").await.number, 101);
    assert_eq!(names(&sale.release().await), ["ann", "bob", "new"]);
}

pub(crate) async fn a_node_that_is_not_heard_of_holds_nobody_up_for_longer(engine: SharedEngine) {
    let sale = rebuilt_for(engine, ["n1", "dead"]).await;
    back_from(&sale, "ann", ("earlier", 50), Some(3))
        .await
        .unwrap();
    all_back(&sale, "n1", "now").await;
    sale.wait(4_999).await;
    sale.report("n1").await;
    assert_eq!(
        sale.resume("ann", at("n1")).await.unwrap().last_position,
        LastPosition::Unknown
    );
    sale.wait(1).await;

    let place = sale.resume("ann", at("n1")).await.unwrap();
    assert_eq!(
        (place.position, place.counting, place.last_position),
        (1, false, LastPosition::Sent(1))
    );
    assert_eq!(names(&sale.release().await), ["ann"]);
}

pub(crate) async fn while_a_line_is_rebuilt_nobody_new_is_taken_in(engine: SharedEngine) {
    let mut lost = opening(quick(), Sale::START);
    (lost.sequence, lost.head) = (100, 40);
    lost.release_from = Sale::START.plus(Duration::from_secs(5));
    let sale = Sale::open_as(engine, &lost).await;
    let recovering = |answer: Option<EngineError>| {
        assert!(
            matches!(answer, Some(EngineError::Recovering)),
            "{answer:?}"
        )
    };
    let (ann, now) = (user("ann"), sale.now());
    for ticket in [None, Some(("earlier".parse().unwrap(), 40))] {
        let join = Join {
            event_id: sale.event,
            user: ann.clone(),
            presence: Presence::Poll,
            ticket,
        };
        recovering(sale.engine.join(&join, now).await.err());
    }
    recovering(
        sale.engine
            .resume(sale.event, &ann, &Presence::Poll, now)
            .await
            .err(),
    );
    recovering(sale.engine.leave(sale.event, &ann, now).await.err());
    recovering(back(&sale, "ann", ("earlier", 40)).await.err());
    assert_eq!(
        (sale.status().await.total, sale.status().await.sequence),
        (0, 100)
    );
    assert_eq!(
        number(&sale, "bob", ("earlier", 41)).await,
        Some(41),
        "who was in line is"
    );
    assert!(sale.leave("bob").await, "and may leave");

    sale.wait(5_000).await;
    assert_eq!(sale.resume("ann", Presence::Poll).await, None);
    assert!(!sale.leave("ann").await);
    assert_eq!(
        back(&sale, "ann", ("earlier", 40)).await.unwrap(),
        None,
        "no new number is taken for anybody"
    );
    assert_eq!(sale.join("ann").await.number, 101);
}

pub(crate) async fn a_ticket_is_good_in_a_full_line(engine: SharedEngine) {
    let mut lost = opening(
        QueueSettings {
            max_in_line: 1,
            ..quick()
        },
        Sale::START,
    );
    (lost.sequence, lost.head) = (100, 40);

    let sale = Sale::open_as(engine, &lost).await;
    sale.join("new").await;
    assert_eq!(
        sale.try_join("newer", at("n1"), None).await,
        JoinOutcome::Full
    );
    assert_eq!(number(&sale, "ann", ("earlier", 41)).await, Some(41));
    assert!(matches!(
        sale.try_join("bob", at("n1"), Some(("earlier", 42))).await,
        JoinOutcome::Joined(_)
    ));
}

pub(crate) async fn too_many_unserved_numbers_err_towards_the_users(engine: SharedEngine) {
    let runs = MAX_UNSERVED_RUNS as u64;
    let mut lost = opening(quick(), Sale::START);

    (lost.sequence, lost.head) = (4 * runs, 4 * runs);
    lost.unserved.waiting = (0..=runs).map(|number| 2 * number + 1).collect();

    let sale = Sale::open_as(engine, &lost).await;
    let so_far = reached(&sale).await;
    let waiting = &so_far.unserved.waiting;

    assert_eq!(waiting.runs().count(), MAX_UNSERVED_RUNS);
    let lowest = waiting.up_to(2 * runs - 2);

    assert_eq!(
        lowest,
        lost.unserved.waiting.up_to(2 * runs - 2),
        "the lowest are exact"
    );
    assert!(
        (2 * runs - 1..=4 * runs).all(|number| waiting.contains(number)),
        "the others are all good"
    );
}

pub(crate) async fn a_frozen_line_changes_nothing_until_it_goes_on(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let grant = sale.pass("ann").await;
    sale.join("bob").await;
    let (before, so_far, bob, now) = (
        sale.status().await,
        reached(&sale).await,
        user("bob"),
        sale.now(),
    );
    sale.engine.freeze(sale.event, "mark").await.unwrap();
    assert_eq!(
        sale.status().await,
        QueueStatus {
            frozen: Some(Frozen::Here),
            ..before.clone()
        }
    );
    let refused = |answer: Option<EngineError>| {
        assert!(
            matches!(answer, Some(EngineError::Unavailable(_))),
            "{answer:?}"
        )
    };
    refused(
        sale.engine
            .resume(sale.event, &bob, &Presence::Poll, now)
            .await
            .err(),
    );
    refused(sale.engine.leave(sale.event, &bob, now).await.err());
    refused(
        sale.engine
            .release(sale.event, "b", 1, Default::default(), TickScope::Full, now)
            .await
            .err(),
    );
    refused(
        sale.engine
            .report_node(sale.event, &node("n1"), now)
            .await
            .err(),
    );
    refused(sale.engine.configure(sale.event, &quick()).await.err());
    refused(
        sale.engine
            .reserve(&sale.request("ann", &grant, 1), now)
            .await
            .err(),
    );
    let settlement = [(uuid::Uuid::nil().into(), Settlement::Released)];
    refused(sale.engine.settle(sale.event, &settlement, now).await.err());
    refused(sale.engine.begin_sync(sale.event, now).await.err());
    refused(
        sale.engine
            .load_seats(sale.event, &SeatSnapshot::default(), now)
            .await
            .err(),
    );
    assert_eq!(
        (reached(&sale).await, sale.seats_left().await),
        (so_far, 100)
    );

    sale.leap(60_000);
    sale.engine.thaw(sale.event, sale.now()).await.unwrap();
    sale.report("n1").await;
    let place = sale.resume("bob", at("n1")).await.unwrap();
    assert_eq!(
        (
            place.position,
            place.number,
            place.epoch.as_str(),
            place.counting
        ),
        (1, 2, "now", false)
    );
    assert_eq!(
        names(&sale.release().await),
        [] as [&str; 0],
        "who is here has a moment to show it"
    );
    sale.wait(RELEASE_DELAY_AFTER_FREEZE.as_millis() as i64)
        .await;
    assert_eq!(names(&sale.release().await), ["bob"]);
    assert_eq!(sale.status().await.frozen, None);
}
