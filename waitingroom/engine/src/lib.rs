//! The engine: the queue and the seats of an event as one state machine, every step of it atomic.
//!
//! Two backends implement it. [`memory`] holds everything in this process: the embedded default and
//! the executable specification. [`redis`] runs the same steps as Lua scripts. One contract suite
//! and one property test hold them together.
//!
//! Order, in every backend: steps of one event are serialised. Failure: a step that answers an
//! error may or may not have happened; every step is safe to repeat. Time comes from the caller and
//! never runs backwards within an event: a step with an earlier `now` than the last is carried out
//! at the last.

pub mod batcher;
pub mod clock_sync;
pub mod memory;
pub mod metric_definitions;
pub mod redis;
pub mod redis_connection;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, EventId, NodeId, PassId, UserId},
    numbers::Numbers,
    presence::Presence,
    push::PushSubscription,
    queue::{Counters, Grant, Place, Progress, QueueSettings, Removal, Routed, SaleState},
    rate::Throttle,
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, Tally, ZoneSeats},
};

/// An engine shared by the roles of one process.
pub type SharedEngine = Arc<dyn Engine>;

/// Why a step could not be carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The engine does not hold this event: it does not exist, or the engine lost its state, or may
    /// have lost the last of it, and waits for a sync.
    #[error("the engine does not hold this event")]
    UnknownEvent,
    /// The user's reservation is being decided: their pass is used by a hold that is not committed
    /// yet. They keep place and pass until then, so nothing happened.
    #[error("the user's reservation is being decided")]
    Deciding,
    /// The engine has no memory for anybody new; whoever has a place goes on. Nothing happened.
    #[error("there is no memory for more")]
    Full,
    /// The queue was lost and is being rebuilt, and this user is not back in it: whether they have
    /// a place is not known yet. Nothing happened.
    #[error("the line is being rebuilt")]
    Recovering,
    /// So much waits to be done that no more is taken. Nothing happened.
    #[error("too much waits to be done")]
    Busy,
    /// The backend did not answer, or answered nonsense.
    #[error("the engine is unavailable: {0}")]
    Unavailable(String),
}

/// How an event's queue begins, or begins again after the engine lost its state.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenParams {
    /// The settings to start with.
    pub settings: QueueSettings,
    /// The incarnation this opening would begin. Ignored where the event is already open.
    pub epoch: Epoch,
    /// The last number given out by earlier incarnations: numbers go on above it.
    pub sequence: u64,
    /// The highest number released by earlier incarnations: their tickets up to it are spent, save
    /// those of `unserved`.
    pub head: u64,
    /// Whose numbers up to the head have not had their pass: their tickets are good.
    pub unserved: UnservedNumbers,
    /// The mark that the queue was frozen with, where it was: one that carries it has lost nothing,
    /// wherever it is found, and goes on.
    pub mark: Option<String>,
    /// No release before this moment, so that ticket holders can return in their old order. Until
    /// then the queue is being rebuilt: ranks are not known, nobody new is taken in, and nobody is
    /// told that they have no place.
    pub release_from: Timestamp,
    /// Gateways that may have told users of the lost queue their positions. Each says when it has
    /// brought its users back ([`Engine::finish_restore`]); with the last, the queue is whole
    /// before `release_from`. Nobody is told a position before that. None: it is not known who they
    /// are, and everybody has until `release_from`.
    pub awaited_nodes: Vec<NodeId>,
}

/// Numbers up to a queue's head that have not had their pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnservedNumbers {
    /// Passed over while they were away: others' ranks count them.
    pub waiting: Numbers,
    /// Released and not reached, or with a pass that was taken back: first on return, and out of
    /// everybody's count.
    pub unclaimed: Numbers,
}

impl UnservedNumbers {
    /// The same in at most so many runs of each kind; see [`Numbers::limit_runs`].
    #[must_use]
    pub fn limit_runs(self, most: usize, head: u64) -> Self {
        Self {
            waiting: self.waiting.limit_runs(most, head),
            unclaimed: self.unclaimed.limit_runs(most, head),
        }
    }
}

/// How far a queue has come: what it is begun again from when it is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryPoint {
    /// The last number given out.
    pub sequence: u64,
    /// The highest number released.
    pub head: u64,
    /// Whose numbers up to the head have not had their pass. At most [`MAX_UNSERVED_RUNS`] runs of
    /// each kind: where there are more, whoever is above them counts as unserved, whether they had
    /// a pass or not.
    pub unserved: UnservedNumbers,
}

/// The answer to [`ActionKind::Join`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinOutcome {
    /// A place was taken (or, with a ticket of an earlier epoch, re-taken).
    Joined(Place),
    /// The user already had this place.
    Same(Place),
    /// The sale's state does not admit joins.
    NotOpen(SaleState),
    /// The queue is as long as it may be.
    Full,
}

/// What one user, or a node on their behalf, does about their place.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Who.
    pub user: UserId,
    /// What.
    pub kind: ActionKind,
}

/// See [`Action`]. One user, one place: while a hold that used the user's pass is not committed,
/// all but `Detach`, `Acknowledge` and `Unsubscribe` are [`ActionResult::Deciding`]. While the queue is being
/// rebuilt, a place that cannot be found is [`ActionResult::Recovering`].
#[derive(Debug, Clone, PartialEq)]
pub enum ActionKind {
    /// Takes a place at the end, or finds the user's own; marks them present.
    Join {
        /// How the user is present.
        presence: Presence,
        /// A verified ticket of theirs: the queue it is from, and the number. It brings their place
        /// back in a queue that was reopened after a loss.
        ticket: Option<(Epoch, u64)>,
    },
    /// Finds the user's own place and marks them present. Presence by [`Presence::Poll`] also
    /// acknowledges the pass, since the answer carries it.
    Resume(Presence),
    /// As `Join` with this ticket, but without a new number if the ticket brings no place back.
    Restore {
        /// How the user is present.
        presence: Presence,
        /// The queue that the user was in, and the number.
        ticket: (Epoch, u64),
        /// The position that they were sent last there, if it is known. It comes back with their
        /// places in this queue: see [`Place::last_position`].
        told: Option<u64>,
    },
    /// The node holds no connection of the user any more.
    Detach(NodeId),
    /// Gives the place, or the pass, up.
    Leave,
    /// The pass has arrived.
    Acknowledge(PassId),
    /// This browser is to be notified of the user's pass, until the place ends or is lost. A user who
    /// waits and can be notified so is released though absent, and keeps the place for as long. At most
    /// [`MAX_PUSH_SUBSCRIPTIONS`](waitingroom_domain::push::MAX_PUSH_SUBSCRIPTIONS) browsers of a
    /// user; a further one replaces the oldest.
    Subscribe(PushSubscription),
    /// The browser with this endpoint is not to be notified any more; none of the user's, without one.
    Unsubscribe(Option<String>),
}

/// The answer to an [`Action`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionResult {
    /// To [`ActionKind::Join`].
    Joined(JoinOutcome),
    /// To [`ActionKind::Resume`] and [`ActionKind::Restore`].
    Found(Option<Place>),
    /// To [`ActionKind::Leave`]: the nodes that may hold connections of the user; nothing where
    /// there was no place.
    Left(Option<Vec<NodeId>>),
    /// To [`ActionKind::Detach`]: true; to [`ActionKind::Acknowledge`]: is the pass live, or was it
    /// used for a booking? To [`ActionKind::Subscribe`]: has the user a place? To
    /// [`ActionKind::Unsubscribe`]: was there such a browser?
    Done(bool),
    /// To all but [`ActionKind::Detach`], [`ActionKind::Acknowledge`] and
    /// [`ActionKind::Unsubscribe`] of a user whose pass is used by a hold that is not committed: see
    /// [`EngineError::Deciding`].
    Deciding,
    /// To [`ActionKind::Join`] and [`ActionKind::Restore`] of somebody who is not in the queue, and
    /// to [`ActionKind::Subscribe`]: see [`EngineError::Full`].
    Full,
    /// To all but [`ActionKind::Detach`], [`ActionKind::Acknowledge`] and
    /// [`ActionKind::Unsubscribe`] of a user who is not in the queue: see
    /// [`EngineError::Recovering`].
    Recovering,
}

impl ActionResult {
    /// The answer to [`ActionKind::Join`].
    ///
    /// # Errors
    /// [`EngineError::Deciding`], [`EngineError::Full`], [`EngineError::Recovering`]; or it is
    /// another's.
    pub fn into_outcome(self) -> Result<JoinOutcome, EngineError> {
        if let Self::Joined(outcome) = self {
            Ok(outcome)
        } else {
            Err(self.into_error())
        }
    }

    /// The answer to [`ActionKind::Resume`] and [`ActionKind::Restore`].
    ///
    /// # Errors
    /// As [`ActionResult::into_outcome`].
    pub fn into_place(self) -> Result<Option<Place>, EngineError> {
        if let Self::Found(place) = self {
            Ok(place)
        } else {
            Err(self.into_error())
        }
    }

    /// The answer to [`ActionKind::Leave`].
    ///
    /// # Errors
    /// As [`ActionResult::into_outcome`].
    pub fn into_nodes(self) -> Result<Option<Vec<NodeId>>, EngineError> {
        if let Self::Left(nodes) = self {
            Ok(nodes)
        } else {
            Err(self.into_error())
        }
    }

    /// The answer to [`ActionKind::Detach`], [`ActionKind::Acknowledge`], [`ActionKind::Subscribe`]
    /// and [`ActionKind::Unsubscribe`].
    ///
    /// # Errors
    /// As [`ActionResult::into_outcome`].
    pub fn into_done(self) -> Result<bool, EngineError> {
        if let Self::Done(done) = self {
            Ok(done)
        } else {
            Err(self.into_error())
        }
    }

    fn into_error(self) -> EngineError {
        match self {
            Self::Deciding => EngineError::Deciding,
            Self::Full => EngineError::Full,
            Self::Recovering => EngineError::Recovering,
            _ => unexpected_result(),
        }
    }
}

fn unexpected_result() -> EngineError {
    EngineError::Unavailable("the engine answered another question".to_owned())
}

/// One admission step's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Released {
    /// Passes released in this step, in the order of their numbers.
    pub granted: Vec<Routed<Grant>>,
    /// Live passes that nobody has acknowledged for a second: to be published again.
    pub unacknowledged: Vec<Routed<Grant>>,
    /// Users of `granted` who asked to be notified by a push, in the same order, each once for each
    /// pass: whoever steps sends it.
    pub pushes: Vec<PushRecipient>,
    /// Passes and places that ended in this step.
    pub removals: Vec<Routed<Removal>>,
    /// What changed in the queue since the last step of any worker.
    pub progress: Progress,
}

/// A user who is notified of a pass by a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRecipient {
    /// Who.
    pub user: UserId,
    /// Where.
    pub subscriptions: Vec<PushSubscription>,
}

/// The state of one event's queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueStatus {
    /// The settings in force; see [`Progress::settings`].
    pub settings: QueueSettings,
    /// The share of the configured rate at which the last step released.
    pub share: f64,
    /// Which incarnation.
    pub epoch: Epoch,
    /// The last number given out.
    pub sequence: u64,
    /// The highest number released.
    pub head: u64,
    /// Everybody in the queue without a pass.
    pub total: u64,
    /// Passes issued and neither expired nor used for a hold that is committed.
    pub active: u64,
    /// Seats that can be reserved now.
    pub seats_left: u64,
    /// Those of `total` who are away: without a connection and without a recent poll, within grace.
    /// Those of a node that died are counted once a step has come upon them.
    pub absent: u64,
    /// What has happened so far.
    pub counters: Counters,
    /// The queue is being rebuilt: `total` counts those who are back.
    pub counting: bool,
    /// Have the seats been loaded? Before, `seats_left` says nothing.
    pub seats_known: bool,
    /// The queue is frozen.
    pub frozen: Option<Frozen>,
}

/// How a frozen queue stands; see [`Engine::freeze`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frozen {
    /// Where it was frozen.
    Here,
    /// On another server, whole: it can go on.
    HandedOver,
}

/// The queue and the seats. See the module's documentation for atomicity, order and failure.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    // ── events ──

    /// Begins the event's queue unless it is already open; an open one stays as it is, its settings
    /// too, since whoever asks may know older ones. Returns the epoch in force.
    async fn open(
        &self,
        event: EventId,
        opening: &OpenParams,
        now: Timestamp,
    ) -> Result<Epoch, EngineError>;

    /// Replaces the settings.
    async fn configure(&self, event: EventId, settings: &QueueSettings) -> Result<(), EngineError>;

    /// Every event the engine holds, in no order.
    async fn events(&self) -> Result<Vec<EventId>, EngineError>;

    /// The state of the queue.
    async fn status(&self, event: EventId) -> Result<QueueStatus, EngineError>;

    /// Can the engine do its work, what changes something included?
    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// How far the queue has come.
    async fn recovery_point(&self, event: EventId) -> Result<RecoveryPoint, EngineError>;

    /// Lets the queue stand still: the mark is the last that is written, and every step that
    /// changes anything is [`EngineError::Unavailable`] until [`Engine::thaw`]. So whatever carries
    /// the mark, after a restart or on a replica, lacks nothing, and [`Engine::open`] with the mark
    /// takes it for what it is.
    async fn freeze(&self, event: EventId, mark: &str) -> Result<(), EngineError>;

    /// The queue goes on, and releases once connections and polls have had
    /// [`RELEASE_DELAY_AFTER_FREEZE`] to show who is here. Whoever still knows the mark as good
    /// must have forgotten it before.
    async fn thaw(&self, event: EventId, now: Timestamp) -> Result<(), EngineError>;

    /// Forgets the event: its line, its passes, its seats.
    async fn remove(&self, event: EventId) -> Result<(), EngineError>;

    // ── the queue ──

    /// Carries out what users of one event do, in this order, in one step; the answers are in the
    /// same order. To every user it is as if each action were a step of its own, all at `now`. At
    /// most [`MAX_ACTIONS`] actions.
    async fn apply(
        &self,
        event: EventId,
        actions: &[Action],
        now: Timestamp,
    ) -> Result<Vec<ActionResult>, EngineError>;

    /// [`ActionKind::Leave`] as a step of its own, for an operator who removes a user. Answers the
    /// nodes that may hold connections of the user, who are to be told; nothing if there was no
    /// place.
    async fn leave(
        &self,
        event: EventId,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<Vec<NodeId>>, EngineError> {
        let leave = Action {
            user: user.clone(),
            kind: ActionKind::Leave,
        };

        let results = self.apply(event, &[leave], now).await?;
        match results.into_iter().next() {
            Some(result) => result.into_nodes(),
            None => Err(unexpected_result()),
        }
    }

    /// A node's sign of life: its connections count as presence until
    /// [`waitingroom_domain::presence::NODE_TIMEOUT`] later. False where it had been silent for longer, or was
    /// never heard of: its users may have been taken for absent, and the node has to resume each of
    /// them ([`ActionKind::Resume`]).
    async fn report_node(
        &self,
        event: EventId,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<bool, EngineError>;

    /// The node has brought back everybody whom it remembers of an earlier incarnation than this
    /// one. With the last of [`OpenParams::awaited_nodes`] the queue is not being rebuilt any more,
    /// and releases. Without effect in another incarnation, and from any other node.
    async fn finish_restore(
        &self,
        event: EventId,
        node: &NodeId,
        epoch: &Epoch,
        now: Timestamp,
    ) -> Result<(), EngineError>;

    /// One admission step: expires passes, takes unacknowledged ones back, drops places of users
    /// absent past grace, then releases in order of numbers as many users who are present or can be
    /// notified by a push as rate, cap, seats and `limit` allow. `share` is the part of the configured rate and burst that is left
    /// (nobody goes at 0; see [`waitingroom_domain::rate`]); one that was decided before the last that was given
    /// has no effect. `batch` makes the pass ids unique. Any number of callers may step at once:
    /// rate and cap hold across all of them. A step of [`TickScope::GrantsOnly`] does the releasing
    /// alone. While `share` is none, the time of passes stands still, for [`MAX_PASS_CLOCK_STOP`]
    /// at most; afterwards whole steps tell every live pass again, with its new end.
    async fn release(
        &self,
        event: EventId,
        batch: &str,
        limit: u32,
        throttle: Throttle,
        scope: TickScope,
        now: Timestamp,
    ) -> Result<Released, EngineError>;

    // ── the seats ──

    /// Burns the pass and holds the seats, both or neither, for one request after the other, all of
    /// this event. Answers in order. Requests that arrive together cost much less when they are
    /// carried out together.
    async fn reserve_all(
        &self,
        event: EventId,
        requests: &[Reserve],
        now: Timestamp,
    ) -> Result<Vec<ReserveOutcome>, EngineError>;

    /// Carries out what the database decided, in order. Unknown holds are left alone.
    async fn settle(
        &self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
        now: Timestamp,
    ) -> Result<(), EngineError>;

    /// Holds whose end has been due at `now`, or whose commit has not been reported, for
    /// `patience`; at most `limit`, oldest first. An engine that measures time itself waits by
    /// that: a caller whose clock is ahead must not take a commit under way for lost.
    async fn stale_holds(
        &self,
        event: EventId,
        now: Timestamp,
        patience: Duration,
        limit: u32,
    ) -> Result<Vec<StaleHold>, EngineError>;

    /// The engine's inventory, ordered by zone.
    async fn seats(&self, event: EventId) -> Result<Vec<ZoneSeats>, EngineError>;

    /// What is counted at this moment, also of at most [`MAX_TALLY_USERS`] users: for a comparison
    /// with the database.
    async fn tally(&self, event: EventId, users: &[UserId]) -> Result<Tally, EngineError>;

    /// Some of the users whose seats are counted, from `cursor` on (nothing: from the beginning),
    /// and the cursor of the next ones; nothing behind the last. Whoever is counted all the time is
    /// among them at least once.
    async fn counted_users(
        &self,
        event: EventId,
        cursor: &str,
    ) -> Result<(Vec<UserId>, String), EngineError>;

    /// Stops new holds for at most `SYNC_WINDOW` and remembers settlements until
    /// [`Engine::load_seats`]. Returns how many holds still wait for their commit.
    async fn begin_sync(&self, event: EventId, now: Timestamp) -> Result<u64, EngineError>;

    /// Replaces the inventory by the database's and ends the sync. Pending holds that the snapshot
    /// lacks are kept; settlements since [`Engine::begin_sync`] are applied to it.
    async fn load_seats(
        &self,
        event: EventId,
        snapshot: &SeatSnapshot,
        now: Timestamp,
    ) -> Result<(), EngineError>;
}

/// What an admission step sees to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickScope {
    /// Everything. Its progress carries the numbers that left since the last whole step of anybody.
    Full,
    /// Passes alone: what ends is left to the next whole step, and who left is told with it.
    GrantsOnly,
}

/// Most actions of one step: bounds the time for which it keeps others waiting.
pub const MAX_ACTIONS: usize = 256;

/// Most users of one tally.
pub const MAX_TALLY_USERS: usize = 1_000;

/// Users of one look at those who are counted; Redis may answer some more.
pub const COUNTED_USERS_PAGE: usize = 200;

/// A sync that does not finish in this time no longer stops holds (milliseconds).
pub const SYNC_WINDOW_MS: i64 = 5_000;

/// Most users that each sweep of one release step looks at: bounds the time of the step.
pub const MAX_SWEPT_USERS: usize = 1_000;

/// A pass that nobody acknowledged is published again after this time (milliseconds).
pub const GRANT_RESEND_MS: i64 = 1_000;

/// A queue whose time goes on by more than this at once could not be reached in between: workers
/// step it, and gateways report to it, at least each second. Passes get that time back,
/// [`MAX_PASS_CLOCK_STOP`] at most each time; windows to claim one, and graces, begin anew.
pub const CLOCK_JUMP_THRESHOLD: Duration = Duration::from_secs(3);

/// While booking can take nobody (the share of the rate is none), passes do not run out, for this
/// long at most each time.
pub const MAX_PASS_CLOCK_STOP: Duration = Duration::from_secs(600);

/// Most runs of numbers of each kind that [`RecoveryPoint`] names.
pub const MAX_UNSERVED_RUNS: usize = 8_192;

/// Most passes without an acknowledgement that [`RecoveryPoint`] looks at; where there are more,
/// every number up to the head counts as unserved.
pub const MAX_UNSERVED_PASSES: usize = 65_536;

/// After a queue stood still, nobody is released for this time: longer than a gateway's pause
/// between two reports, and a client's between two polls.
pub const RELEASE_DELAY_AFTER_FREEZE: Duration = Duration::from_secs(3);

/// How long ticket holders have to return, in their old order, after a queue was lost.
pub const RECOVERY_WINDOW: Duration = Duration::from_secs(4);

/// A place whose passes were taken back so often is gone: whoever lets passes lie keeps others from
/// theirs.
pub const MAX_UNCLAIMED_PASSES: u8 = 3;

/// Most removals that one progress message carries; the rest follow in the next.
pub const MAX_PROGRESS_REMOVALS: usize = 10_000;

/// A node that was not heard of for this long is forgotten (milliseconds).
pub const NODE_RETENTION_MS: i64 = 3_600_000;

/// Most nodes that one user's connections are spread over; beyond it the oldest is forgotten.
pub const MAX_NODES_PER_USER: usize = 4;
