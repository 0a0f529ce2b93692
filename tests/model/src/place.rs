//! Two users in a line that is lost once: what the checkpoint knows, what the gateways remember,
//! and when ranks are told again.

use stateright::{Model, Property};

const USERS: usize = 2;

/// The rules, each of which can be left out.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The checkpoint names the numbers up to the head that have not had their pass.
    pub checkpoint_knows_unserved: bool,
    /// A gateway brings back users who polled through it and keep no ticket themselves.
    pub gateways_remember_pollers: bool,
    /// Ranks are not told before those who are here have been brought back.
    pub ranks_wait: bool,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self {
        checkpoint_knows_unserved: true,
        gateways_remember_pollers: true,
        ranks_wait: true,
    };
}

/// Where a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// In line.
    Waiting,
    /// A pass was released, and the user has not been told of it.
    Released,
    /// The user has the pass.
    Reached,
    /// The engine that knew the user is lost, and they are not back yet.
    Lost,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// Their number is their place in the list plus one, until they are given a new one.
    pub has_old_number: bool,
    /// See [`Standing`].
    pub standing: Standing,
    /// The client stores its ticket; pollers of the simplest kind do not.
    pub keeps_ticket: bool,
    /// The last rank that was told was above the true one: better than the truth.
    pub was_told_too_well: bool,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// By their numbers.
    pub users: [User; USERS],
    /// The highest number released.
    pub head: usize,
    /// The head that was written down.
    pub written_head: usize,
    /// The numbers up to it that had not had their pass then.
    pub written_unserved: [bool; USERS],
    /// The line was lost, and is being rebuilt until everybody who is here is back.
    pub is_rebuilding: bool,
    /// A loss is still to come.
    pub may_be_lost: bool,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A pass for this user; others before them may be away.
    Release(usize),
    /// The pass arrives.
    Reach(usize),
    /// The line's progress is written down.
    WriteDown,
    /// Redis loses everything.
    Lose,
    /// A user comes back, by their own ticket or by their gateway.
    Return(usize),
    /// The rebuild is over.
    Rebuilt,
    /// A user is told their rank.
    Tell(usize),
}

/// The model under these rules.
#[derive(Clone, Debug)]
pub struct Line(pub Rules);

impl Model for Line {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let user = |keeps_ticket| User {
            has_old_number: true,
            standing: Standing::Waiting,
            keeps_ticket,
            was_told_too_well: false,
        };
        let line = |keep: [bool; USERS]| State {
            users: keep.map(user),
            head: 0,
            written_head: 0,
            written_unserved: [false; USERS],
            is_rebuilding: false,
            may_be_lost: true,
        };

        [[true, true], [true, false], [false, true], [false, false]]
            .map(line)
            .to_vec()
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        for (at, user) in state.users.iter().enumerate() {
            match user.standing {
                Standing::Waiting if !state.is_rebuilding => events.push(Event::Release(at)),
                Standing::Released => events.push(Event::Reach(at)),
                Standing::Lost => events.push(Event::Return(at)),
                Standing::Waiting | Standing::Reached => {}
            }
            if user.standing == Standing::Waiting && !(state.is_rebuilding && self.0.ranks_wait) {
                events.push(Event::Tell(at));
            }
        }

        if state.may_be_lost {
            events.extend([Event::WriteDown, Event::Lose]);
        }

        if state.is_rebuilding
            && state
                .users
                .iter()
                .all(|user| user.standing != Standing::Lost)
        {
            events.push(Event::Rebuilt);
        }
    }

    fn next_state(&self, before: &State, event: Event) -> Option<State> {
        let mut state = before.clone();
        match event {
            Event::Release(at) => {
                state.users[at].standing = Standing::Released;
                state.head = state.head.max(at + 1);
            }
            Event::Reach(at) => state.users[at].standing = Standing::Reached,
            Event::WriteDown => {
                state.written_head = state.head;
                state.written_unserved = state
                    .users
                    .each_ref()
                    .map(|user| user.standing != Standing::Reached);
            }
            Event::Lose => {
                state.may_be_lost = false;
                state.is_rebuilding = true;
                for user in state
                    .users
                    .iter_mut()
                    .filter(|user| user.standing != Standing::Reached)
                {
                    user.standing = Standing::Lost;
                }
            }
            Event::Return(at) => self.bring_back(&mut state, at),
            Event::Rebuilt => state.is_rebuilding = false,
            Event::Tell(at) => {
                let told = state.ahead(at, |user| matches!(user.standing, Standing::Waiting));
                let truth = state.ahead(at, |user| {
                    matches!(user.standing, Standing::Waiting | Standing::Lost)
                });
                state.users[at].was_told_too_well = told < truth;
            }
        }

        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("who had no pass keeps the number", |_, state: &State| {
                state.users.iter().all(|user| user.has_old_number)
            }),
            Property::always(
                "nobody is told a better rank than the true one",
                |_, state: &State| state.users.iter().all(|user| !user.was_told_too_well),
            ),
            Property::sometimes("a line goes on after a loss", |_, state: &State| {
                !state.may_be_lost
                    && !state.is_rebuilding
                    && state
                        .users
                        .iter()
                        .all(|user| user.standing == Standing::Reached)
            }),
        ]
    }
}

impl Line {
    fn bring_back(&self, state: &mut State, at: usize) {
        let has_ticket = state.users[at].keeps_ticket || self.0.gateways_remember_pollers;
        let is_above_head = at + 1 > state.written_head;
        let is_unserved = self.0.checkpoint_knows_unserved && state.written_unserved[at];
        let user = &mut state.users[at];
        user.has_old_number = has_ticket && (is_above_head || is_unserved);
        user.standing = Standing::Waiting;
    }
}

impl State {
    /// How many of these users stand before the one.
    fn ahead(&self, at: usize, counts: impl Fn(&User) -> bool) -> usize {
        self.users[..at].iter().filter(|user| counts(user)).count()
    }
}
