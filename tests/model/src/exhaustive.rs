//! Every reachable state of each model: with all rules no promise is broken; without one of them a
//! promise is.

use stateright::{Checker, Model};

use crate::{
    hold::{self, Hold},
    place::{self, Line},
    reservation::{self, Reservation},
};

/// The names of the promises that the checker finds broken.
fn broken<M>(model: M) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + std::fmt::Debug + Clone + PartialEq + Send + Sync,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    let mut broken: Vec<_> = checker
        .discoveries()
        .into_keys()
        .filter(|name| checker.discovery_classification(name).to_string() == "counterexample")
        .collect();

    broken.sort_unstable();
    broken
}

/// With all rules: no promise is broken, and what should be possible is.
fn holds<M>(model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + std::fmt::Debug + Clone + PartialEq + Send + Sync,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    println!("{} states", checker.unique_state_count());
}

#[test]
fn reservations_keep_every_promise() {
    holds(Reservation(reservation::Rules::ALL));
}

#[test]
fn each_rule_of_reservations_is_needed() {
    let all = reservation::Rules::ALL;
    for (without, promise) in [
        (
            reservation::Rules {
                close_unclean_connections: false,
                ..all
            },
            "a 201 follows the commit",
        ),
        (
            reservation::Rules {
                refuse_late_steps: false,
                ..all
            },
            "after a 503 nothing is held",
        ),
        (
            reservation::Rules {
                tombstones: false,
                ..all
            },
            "once all is quiet, engine and database agree",
        ),
        (
            reservation::Rules {
                settle_before_answer: false,
                ..all
            },
            "after a 503 nothing is done",
        ),
        (
            reservation::Rules {
                undecided_is_not_used: false,
                ..all
            },
            "a pass without a booking is not called used",
        ),
    ] {
        let broken = broken(Reservation(without));
        assert!(broken.contains(&promise), "{without:?} breaks {broken:?}");
    }
}

#[test]
fn holds_keep_every_promise() {
    holds(Hold(hold::Rules::ALL));
}

#[test]
fn each_rule_of_holds_is_needed() {
    let all = hold::Rules::ALL;
    for (without, promise) in [
        (
            hold::Rules {
                database_clock: false,
                ..all
            },
            "a hold does not end before its end",
        ),
        (
            hold::Rules {
                conditional_update: false,
                ..all
            },
            "a sold seat is not free",
        ),
        (
            hold::Rules {
                settlements_are_idempotent: false,
                ..all
            },
            "there is one seat",
        ),
        (
            hold::Rules {
                outages_are_given_back: false,
                ..all
            },
            "a hold ends only after its user could confirm for its whole life",
        ),
    ] {
        let broken = broken(Hold(without));
        assert!(broken.contains(&promise), "{without:?} breaks {broken:?}");
    }
}

#[test]
fn places_keep_every_promise() {
    holds(Line(place::Rules::ALL));
}

#[test]
fn each_rule_of_places_is_needed() {
    let all = place::Rules::ALL;
    for (without, promise) in [
        (
            place::Rules {
                checkpoint_knows_unserved: false,
                ..all
            },
            "who had no pass keeps the number",
        ),
        (
            place::Rules {
                gateways_remember_pollers: false,
                ..all
            },
            "who had no pass keeps the number",
        ),
        (
            place::Rules {
                ranks_wait: false,
                ..all
            },
            "nobody is told a better rank than the true one",
        ),
    ] {
        let broken = broken(Line(without));
        assert!(broken.contains(&promise), "{without:?} breaks {broken:?}");
    }
}
