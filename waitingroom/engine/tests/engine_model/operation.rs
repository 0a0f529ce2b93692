//! What the property test does at random: few users, nodes, zones and keys, so that steps meet.

use proptest::{collection::vec, prelude::*};
use waitingroom_domain::{queue::SaleState, seats::Settlement};

/// One step. Numbers choose among what the actor knows; those beyond it choose something unknown.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Join {
        user: usize,
        node: Option<usize>,
        ticket: Option<(bool, u64)>,
    },
    Resume {
        user: usize,
        node: Option<usize>,
    },
    Restore {
        user: usize,
        node: Option<usize>,
        ticket: (bool, u64),
        told: Option<u64>,
    },
    Detach {
        user: usize,
        node: usize,
    },
    Leave {
        user: usize,
    },
    Acknowledge {
        user: Option<usize>,
        pass: usize,
    },
    /// With one of the browsers.
    Subscribe {
        user: usize,
        browser: usize,
    },
    Unsubscribe {
        user: usize,
        browser: Option<usize>,
    },
    Together(Vec<Operation>),
    ReportNode {
        node: usize,
    },
    AllBack {
        node: usize,
        own: bool,
    },
    Release {
        limit: u32,
        tenths: u32,
        decided_ago_ms: i64,
        whole: bool,
    },
    Reserve(Vec<Attempt>),
    ReserveAgain {
        back: usize,
        otherwise: bool,
    },
    Settle {
        decisions: Vec<(usize, Settlement)>,
    },
    StaleHolds {
        after_ms: i64,
        limit: u32,
    },
    BeginSync,
    LoadSeats {
        available: Vec<u32>,
        held: Vec<u32>,
        holds: u16,
        foreign: bool,
    },
    Configure(Change),
    OpenAgain(Change),
    Remove,
    Wait {
        ms: i64,
    },
}

/// A reservation by the holder of a pass, or by someone else.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) user: Option<usize>,
    pub(crate) zone: usize,
    pub(crate) quantity: u32,
    pub(crate) pass: usize,
    pub(crate) earlier_epoch: bool,
    pub(crate) pass_left_ms: i64,
    pub(crate) hold_ms: i64,
    pub(crate) key: Option<(usize, bool)>,
    pub(crate) user_limit: u32,
}

/// Settings that differ from the default.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) state: SaleState,
    pub(crate) rate_per_second: f64,
    pub(crate) burst: u32,
    pub(crate) max_active: u32,
    pub(crate) max_in_line: u64,
    pub(crate) grace_seconds: u32,
    pub(crate) claim_window_seconds: u32,
    pub(crate) message: Option<String>,
}

pub(crate) const USERS: usize = 6;
pub(crate) const NODES: usize = 6;
pub(crate) const ZONES: usize = 3;

/// Any steps, half of the time after some users have been given passes.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Operation>> {
    let joins = (0..4).map(|user| Operation::Join {
        user,
        node: Some(user),
        ticket: None,
    });
    let released = Operation::Release {
        limit: 4,
        tenths: 10,
        decided_ago_ms: 0,
        whole: true,
    };

    let opened = [Operation::Wait { ms: 2_000 }]
        .into_iter()
        .chain(joins)
        .chain([released])
        .collect();
    let before = prop_oneof![Just(Vec::new()), Just(opened)];
    (before, vec(step(), 1..100)).prop_map(|(before, steps)| [before, steps].concat())
}

/// Any step; each thing as often as it needs to meet the others.
fn step() -> impl Strategy<Value = Operation> {
    prop_oneof![
        100 => action(),
        60 => vec(action(), 2..12).prop_map(Operation::Together),
        20 => (0..NODES).prop_map(|node| Operation::ReportNode { node }),
        20 => (0..3usize, prop::bool::weighted(0.8)).prop_map(|(node, own)| Operation::AllBack { node, own }),
        100 => (0..6u32, prop::sample::select(vec![10, 10, 10, 3, 1, 0]), prop::sample::select(vec![0, 0, 500]), any::<bool>())
            .prop_map(|(limit, tenths, decided_ago_ms, whole)| Operation::Release { limit, tenths, decided_ago_ms, whole }),
        70 => vec(attempt(), 1..4).prop_map(Operation::Reserve),
        20 => (recent(), any::<bool>()).prop_map(|(back, otherwise)| Operation::ReserveAgain { back, otherwise }),
        50 => vec((recent(), settlement()), 1..4).prop_map(|decisions| Operation::Settle { decisions }),
        10 => (prop::sample::select(vec![-20_000, -1, 0, 1, 20_000]), 0..4u32)
            .prop_map(|(after_ms, limit)| Operation::StaleHolds { after_ms, limit }),
        6 => Just(Operation::BeginSync),
        20 => load_seats(),
        20 => change().prop_map(Operation::Configure),
        10 => change().prop_map(Operation::OpenAgain),
        2 => Just(Operation::Remove),
        60 => prop::sample::select(SHORT.to_vec()).prop_map(|ms| Operation::Wait { ms }),
        20 => prop::sample::select(LONG.to_vec()).prop_map(|ms| Operation::Wait { ms }),
        1 => Just(Operation::Wait { ms: 3_600_000 }),
    ]
}

/// What a user does about their place.
fn action() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => join(),
        4 => (0..USERS, node()).prop_map(|(user, node)| Operation::Resume { user, node }),
        3 => (0..USERS, node(), (prop::bool::weighted(0.2), 0..14u64), prop::option::of(0..8u64))
            .prop_map(|(user, node, ticket, told)| Operation::Restore { user, node, ticket, told }),
        3 => (0..USERS, 0..NODES).prop_map(|(user, node)| Operation::Detach { user, node }),
        2 => (0..USERS).prop_map(|user| Operation::Leave { user }),
        2 => (other(), recent()).prop_map(|(user, pass)| Operation::Acknowledge { user, pass }),
        2 => (0..USERS, 0..5usize).prop_map(|(user, browser)| Operation::Subscribe { user, browser }),
        1 => (0..USERS, prop::option::weighted(0.8, 0..5usize))
            .prop_map(|(user, browser)| Operation::Unsubscribe { user, browser }),
    ]
}

/// Around every limit that the engines know, and backwards.
const SHORT: [i64; 8] = [-700, 1, 10, 333, 999, 1_000, 1_001, 2_000];
const LONG: [i64; 6] = [4_999, 5_000, 9_999, 10_000, 15_000, 30_000];

/// How far back among what the actor knows; the latest mostly.
fn recent() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0usize), 3 => 1..4usize, 1 => 4..12usize]
}

fn other() -> impl Strategy<Value = Option<usize>> {
    prop::option::weighted(0.15, 0..USERS)
}

fn node() -> impl Strategy<Value = Option<usize>> {
    prop::option::weighted(0.7, 0..NODES)
}

fn join() -> impl Strategy<Value = Operation> {
    let ticket = prop::option::weighted(0.4, (any::<bool>(), 0..14u64));
    (0..USERS, node(), ticket).prop_map(|(user, node, ticket)| Operation::Join {
        user,
        node,
        ticket,
    })
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let left_ms = prop_oneof![1 => -1..2i64, 4 => prop::sample::select(vec![500, 5_000, 60_000])];
    let pass = (recent(), prop::bool::weighted(0.1), left_ms);
    let key = prop::option::of((0..2usize, any::<bool>()));
    let hold_ms =
        prop_oneof![1 => -5..2i64, 4 => prop::sample::select(vec![1_000, 10_000, 600_000])];
    let zone = prop_oneof![9 => 0..ZONES, 1 => Just(ZONES)];

    (
        other(),
        zone,
        1..4u32,
        pass,
        hold_ms,
        key,
        prop_oneof![1 => 0..3u32, 3 => 4..9u32],
    )
        .prop_map(
            |(
                user,
                zone,
                quantity,
                (pass, earlier_epoch, pass_left_ms),
                hold_ms,
                key,
                user_limit,
            )| Attempt {
                user,
                zone,
                quantity,
                pass,
                earlier_epoch,
                pass_left_ms,
                hold_ms,
                key,
                user_limit,
            },
        )
}

fn settlement() -> impl Strategy<Value = Settlement> {
    prop::sample::select(vec![
        Settlement::Committed,
        Settlement::Aborted,
        Settlement::Confirmed,
        Settlement::Released,
    ])
}

fn load_seats() -> impl Strategy<Value = Operation> {
    (
        vec(0..9u32, 0..ZONES + 1),
        vec(0..5u32, 0..USERS),
        any::<u16>(),
        any::<bool>(),
    )
        .prop_map(|(available, held, holds, foreign)| Operation::LoadSeats {
            available,
            held,
            holds,
            foreign,
        })
}

fn change() -> impl Strategy<Value = Change> {
    use SaleState::{Closed, Open, Paused, Scheduled, SoldOut};
    let state = prop::sample::select(vec![Paused, SoldOut, Scheduled, Closed]);
    let state = prop_oneof![4 => Just(Open), 1 => state];
    let pace = (
        prop_oneof![1 => prop::sample::select(vec![0.0, 0.1, 1e-7]), 3 => 0.3..9.0, 1 => Just(99_999.9)],
        1..5u32,
        1..5u32,
    );

    let message = prop::option::of("[ -~é\t]{0,8}");
    (state, pace, 1..8u64, 0..40u32, 1..4u32, message).prop_map(
        |(
            state,
            (rate_per_second, burst, max_active),
            max_in_line,
            grace_seconds,
            claim_window_seconds,
            message,
        )| {
            Change {
                state,
                rate_per_second,
                burst,
                max_active,
                max_in_line,
                grace_seconds,
                claim_window_seconds,
                message,
            }
        },
    )
}
