//! One hold between its reservation and its end: the user confirms, the sweep expires, at instances
//! whose clocks differ; the engine is told what was decided, in any order and more than once.

use stateright::{Model, Property};

/// When the hold ends, in ticks after it began.
const LIFE: u8 = 2;
/// How far the model looks.
const HORIZON: u8 = 5;
/// By how much the clock of one instance is ahead.
const AHEAD: u8 = 2;

/// The rules, each of which can be left out.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The database's clock decides whether a hold has ended, not that of whoever asks.
    pub database_clock: bool,
    /// One statement finds the booking reserved and changes it.
    pub conditional_update: bool,
    /// A settlement ends its own hold only, and the last word of a booking says everything.
    pub settlements_are_idempotent: bool,
    /// The span in which nobody can confirm is added to the hold's life.
    pub outages_are_given_back: bool,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self {
        database_clock: true,
        conditional_update: true,
        settlements_are_idempotent: true,
        outages_are_given_back: true,
    };
}

/// The booking in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Seats are held.
    Reserved,
    /// Sold.
    Confirmed,
    /// Given back by time.
    Expired,
}

/// What the engine is told of the booking, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Sold.
    Confirmed,
    /// The seat is free again.
    Released,
}

/// Everything; one booking of one seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// By the database's clock.
    pub now: u8,
    /// When the hold ends.
    pub ends: u8,
    /// Ticks in which the user could have confirmed.
    pub able: u8,
    /// Nothing can be written.
    pub is_outage: bool,
    /// In the database.
    pub status: Status,
    /// A sweep has found the booking due and has not changed it yet.
    pub sweep_found_it: bool,
    /// A confirmation has found the booking reserved and has not changed it yet.
    pub confirm_found_it: bool,
    /// The user was told that the seat is theirs.
    pub told_confirmed: bool,
    /// What the engine is still to be told.
    pub under_way: Option<Word>,
    /// How often it has been told, at most twice.
    pub times_told: u8,
    /// The engine's hold.
    pub is_held: bool,
    /// Seats that the engine would give to others.
    pub free: u8,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Time goes on.
    Tick,
    /// The database stops taking writes, or takes them again.
    Outage(bool),
    /// The user confirms at an instance whose clock is right, or ahead: it finds the hold, and
    /// changes it in the same statement if the rules say so.
    Confirm {
        /// Is it ahead?
        ahead: bool,
    },
    /// An instance sweeps: it finds what is due, and changes it in the same statement if the rules
    /// say so.
    Sweep {
        /// Is its clock ahead?
        ahead: bool,
    },
    /// The second half of a confirmation of two statements.
    ConfirmWrites,
    /// The second half of a sweep of two statements.
    SweepWrites,
    /// The engine hears what was decided.
    Tell,
}

/// The model under these rules.
#[derive(Clone, Debug)]
pub struct Hold(pub Rules);

impl Model for Hold {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            ends: LIFE,
            able: 0,
            is_outage: false,
            status: Status::Reserved,
            sweep_found_it: false,
            confirm_found_it: false,
            told_confirmed: false,
            under_way: None,
            times_told: 0,
            is_held: true,
            free: 0,
        }]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        if state.now < HORIZON {
            events.push(Event::Tick);
        }

        events.push(Event::Outage(!state.is_outage));

        if !state.is_outage {
            for ahead in [false, true] {
                events.extend([Event::Confirm { ahead }, Event::Sweep { ahead }]);
            }
            if state.confirm_found_it {
                events.push(Event::ConfirmWrites);
            }
            if state.sweep_found_it {
                events.push(Event::SweepWrites);
            }
        }

        if state.under_way.is_some() && state.times_told < 2 {
            events.push(Event::Tell);
        }
    }

    fn next_state(&self, before: &State, event: Event) -> Option<State> {
        let mut state = before.clone();
        match event {
            Event::Tick => {
                state.now += 1;
                if state.is_outage
                    && state.status == Status::Reserved
                    && self.0.outages_are_given_back
                {
                    state.ends += 1; // the first write after the outage does this at once, before any sweep
                }
                state.able += u8::from(!state.is_outage);
            }
            Event::Outage(begins) => state.is_outage = begins,
            Event::Confirm { ahead } => {
                if state.status == Status::Reserved && self.time(&state, ahead) < state.ends {
                    if self.0.conditional_update {
                        state.confirm();
                    } else {
                        state.confirm_found_it = true;
                    }
                }
            }
            Event::ConfirmWrites => {
                state.confirm_found_it = false;
                state.confirm();
            }
            Event::Sweep { ahead } => {
                if state.status == Status::Reserved && self.time(&state, ahead) >= state.ends {
                    if self.0.conditional_update {
                        state.expire();
                    } else {
                        state.sweep_found_it = true;
                    }
                }
            }
            Event::SweepWrites => {
                state.sweep_found_it = false;
                state.expire();
            }
            Event::Tell => self.tell(&mut state),
        }

        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a hold does not end before its end", |_, state: &State| {
                state.status != Status::Expired || state.now >= state.ends
            }),
            Property::always(
                "a hold ends only after its user could confirm for its whole life",
                |_, state: &State| state.status != Status::Expired || state.able >= LIFE,
            ),
            Property::always(
                "who is told confirmed keeps the seat",
                |_, state: &State| !state.told_confirmed || state.status == Status::Confirmed,
            ),
            Property::always("there is one seat", |_, state: &State| {
                state.free + u8::from(state.is_held) <= 1
            }),
            Property::always("a sold seat is not free", |_, state: &State| {
                state.status != Status::Confirmed || state.free == 0
            }),
            Property::sometimes("a hold expires", |_, state: &State| {
                state.status == Status::Expired && state.free == 1
            }),
            Property::sometimes("a hold is confirmed", |_, state: &State| {
                state.told_confirmed && state.times_told > 0
            }),
        ]
    }
}

impl Hold {
    fn time(&self, state: &State, ahead: bool) -> u8 {
        if ahead && !self.0.database_clock {
            state.now + AHEAD
        } else {
            state.now
        }
    }

    fn tell(&self, state: &mut State) {
        let Some(word) = state.under_way else { return };
        state.times_told += 1;
        let ends_a_hold = std::mem::take(&mut state.is_held);
        if word == Word::Released && (ends_a_hold || !self.0.settlements_are_idempotent) {
            state.free += 1;
        }
    }
}

impl State {
    fn confirm(&mut self) {
        self.status = Status::Confirmed;
        self.told_confirmed = true;
        self.under_way = Some(Word::Confirmed);
    }

    fn expire(&mut self) {
        self.status = Status::Expired;
        self.under_way = Some(Word::Released);
    }
}
