//! What several users do in one step: the same as if each had come alone.

use waitingroom_domain::{
    presence::Presence,
    queue::{Place, QueueSettings},
};
use waitingroom_engine::{
    Action, ActionKind, ActionResult, JoinOutcome, MAX_ACTIONS, OpenParams, SharedEngine,
};

use super::sale::{Sale, at, names, node, opening, quick, user};

fn join(name: &str) -> Action {
    Action {
        user: user(name),
        kind: ActionKind::Join {
            presence: at("n1"),
            ticket: None,
        },
    }
}

fn returns(name: &str, number: u64) -> Action {
    let ticket = Some(("earlier".parse().unwrap(), number));
    Action {
        user: user(name),
        kind: ActionKind::Join {
            presence: at("n1"),
            ticket,
        },
    }
}

fn polls(name: &str) -> Action {
    Action {
        user: user(name),
        kind: ActionKind::Resume(Presence::Poll),
    }
}

fn leave(name: &str) -> Action {
    Action {
        user: user(name),
        kind: ActionKind::Leave,
    }
}

async fn together<const N: usize>(sale: &Sale, actions: [Action; N]) -> [ActionResult; N] {
    sale.engine
        .apply(sale.event, &actions, sale.now())
        .await
        .unwrap()
        .try_into()
        .expect("an answer to each")
}

fn place(acted: &ActionResult) -> &Place {
    match acted {
        ActionResult::Joined(JoinOutcome::Joined(place) | JoinOutcome::Same(place))
        | ActionResult::Found(Some(place)) => place,
        other => panic!("no place: {other:?}"),
    }
}

fn shown(acted: &ActionResult) -> (u64, u64, u64, u64) {
    let place = place(acted);
    (place.number, place.position, place.total, place.revision)
}

pub(crate) async fn what_comes_together_is_answered_in_order(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let answers = together(
        &sale,
        [
            join("zoe"),
            join("ann"),
            polls("ann"),
            polls("eve"),
            leave("zoe"),
            join("zoe"),
            join("ann"),
        ],
    )
    .await;

    assert!(matches!(
        &answers[1],
        ActionResult::Joined(JoinOutcome::Joined(_))
    ));
    assert!(matches!(
        &answers[6],
        ActionResult::Joined(JoinOutcome::Same(_))
    ));
    assert_eq!(
        (&answers[3], &answers[4]),
        (
            &ActionResult::Found(None),
            &ActionResult::Left(Some(vec![node("n1")]))
        )
    );

    let places = [0, 1, 2, 5, 6].map(|index| shown(&answers[index]));
    assert_eq!(
        places,
        [
            (1, 1, 1, 0),
            (2, 2, 2, 0),
            (2, 2, 2, 0),
            (3, 2, 2, 1),
            (2, 1, 2, 1)
        ]
    );

    let released = sale.release().await;
    assert_eq!(names(&released), ["ann", "zoe"]);
    assert_eq!(released.progress.removed, [1, 2, 3]);
}

pub(crate) async fn a_crowd_in_one_step_stands_in_its_order(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    for crowd in 0..2 {
        let first = crowd * MAX_ACTIONS;
        let joins: Vec<Action> = (0..MAX_ACTIONS)
            .map(|index| join(&format!("u{}", first + index)))
            .collect();
        let answers = sale
            .engine
            .apply(sale.event, &joins, sale.now())
            .await
            .unwrap();
        for (number, acted) in (first as u64 + 1..).zip(&answers) {
            assert_eq!(shown(acted), (number, number, number, 0));
        }
    }

    let expected: Vec<String> = (0..2 * MAX_ACTIONS)
        .map(|index| format!("u{index}"))
        .collect();
    assert_eq!(names(&sale.release().await), expected);
    assert_eq!(
        sale.engine
            .apply(sale.event, &[], sale.now())
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn the_limit_of_a_line_holds_within_a_step(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            max_in_line: 2,
            ..quick()
        },
    )
    .await;
    let answers = together(
        &sale,
        [
            join("ann"),
            join("bob"),
            join("cem"),
            join("bob"),
            leave("ann"),
            join("cem"),
        ],
    )
    .await;

    assert_eq!(answers[2], ActionResult::Joined(JoinOutcome::Full));
    assert_eq!(
        (shown(&answers[3]), shown(&answers[5])),
        ((2, 2, 2, 0), (3, 2, 2, 1))
    );
    assert_eq!(sale.status().await.sequence, 3);
}

pub(crate) async fn tickets_that_return_together_stand_in_their_old_order(engine: SharedEngine) {
    let before = OpenParams {
        sequence: 100,
        head: 40,
        ..opening(quick(), Sale::START)
    };
    let sale = Sale::open_as(engine, &before).await;
    let answers = together(
        &sale,
        [
            join("new"),
            returns("late", 90),
            returns("early", 50),
            returns("thief", 50),
            polls("late"),
            polls("new"),
        ],
    )
    .await;

    let places = [0, 1, 2, 3, 4, 5].map(|index| shown(&answers[index]));
    assert_eq!(
        places,
        [
            (101, 1, 1, 0),
            (90, 1, 2, 0),
            (50, 1, 3, 0),
            (102, 4, 4, 0),
            (90, 2, 4, 0),
            (101, 3, 4, 0)
        ]
    );
    assert_eq!(
        names(&sale.release().await),
        ["early", "late", "new", "thief"]
    );
}

pub(crate) async fn who_comes_and_goes_in_one_step_leaves_nothing_behind(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let poll = Action {
        user: user("eve"),
        kind: ActionKind::Join {
            presence: Presence::Poll,
            ticket: None,
        },
    };

    let gone = Action {
        user: user("ann"),
        kind: ActionKind::Detach(node("n1")),
    };
    together(
        &sale,
        [
            poll,
            leave("eve"),
            join("ann"),
            gone.clone(),
            gone,
            leave("ann"),
            polls("ann"),
        ],
    )
    .await;
    sale.wait(400_000).await;

    let released = sale.release().await;
    assert_eq!((released.granted, released.removals), (vec![], vec![]));
    assert_eq!(
        (sale.status().await.total, sale.status().await.active),
        (0, 0)
    );
}
