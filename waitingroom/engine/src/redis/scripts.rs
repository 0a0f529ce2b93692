//! The steps' scripts: each is the limits, the protocol it speaks, the parts of the state it needs,
//! and its own file.

use waitingroom_domain::{
    presence::{NODE_TIMEOUT, POLL_PRESENCE_TTL},
    push::MAX_PUSH_SUBSCRIPTIONS,
    queue::{QueueSettings, SEQUENCE_RESERVE},
    rate::MIN_RATE,
};

use super::protocol::{self, Lua};
use crate::{
    CLOCK_JUMP_THRESHOLD, COUNTED_USERS_PAGE, GRANT_RESEND_MS, MAX_NODES_PER_USER,
    MAX_PASS_CLOCK_STOP, MAX_PROGRESS_REMOVALS, MAX_SWEPT_USERS, MAX_UNCLAIMED_PASSES,
    MAX_UNSERVED_PASSES, MAX_UNSERVED_RUNS, NODE_RETENTION_MS, RECOVERY_WINDOW,
    RELEASE_DELAY_AFTER_FREEZE, SYNC_WINDOW_MS,
};

/// How long the numbers of earlier epochs are remembered: longer than any sale's recovery takes.
const EARLIER_NUMBERS_TTL_MS: u32 = 24 * 3_600 * 1_000;
/// How long an answer to which Redis this is holds: no Redis dies, starts and loads its data in
/// less.
const SERVER_ID_CACHE_MS: u32 = 20;
/// How long settlements are kept for a sync that never ends.
const JOURNAL_TTL_MS: u32 = 3_600 * 1_000;
/// How long a part of an inventory waits for the rest.
const STAGE_TTL_MS: u32 = 60 * 1_000;
/// Most settlements that one step of a load applies: it keeps others waiting for a few
/// milliseconds.
const MAX_JOURNAL_CHUNK: u32 = 1_000;
/// Memories that end within so long are kept together; those that live longer, within the next
/// doubling that is no shorter than their lives. So a memory is in Redis for about twice as long as
/// it lives, at most.
const DEDUP_BUCKET_MS: u32 = 20 * 1_000;
/// How long an ended memory is left in Redis, whose clock may run ahead of the callers'.
const CLOCK_SLACK_MS: u32 = 5_000;

const EVENT: &str = include_str!("lib/event.lua");
const SETTINGS: &str = include_str!("lib/settings.lua");
const QUEUE: &str = include_str!("lib/queue.lua");
const EARLIER_NUMBERS: &str = include_str!("lib/earlier_numbers.lua");
const PRESENCE: &str = include_str!("lib/presence.lua");
const PUSH: &str = include_str!("lib/push.lua");
const SEATS: &str = include_str!("lib/seats.lua");
const DEDUP: &str = include_str!("lib/dedup.lua");

macro_rules! scripts {
    ($($name:ident: $Arguments:ident [$($row:ident),*] [$($part:ident),*];)*) => {
        /// A script a step, in the order of [`super::super::Engine`]; `stage` belongs to
        /// `load_seats`.
        #[derive(Debug)]
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Default for Scripts {
            fn default() -> Self {
                let limits = limits();
                Self {
                    $($name: Script::assemble(&[
                        &limits,
                        EVENT,
                        &protocol::$Arguments::lua(),
                        $(&protocol::$row::lua(),)*
                        $($part,)*
                        include_str!(concat!("scripts/", stringify!($name), ".lua")),
                    ]),)*
                }
            }
        }
    };
}

// Each with its arguments, the other rows of the protocol that it names, and the files of `lib`.
scripts! {
    open: OpenArguments [QueueNames] [SETTINGS, EARLIER_NUMBERS];
    configure: NoArguments [QueueNames] [SETTINGS];
    status: NoArguments [QueueNames, StatusReply, FrozenCode] [SETTINGS, QUEUE];
    recovery_point: NoArguments [RecoveryPointReply] [QUEUE];
    freeze: FreezeArguments [] [];
    thaw: NowArguments [] [];
    remove: NoArguments [] [];
    apply: NowArguments [ActionArgument, AppliedReply, RebuildingCode, ActionCode, PlaceReply, PassReply, PackedSubscription]
        [QUEUE, EARLIER_NUMBERS, PUSH, DEDUP];
    report_node: NodeArguments [] [];
    finish_restore: RestoredArguments [] [];
    release: ReleaseArguments [QueueNames, ReleaseReply, GrantReply, PushRecipientReply, RemovalReply, RemovalCode, PackedSubscription]
        [SETTINGS, QUEUE, PRESENCE, PUSH];
    reserve: NowArguments [ReservationArgument, ReserveCode, PackedHold] [QUEUE, SEATS, DEDUP];
    settle: NowArguments [SettlementArgument, SettlementCode, PackedHold] [QUEUE, SEATS, DEDUP];
    stale_holds: StaleHoldsArguments [StaleHoldReply] [];
    seats: NoArguments [] [];
    tally: NoArguments [TallyReply, ZoneTallyReply, PackedHold] [SEATS];
    counted_users: CountedUsersArguments [CountedUsersReply] [];
    begin_sync: NowArguments [] [];
    stage: StageArguments [Part, PackedHold] [QUEUE, SEATS, DEDUP];
    load_seats: LoadSeatsArguments [SettlementCode, PackedHold] [SEATS];
}

/// One script and the name by which Redis remembers it.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) code: String,
    pub(super) digest: String,
}

impl Script {
    fn assemble(parts: &[&str]) -> Self {
        let code = parts.join("\n");
        Self {
            digest: redis::Script::new(&code).get_hash().to_owned(),
            code,
        }
    }
}

/// The limits that both engines share, as the scripts name them.
fn limits() -> String {
    let push_claim_window = QueueSettings::default().push_claim_window_seconds;
    let limits: [(&str, i128); 27] = [
        ("COUNTED_USERS_PAGE", COUNTED_USERS_PAGE as i128),
        (
            "POLL_PRESENCE_TTL_MS",
            POLL_PRESENCE_TTL.as_millis() as i128,
        ),
        ("NODE_TIMEOUT_MS", NODE_TIMEOUT.as_millis() as i128),
        ("NODE_RETENTION_MS", NODE_RETENTION_MS.into()),
        ("MAX_NODES_PER_USER", MAX_NODES_PER_USER as i128),
        ("MIN_RATE", MIN_RATE as i128),
        ("GRANT_RESEND_MS", GRANT_RESEND_MS.into()),
        ("MAX_SWEPT_USERS", MAX_SWEPT_USERS as i128),
        ("MAX_PROGRESS_REMOVALS", MAX_PROGRESS_REMOVALS as i128),
        ("MAX_UNCLAIMED_PASSES", MAX_UNCLAIMED_PASSES.into()),
        ("SERVER_ID_CACHE_MS", SERVER_ID_CACHE_MS.into()),
        (
            "RELEASE_DELAY_AFTER_FREEZE_MS",
            RELEASE_DELAY_AFTER_FREEZE.as_millis() as i128,
        ),
        ("RECOVERY_WINDOW_MS", RECOVERY_WINDOW.as_millis() as i128),
        ("SEQUENCE_RESERVE", SEQUENCE_RESERVE.into()),
        ("SYNC_WINDOW_MS", SYNC_WINDOW_MS.into()),
        (
            "CLOCK_JUMP_THRESHOLD_MS",
            CLOCK_JUMP_THRESHOLD.as_millis() as i128,
        ),
        (
            "MAX_PASS_CLOCK_STOP_MS",
            MAX_PASS_CLOCK_STOP.as_millis() as i128,
        ),
        ("EARLIER_NUMBERS_TTL_MS", EARLIER_NUMBERS_TTL_MS.into()),
        ("MAX_UNSERVED_RUNS", MAX_UNSERVED_RUNS as i128),
        ("MAX_UNSERVED_PASSES", MAX_UNSERVED_PASSES as i128),
        ("JOURNAL_TTL_MS", JOURNAL_TTL_MS.into()),
        ("STAGE_TTL_MS", STAGE_TTL_MS.into()),
        ("MAX_JOURNAL_CHUNK", MAX_JOURNAL_CHUNK.into()),
        ("DEDUP_BUCKET_MS", DEDUP_BUCKET_MS.into()),
        ("CLOCK_SLACK_MS", CLOCK_SLACK_MS.into()),
        ("MAX_PUSH_SUBSCRIPTIONS", MAX_PUSH_SUBSCRIPTIONS as i128),
        ("PUSH_CLAIM_WINDOW_SECONDS", push_claim_window.into()),
    ];

    limits
        .iter()
        .map(|(name, value)| format!("local {name} = {value}\n"))
        .collect()
}
