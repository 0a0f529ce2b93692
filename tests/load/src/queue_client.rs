//! A user's connection to the line, whichever way it is followed.

mod polling;
mod socket;
mod stream;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use self::{polling::Polling, socket::Socket, stream::Stream};
use crate::{
    cli::Transport,
    http::{Fault, call},
    tally::{count, uncount},
    worker::Context,
};

/// A user, as the server knows them.
#[derive(Debug)]
pub struct Person {
    /// Which of the run's users.
    pub number: usize,
    /// How often they went to another gateway.
    pub moves: usize,
    /// Their token.
    pub token: String,
}

/// A pass that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Its id.
    pub id: String,
    /// The token for booking.
    pub token: String,
    /// Its end, in milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
}

/// The response to a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinReply {
    /// Restores the place; absent together with a pass.
    pub ticket: Option<String>,
    /// 1 for the next.
    pub position: u64,
    /// The pass, if it was there already.
    pub pass: Option<Pass>,
}

/// A later message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueEvent {
    /// The new position.
    Moved(u64),
    /// It is the user's turn.
    Pass(Pass),
    /// The node drains: come back after this time.
    Reconnect(Duration),
    /// The user gave the place up.
    Left,
    /// A booking, by the idempotency key it was asked for with.
    Reserved {
        /// The key.
        key: String,
        /// The booking.
        booking: String,
    },
    /// A refusal, and what it is about.
    Refused {
        /// The problem's code.
        code: String,
        /// The event's id, or the idempotency key.
        about: Option<String>,
    },
    /// Nothing that changes anything for the user.
    Nothing,
}

/// A place in the format of REST and streams.
#[derive(Debug, Deserialize)]
struct PlaceBody {
    position: u64,
    ticket: String,
    #[serde(default)]
    is_ready: bool,
    #[serde(default)]
    pass_id: Option<String>,
    #[serde(default)]
    queue_pass: Option<String>,
    #[serde(default)]
    queue_pass_expires_at: Option<String>,
}

impl PlaceBody {
    fn pass(&mut self) -> Result<Option<Pass>, Fault> {
        if !self.is_ready {
            return Ok(None);
        }

        let taken = (
            self.pass_id.take(),
            self.queue_pass.take(),
            self.queue_pass_expires_at.take(),
        );
        let (Some(id), Some(token), Some(end)) = taken else {
            return Err(Fault::Unexpected("a turn without a pass"));
        };

        Ok(Some(Pass {
            id,
            token,
            expires_at_ms: millis(&end)?,
        }))
    }

    fn placed(mut self) -> Result<JoinReply, Fault> {
        let pass = self.pass()?;
        Ok(JoinReply {
            ticket: Some(self.ticket),
            position: self.position,
            pass,
        })
    }

    fn news(mut self) -> Result<QueueEvent, Fault> {
        Ok(self
            .pass()?
            .map_or(QueueEvent::Moved(self.position), QueueEvent::Pass))
    }
}

impl Pass {
    /// How long ago the server released it; nothing if the clock was set back.
    pub fn age(&self, life: Duration) -> Duration {
        let released_ms = self.expires_at_ms - i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        let released =
            UNIX_EPOCH + Duration::from_millis(u64::try_from(released_ms).unwrap_or_default());
        SystemTime::now()
            .duration_since(released)
            .unwrap_or_default()
    }
}

fn millis(rfc3339: &str) -> Result<i64, Fault> {
    let moment =
        OffsetDateTime::parse(rfc3339, &Rfc3339).map_err(|_| Fault::Unexpected("not a time"))?;
    Ok(i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}

/// Counts a connection for as long as it is open.
pub struct Open(Arc<Context>);

impl Open {
    fn new(context: &Arc<Context>) -> Self {
        count(&context.tally.counters.connected);
        Self(Arc::clone(context))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        uncount(&self.0.tally.counters.connected);
    }
}

/// See the module's documentation.
pub enum QueueClient {
    /// WebSocket.
    Socket(Socket),
    /// Server-sent events.
    Stream(Stream),
    /// Polling.
    Polling(Polling),
}

impl QueueClient {
    /// Takes a place, or with a ticket the place from before.
    ///
    /// # Errors
    /// No connection, no answer, a refusal.
    pub async fn enter(
        context: &Arc<Context>,
        person: &Person,
        ticket: Option<&str>,
    ) -> Result<(Self, JoinReply), Fault> {
        Ok(match context.plan.transport_of(person.number) {
            Transport::Sse => {
                let (stream, placed) = Stream::enter(context, person, ticket).await?;
                (Self::Stream(stream), placed)
            }
            Transport::Poll => {
                let (polling, placed) = Polling::enter(context, person, ticket).await?;
                (Self::Polling(polling), placed)
            }
            _ => {
                let (socket, placed) = Socket::enter(context, person, ticket).await?;
                (Self::Socket(socket), placed)
            }
        })
    }

    /// The next message to the user. Cancel-safe.
    ///
    /// # Errors
    /// A connection that ended.
    pub async fn next(&mut self, context: &Context, person: &Person) -> Result<QueueEvent, Fault> {
        match self {
            Self::Socket(socket) => socket.next().await,
            Self::Stream(stream) => stream.next().await,
            Self::Polling(polling) => polling.next(context, person).await,
        }
    }

    /// Acknowledges the pass, if the transport has a message for it.
    ///
    /// # Errors
    /// A connection that ended.
    pub async fn acknowledge(&mut self, pass: &Pass) -> Result<(), Fault> {
        match self {
            Self::Socket(socket) => {
                socket
                    .say(&json!({"type": "ack", "pass_id": pass.id}))
                    .await
            }
            _ => Ok(()),
        }
    }

    /// Gives the place up and waits for the answer.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn leave(&mut self, context: &Context, person: &Person) -> Result<(), Fault> {
        match self {
            Self::Socket(socket) => socket.leave(context).await,
            _ => {
                let path = format!("/queue/leave?event_id={}", context.plan.sale.event);
                context
                    .gateway(person)
                    .call(call(Method::DELETE, &path, &person.token, None))
                    .await
                    .map(drop)
            }
        }
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        if let Self::Socket(socket) = self {
            socket.close().await;
        }
    }
}

/// Takes a place by REST.
async fn join(
    context: &Context,
    person: &Person,
    ticket: Option<&str>,
) -> Result<PlaceBody, Fault> {
    let body = json!({"event_id": context.plan.sale.event, "ticket": ticket});
    context
        .gateway(person)
        .call(call(
            Method::POST,
            "/queue/join",
            &person.token,
            Some(&body),
        ))
        .await?
        .json()
}

/// Takes a place by REST; the pass, if there is one.
///
/// # Errors
/// No answer, or a refusal.
pub async fn join_for_pass(context: &Context, person: &Person) -> Result<Option<Pass>, Fault> {
    join(context, person, None).await?.pass()
}

/// Asks once where the user is; the pass, where it is there.
///
/// # Errors
/// No answer, or a refusal.
pub async fn ask_for_pass(context: &Context, person: &Person) -> Result<Option<Pass>, Fault> {
    ask(context, person).await?.pass()
}

/// Polls the position once.
async fn ask(context: &Context, person: &Person) -> Result<PlaceBody, Fault> {
    let path = format!("/queue/position/{}", context.plan.sale.event);
    context
        .gateway(person)
        .call(call(Method::GET, &path, &person.token, None))
        .await?
        .json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_comes_with_a_pass() {
        let body = r#"{"event_id":"e","position":0,"ticket":"t","is_ready":true,"pass_id":"p","queue_pass":"jwt",
            "queue_pass_expires_at":"1970-01-01T00:00:01.5Z"}"#;
        let place: PlaceBody = serde_json::from_str(body).unwrap();
        let pass = Pass {
            id: "p".into(),
            token: "jwt".into(),
            expires_at_ms: 1_500,
        };

        assert_eq!(place.news(), Ok(QueueEvent::Pass(pass)));
        let broken: PlaceBody =
            serde_json::from_str(r#"{"position":0,"ticket":"t","is_ready":true}"#).unwrap();

        assert!(broken.news().is_err());
    }

    #[test]
    fn a_pass_is_as_old_as_its_end_says() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let end = now + Duration::from_secs(300) - Duration::from_millis(250);
        let pass = Pass {
            id: String::new(),
            token: String::new(),
            expires_at_ms: end.as_millis() as i64,
        };

        let age = pass.age(Duration::from_secs(300));
        assert!((250..=1_000).contains(&age.as_millis()), "{age:?}");
    }
}
