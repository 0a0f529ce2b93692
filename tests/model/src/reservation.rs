//! One pass, at most two attempts to reserve with it: a step in Redis, a statement in the database,
//! and a repair that decides what became of an attempt that nobody heard the end of.
//!
//! Time is not modelled: a deadline may pass at any moment before the answer, a message may arrive
//! at any moment after it was sent, and the repair may look at any moment after the caller has
//! given up.

use stateright::{Model, Property};

const ATTEMPTS: usize = 2;
const SEATS: i8 = 2;

/// The rules, each of which can be left out.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A connection whose step did not end in a known state is closed, not used again.
    pub close_unclean_connections: bool,
    /// A step in Redis that is older than its caller's deadline changes nothing.
    pub refuse_late_steps: bool,
    /// The repair stores a tombstone under the hold's id before it gives the hold back.
    pub tombstones: bool,
    /// A caller whose statement has not answered is told only after the repair's tombstone, or the
    /// row, is there.
    pub settle_before_answer: bool,
    /// A pass whose reservation is being decided is no used pass: the answer is "try again".
    pub undecided_is_not_used: bool,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self {
        close_unclean_connections: true,
        refuse_late_steps: true,
        tombstones: true,
        settle_before_answer: true,
        undecided_is_not_used: true,
    };
}

/// Where the pass stands in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// It can be used.
    Live,
    /// An attempt holds seats with it and is being decided.
    Spent(usize),
    /// A booking was made with it.
    Used,
}

/// How far an attempt is, as its caller in the booking process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not begun.
    Idle,
    /// The step was sent to Redis.
    Holding,
    /// Redis holds the seats.
    Held,
    /// The statement was sent to the database.
    Storing,
    /// Nobody waits for it any more: it was answered, or its process died.
    Over,
}

/// What the client of an attempt was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// Nothing so far, or the connection was lost.
    Nothing,
    /// 201.
    Created,
    /// 503: nothing was done, and nothing will be.
    Unavailable,
    /// The pass has a booking already: final.
    PassUsed,
}

/// What the database has under the id of an attempt's hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// Nothing.
    None,
    /// A booking in a transaction that somebody else left open on the connection.
    Uncommitted,
    /// A booking.
    Booking,
    /// The word that there will never be one.
    Tombstone,
}

/// One attempt and its messages under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// See [`Phase`].
    pub phase: Phase,
    /// The step has not run yet.
    pub step_under_way: bool,
    /// Its caller's deadline has passed.
    pub step_is_late: bool,
    /// The statement has not run yet.
    pub statement_under_way: bool,
    /// See [`Told`].
    pub told: Told,
    /// See [`Row`].
    pub row: Row,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The attempts, in the order in which the client makes them.
    pub attempts: [Attempt; ATTEMPTS],
    /// In the engine.
    pub pass: Pass,
    /// Seats that the engine would give to others.
    pub free: i8,
    /// A step was dropped while its transaction was being opened, and its connection is in the
    /// pool.
    pub connection_is_unclean: bool,
    /// The process may die once.
    pub may_crash: bool,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The client asks, for the first time or after an answer that permits it.
    Ask(usize),
    /// Redis runs the step.
    RunStep(usize),
    /// The caller does not wait for Redis any longer.
    StepDeadline(usize),
    /// The statement goes to the database.
    Store(usize),
    /// The database runs the statement.
    RunStatement(usize),
    /// The caller does not wait for the database any longer.
    StatementDeadline(usize),
    /// Another step of the process is dropped in the moment of its BEGIN.
    DropAnotherStep,
    /// What was stored in a transaction that nobody ends is lost.
    LoseOpenTransaction,
    /// The booking process dies and starts again.
    Crash,
    /// The repair looks at the hold of an attempt that nobody waits for.
    Repair(usize),
}

/// The model under these rules.
#[derive(Clone, Debug)]
pub struct Reservation(pub Rules);

impl Model for Reservation {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let attempt = Attempt {
            phase: Phase::Idle,
            step_under_way: false,
            step_is_late: false,
            statement_under_way: false,
            told: Told::Nothing,
            row: Row::None,
        };

        vec![State {
            attempts: [attempt.clone(), attempt],
            pass: Pass::Live,
            free: SEATS,
            connection_is_unclean: false,
            may_crash: true,
        }]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        for (at, attempt) in state.attempts.iter().enumerate() {
            if attempt.phase == Phase::Idle && (at == 0 || may_ask_again(&state.attempts[at - 1])) {
                events.push(Event::Ask(at));
            }
            if attempt.step_under_way {
                events.push(Event::RunStep(at));
            }
            if attempt.statement_under_way {
                events.push(Event::RunStatement(at));
            }
            match attempt.phase {
                Phase::Holding => events.push(Event::StepDeadline(at)),
                Phase::Held => events.push(Event::Store(at)),
                Phase::Storing => events.push(Event::StatementDeadline(at)),
                Phase::Over if state.pass == Pass::Spent(at) => events.push(Event::Repair(at)),
                Phase::Idle | Phase::Over => {}
            }
            if attempt.row == Row::Uncommitted {
                events.push(Event::LoseOpenTransaction);
            }
        }

        if !state.connection_is_unclean {
            events.push(Event::DropAnotherStep);
        }

        if state.may_crash {
            events.push(Event::Crash);
        }
    }

    fn next_state(&self, before: &State, event: Event) -> Option<State> {
        let mut state = before.clone();
        match event {
            Event::Ask(at) => {
                state.attempts[at].phase = Phase::Holding;
                state.attempts[at].step_under_way = true;
            }
            Event::RunStep(at) => self.run_step(&mut state, at),
            Event::StepDeadline(at) => {
                state.attempts[at].step_is_late = true;
                state.answer(at, Told::Unavailable);
            }
            Event::Store(at) => {
                state.attempts[at].phase = Phase::Storing;
                state.attempts[at].statement_under_way = true;
            }
            Event::RunStatement(at) => state.run_statement(at),
            Event::StatementDeadline(at) => self.give_up_statement(&mut state, at),
            // A connection that is closed is gone for the model: the next is a new one.
            Event::DropAnotherStep => {
                state.connection_is_unclean = !self.0.close_unclean_connections
            }
            Event::LoseOpenTransaction => {
                for attempt in state
                    .attempts
                    .iter_mut()
                    .filter(|attempt| attempt.row == Row::Uncommitted)
                {
                    attempt.row = Row::None;
                }
                state.connection_is_unclean = false;
            }
            Event::Crash => state.crash(),
            Event::Repair(at) => self.repair(&mut state, at),
        }

        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a 201 follows the commit", |_, state: &State| {
                state
                    .attempts
                    .iter()
                    .all(|attempt| attempt.told != Told::Created || attempt.row == Row::Booking)
            }),
            Property::always("after a 503 nothing is done", |_, state: &State| {
                state
                    .attempts
                    .iter()
                    .all(|attempt| attempt.told != Told::Unavailable || attempt.row != Row::Booking)
            }),
            Property::always("after a 503 nothing is held", |_, state: &State| {
                let is_unavailable = |at: &usize| state.attempts[*at].told == Told::Unavailable;
                !(0..ATTEMPTS)
                    .filter(is_unavailable)
                    .any(|at| state.pass == Pass::Spent(at))
            }),
            Property::always("one pass makes one booking", |_, state: &State| {
                state.bookings() <= 1
            }),
            Property::always(
                "a pass without a booking is not called used",
                |_, state: &State| {
                    state.bookings() > 0
                        || state
                            .attempts
                            .iter()
                            .all(|attempt| attempt.told != Told::PassUsed)
                },
            ),
            Property::always("no seat is given back twice", |_, state: &State| {
                state.free + i8::from(matches!(state.pass, Pass::Spent(_))) <= SEATS
            }),
            Property::always(
                "once all is quiet, engine and database agree",
                |_, state: &State| {
                    !state.is_quiet() || state.free == SEATS - state.bookings() as i8
                },
            ),
            Property::always(
                "once all is quiet, a pass without a booking is live",
                |_, state: &State| {
                    !state.is_quiet() || state.bookings() > 0 || state.pass == Pass::Live
                },
            ),
            Property::sometimes("a client is served", |_, state: &State| {
                state
                    .attempts
                    .iter()
                    .any(|attempt| attempt.told == Told::Created)
            }),
            Property::sometimes("a client is served after a 503", |_, state: &State| {
                state.attempts[0].told == Told::Unavailable
                    && state.attempts[1].told == Told::Created
            }),
        ]
    }
}

/// A client repeats what was refused for the moment, or what it heard nothing of.
fn may_ask_again(before: &Attempt) -> bool {
    before.phase == Phase::Over && matches!(before.told, Told::Unavailable | Told::Nothing)
}

impl Reservation {
    fn run_step(&self, state: &mut State, at: usize) {
        let is_late = state.attempts[at].step_is_late;
        state.attempts[at].step_under_way = false;

        if is_late && self.0.refuse_late_steps {
            return;
        }

        let refusal = match state.pass {
            Pass::Live => {
                state.pass = Pass::Spent(at);
                state.free -= 1;
                None
            }
            Pass::Spent(_) if self.0.undecided_is_not_used => Some(Told::Unavailable),
            Pass::Spent(_) | Pass::Used => Some(Told::PassUsed),
        };

        match (state.attempts[at].phase, refusal) {
            (Phase::Holding, None) => state.attempts[at].phase = Phase::Held,
            (Phase::Holding, Some(refusal)) => state.answer(at, refusal),
            _ => {} // nobody hears of it
        }
    }

    fn give_up_statement(&self, state: &mut State, at: usize) {
        if self.0.settle_before_answer {
            // The answer waits for the same word as the repair.
            self.repair(state, at);
            let told = if state.attempts[at].row == Row::Booking {
                Told::Created
            } else {
                Told::Unavailable
            };
            state.answer(at, told);
        } else {
            state.answer(at, Told::Unavailable);
        }
    }

    /// The row is looked for; if there is none, it will never be: either because a tombstone says
    /// so, or because it is believed.
    fn repair(&self, state: &mut State, at: usize) {
        if state.attempts[at].row == Row::None && self.0.tombstones {
            state.attempts[at].row = Row::Tombstone;
        }
        match state.attempts[at].row {
            Row::Uncommitted => {} // invisible to the repair's reading; with a tombstone it waits for that transaction
            Row::Booking => state.pass = Pass::Used,
            Row::None | Row::Tombstone => state.give_back(at),
        }
    }
}

impl State {
    fn answer(&mut self, at: usize, told: Told) {
        self.attempts[at].phase = Phase::Over;
        self.attempts[at].told = told;
    }

    fn give_back(&mut self, at: usize) {
        if self.pass == Pass::Spent(at) {
            self.pass = Pass::Live;
            self.free += 1;
        }
    }

    /// Unique are the pass and the id; on an unclean connection the statement is a part of the
    /// transaction that was left open.
    fn run_statement(&mut self, at: usize) {
        self.attempts[at].statement_under_way = false;
        let is_heard = self.attempts[at].phase == Phase::Storing;

        if self.attempts[at].row == Row::Tombstone || self.bookings() > 0 {
            if is_heard {
                self.give_back(at);
                self.answer(at, Told::Unavailable);
            }
            return;
        }

        self.attempts[at].row = if self.connection_is_unclean {
            Row::Uncommitted
        } else {
            Row::Booking
        };

        if is_heard {
            self.pass = Pass::Used;
            self.answer(at, Told::Created);
        }
    }

    fn crash(&mut self) {
        self.may_crash = false;
        self.connection_is_unclean = false;

        for attempt in &mut self.attempts {
            if attempt.row == Row::Uncommitted {
                attempt.row = Row::None;
            }
            if attempt.phase != Phase::Idle {
                attempt.phase = Phase::Over;
            }
        }
    }

    fn bookings(&self) -> usize {
        self.attempts
            .iter()
            .filter(|attempt| attempt.row == Row::Booking)
            .count()
    }

    /// Nothing is under way, and the repair has nothing to look at.
    fn is_quiet(&self) -> bool {
        let is_over = |attempt: &Attempt| {
            matches!(attempt.phase, Phase::Idle | Phase::Over)
                && !attempt.step_under_way
                && !attempt.statement_under_way
                && attempt.row != Row::Uncommitted
        };
        self.attempts.iter().all(is_over) && !matches!(self.pass, Pass::Spent(_))
    }
}
