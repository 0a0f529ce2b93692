//! What a user knows of the line, from whatever the line says; each change is written down.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use stanchion_audit::{Seen, Way};
use stanchion_tests::tokens;
use uuid::Uuid;

use crate::{journal::Journal, sale::short};

/// A pass in hand.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    /// Its id.
    pub(super) id: String,
    /// The token.
    pub(super) token: String,
    /// Its end.
    pub(super) ends_at_ms: i64,
}

/// What the line said.
pub(super) enum Heard {
    /// Nothing that needs doing.
    News,
    /// A pass that the user has not used up.
    Pass(Pass),
    /// A refusal, by its code.
    Refused(String),
}

/// See the module's documentation.
pub(super) struct Sight {
    journal: Arc<Journal>,
    user: String,
    gateway: String,
    connection: u32,
    /// The ticket to come back with.
    pub(super) ticket: Option<String>,
    number: Option<(u64, String)>,
    /// The position that was told last with the ticket.
    position: Option<u64>,
    leaves: bool,
    passes: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Sight {
    pub(super) fn new(journal: Arc<Journal>, user: &str) -> Self {
        Self {
            journal,
            user: user.to_owned(),
            gateway: String::new(),
            connection: 0,
            ticket: None,
            number: None,
            position: None,
            leaves: false,
            passes: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    pub(super) fn see(&self, seen: Seen) {
        self.journal.see(&self.user, seen);
    }

    /// Another connection, to this gateway.
    pub(super) fn connect(&mut self, gateway: &str) {
        self.connection += 1;
        self.gateway = short(gateway);
    }

    pub(super) fn detached(&self, why: &str) {
        self.see(Seen::Detached {
            connection: self.connection,
            why: why.to_owned(),
        });
    }

    /// To join, with what was kept of the place.
    pub(super) fn join(&self, event: Uuid) -> Value {
        json!({"event_id": event, "ticket": self.ticket, "position": self.ticket.as_ref().and(self.position)})
    }

    /// The user asks to leave.
    pub(super) fn leaves(&mut self) {
        self.leaves = true;
        self.see(Seen::Leaves);
    }

    /// The line says that the user has left.
    pub(super) fn left(&mut self) {
        if std::mem::take(&mut self.leaves) {
            self.ticket = None;
            self.see(Seen::Left);
        } else {
            self.see(Seen::Refusal {
                code: "REMOVED".to_owned(),
            });
        }
    }

    /// The pass is of no use any more.
    pub(super) fn pass_is_gone(&mut self, pass: &Pass) {
        self.gone.insert(pass.id.clone());
    }

    pub(super) fn refused(&self, code: &str) -> Heard {
        self.see(Seen::Refusal {
            code: code.to_owned(),
        });
        Heard::Refused(code.to_owned())
    }

    /// A place, as an answer or an event, or a message of a socket: ticket, position, pass, each if
    /// it is there. While a line is being counted, what is told is a bound and no position, as the
    /// `reason` says.
    pub(super) fn place(&mut self, place: &Value, gateway: &str, way: Way) -> Heard {
        if let Some(ticket) = place["ticket"].as_str() {
            self.ticket(ticket);
        }

        if let Some(position) = place["position"]
            .as_u64()
            .filter(|_| place["reason"] != "counting")
        {
            self.position = Some(position);
            let gateway = if gateway.is_empty() {
                self.gateway.clone()
            } else {
                short(gateway)
            };
            self.see(Seen::Position {
                connection: self.connection,
                gateway,
                position,
                way,
            });
        }

        match place["queue_pass"].as_str() {
            Some(token) => self.pass(token),
            None => Heard::News,
        }
    }

    fn ticket(&mut self, ticket: &str) {
        if self.ticket.as_deref() == Some(ticket) {
            return;
        }

        self.ticket = Some(ticket.to_owned());
        let claims = tokens::ticket(ticket);

        if self.number.as_ref() != Some(&(claims.num, claims.epoch.clone())) {
            self.number = Some((claims.num, claims.epoch.clone()));
            self.see(Seen::Ticket {
                number: claims.num,
                epoch: claims.epoch,
            });
        }
    }

    fn pass(&mut self, token: &str) -> Heard {
        let claims = tokens::pass(token);
        let first = self.passes.insert(claims.jti.clone());

        self.see(Seen::Pass {
            pass_id: claims.jti.clone(),
            number: claims.num,
            epoch: claims.epoch,
            ends_at_ms: claims.end,
            first,
        });

        if self.gone.contains(&claims.jti) {
            return Heard::News;
        }

        Heard::Pass(Pass {
            id: claims.jti,
            token: token.to_owned(),
            ends_at_ms: claims.end,
        })
    }
}
