//! The steps' scripts: each is the limits, the parts of the state it needs, and its own file.

use redis::Script;

use crate::{
    absence::{NODE_TIMEOUT, POLL_WINDOW},
    engine::{
        AFTER_FREEZE, COUNTED_USERS, LEAP, NODE_MEMORY_MS, NODES_PER_USER, PROGRESS_LIMIT,
        RECOVERY, RESEND_MS, SEQUENCE_RESERVE, STANDSTILL_LIMIT, SWEEP_LIMIT, SYNC_WINDOW_MS,
        UNCLAIMED_LIMIT, UNSERVED_PASSES, UNSERVED_RUNS,
    },
    rate::TRICKLE,
};

/// How long the numbers of earlier epochs are remembered: longer than any sale's recovery takes.
const EARLIER_MEMORY_MS: u32 = 24 * 3_600 * 1_000;
/// How long an answer to which Redis this is holds: no Redis dies, starts and loads its data in
/// less.
const SERVER_LOOK_MS: u32 = 20;
/// How long settlements are kept for a sync that never ends.
const JOURNAL_MEMORY_MS: u32 = 3_600 * 1_000;
/// How long a part of an inventory waits for the rest.
const STAGE_MEMORY_MS: u32 = 60 * 1_000;
/// Most settlements that one step of a load applies: it keeps others waiting for a few
/// milliseconds.
const JOURNAL_LIMIT: u32 = 1_000;
/// Memories that end within so long are kept together; those that live longer, within the next
/// doubling that is no shorter than their lives. So a memory is in Redis for about twice as long as
/// it lives, at most.
const MEMORY_SPAN_MS: u32 = 20 * 1_000;
/// How long an ended memory is left in Redis, whose clock may run ahead of the callers'.
const CLOCK_SLACK_MS: u32 = 5_000;

const EVENT: &str = include_str!("state/event.lua");
const SETTINGS: &str = include_str!("state/settings.lua");
const LINE: &str = include_str!("state/line.lua");
const EARLIER: &str = include_str!("state/earlier.lua");
const PRESENCE: &str = include_str!("state/presence.lua");
const SEATS: &str = include_str!("state/seats.lua");
const MEMORIES: &str = include_str!("state/memories.lua");

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident: [$($part:ident),*]),* $(,)?) => {
        /// A script a step, in the order of [`super::super::Engine`]; `stage` belongs to
        /// `load_seats`.
        #[derive(Debug)]
        pub(super) struct Steps {
            $($(#[$doc])* pub(super) $name: Step,)*
        }

        impl Default for Steps {
            fn default() -> Self {
                let limits = limits();
                Self {
                    $($name: Step::of(
                        &limits,
                        &[EVENT, $($part,)* include_str!(concat!("steps/", stringify!($name), ".lua"))],
                    ),)*
                }
            }
        }
    };
}

steps! {
    open: [SETTINGS, EARLIER],
    configure: [SETTINGS],
    status: [SETTINGS, LINE],
    reached: [LINE],
    freeze: [],
    thaw: [],
    remove: [],
    act: [LINE, EARLIER, MEMORIES],
    report_node: [],
    all_back: [],
    release: [SETTINGS, LINE, PRESENCE],
    reserve: [LINE, SEATS, MEMORIES],
    settle: [LINE, SEATS, MEMORIES],
    stale_holds: [],
    seats: [],
    tally: [SEATS],
    counted_users: [],
    begin_sync: [],
    stage: [LINE, SEATS, MEMORIES],
    load_seats: [SEATS],
}

/// One script and the name by which Redis remembers it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) code: String,
    pub(super) digest: String,
}

impl Step {
    fn of(limits: &str, parts: &[&str]) -> Self {
        let code = [&[limits], parts].concat().join("\n");
        Self {
            digest: Script::new(&code).get_hash().to_owned(),
            code,
        }
    }
}

/// The limits that both engines share, as the scripts name them.
fn limits() -> String {
    let limits: [(&str, i128); 25] = [
        ("COUNTED_USERS", COUNTED_USERS as i128),
        ("POLL_WINDOW_MS", POLL_WINDOW.as_millis() as i128),
        ("NODE_TIMEOUT_MS", NODE_TIMEOUT.as_millis() as i128),
        ("NODE_MEMORY_MS", NODE_MEMORY_MS.into()),
        ("NODES_PER_USER", NODES_PER_USER as i128),
        ("TRICKLE", TRICKLE as i128),
        ("RESEND_MS", RESEND_MS.into()),
        ("SWEEP_LIMIT", SWEEP_LIMIT as i128),
        ("PROGRESS_LIMIT", PROGRESS_LIMIT as i128),
        ("UNCLAIMED_LIMIT", UNCLAIMED_LIMIT.into()),
        ("SERVER_LOOK_MS", SERVER_LOOK_MS.into()),
        ("AFTER_FREEZE_MS", AFTER_FREEZE.as_millis() as i128),
        ("RECOVERY_MS", RECOVERY.as_millis() as i128),
        ("SEQUENCE_RESERVE", SEQUENCE_RESERVE.into()),
        ("SYNC_WINDOW_MS", SYNC_WINDOW_MS.into()),
        ("LEAP_MS", LEAP.as_millis() as i128),
        ("STANDSTILL_LIMIT_MS", STANDSTILL_LIMIT.as_millis() as i128),
        ("EARLIER_MEMORY_MS", EARLIER_MEMORY_MS.into()),
        ("UNSERVED_RUNS", UNSERVED_RUNS as i128),
        ("UNSERVED_PASSES", UNSERVED_PASSES as i128),
        ("JOURNAL_MEMORY_MS", JOURNAL_MEMORY_MS.into()),
        ("STAGE_MEMORY_MS", STAGE_MEMORY_MS.into()),
        ("JOURNAL_LIMIT", JOURNAL_LIMIT.into()),
        ("MEMORY_SPAN_MS", MEMORY_SPAN_MS.into()),
        ("CLOCK_SLACK_MS", CLOCK_SLACK_MS.into()),
    ];
    limits
        .iter()
        .map(|(name, value)| format!("local {name} = {value}\n"))
        .collect()
}
