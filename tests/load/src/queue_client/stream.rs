//! The line as server-sent events: joined by REST, followed on a connection of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Method, body::Incoming};
use tokio::time::timeout;

use super::{JoinReply, Open, Person, PlaceBody, QueueEvent, join};
use crate::{
    http::{Connection, Fault, call},
    worker::Context,
};

/// Longest wait for the stream's head and first event.
const ENTER_DEADLINE: Duration = Duration::from_secs(20);

/// See the module's documentation.
pub struct Stream {
    body: Incoming,
    _connection: Connection,
    events: Events,
    restarts: bool,
    _open: Open,
}

impl Stream {
    pub(super) async fn enter(
        context: &Arc<Context>,
        person: &Person,
        ticket: Option<&str>,
    ) -> Result<(Self, JoinReply), Fault> {
        let joined = join(context, person, ticket).await?;
        let opening = Box::pin(Self::open(context, person));
        let (stream, mut placed) = timeout(ENTER_DEADLINE, opening)
            .await
            .unwrap_or(Err(Fault::TooLate))?;

        placed.ticket = Some(joined.ticket);
        Ok((stream, placed))
    }

    async fn open(context: &Arc<Context>, person: &Person) -> Result<(Self, JoinReply), Fault> {
        let mut connection =
            Connection::open(context.gateway(person).endpoint(), person.number).await?;
        let path = format!("/queue/position/{}/stream", context.plan.sale.event);
        let answer = connection
            .send(call(Method::GET, &path, &person.token, None))
            .await;
        let (head, body) = answer.map_err(|unsent| unsent.fault)?.into_parts();

        if !head.status.is_success() {
            let body = body.collect().await?.to_bytes();
            return Err(Fault::refused(head.status.as_u16(), &body));
        }

        let events = Events::default();
        let restarts = context.plan.restarts();
        let mut stream = Self {
            body,
            _connection: connection,
            events,
            restarts,
            _open: Open::new(context),
        };

        let first = stream
            .event()
            .await?
            .ok_or_else(|| Fault::Broken("end of stream".into()))?;
        let placed = place(&first)?.placed()?;
        Ok((stream, placed))
    }

    pub(super) async fn next(&mut self) -> Result<QueueEvent, Fault> {
        match self.event().await? {
            Some(event) if event.kind == "position" => place(&event)?.news(),
            Some(event) if event.kind == "error" => {
                let problem: serde_json::Value =
                    serde_json::from_str(&event.data).unwrap_or_default();
                Ok(QueueEvent::Refused {
                    code: problem["code"].as_str().unwrap_or_default().to_owned(),
                    about: None,
                })
            }
            Some(_) => Ok(QueueEvent::Nothing),
            // A draining node has no other words on a stream than its orderly end.
            None if self.restarts => Ok(QueueEvent::Reconnect(Duration::ZERO)),
            None => Err(Fault::Broken("end of stream".into())),
        }
    }

    async fn event(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some(event) = self.events.take() {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                Some(frame) => self
                    .events
                    .push(&frame?.into_data().unwrap_or_else(|_| Bytes::new())),
                None => return Ok(None),
            }
        }
    }
}

fn place(event: &Event) -> Result<PlaceBody, Fault> {
    serde_json::from_str(&event.data).map_err(|_| Fault::Unexpected("an event of another form"))
}

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    data: String,
}

/// Decodes events from bytes; buffers incomplete ones.
#[derive(Debug, Default)]
struct Events(Vec<u8>);

impl Events {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn take(&mut self) -> Option<Event> {
        loop {
            let end = self.0.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.0.drain(..end + 2).collect();
            if self.0.is_empty() {
                self.0 = Vec::new(); // a waiting user keeps no buffer
            }
            let event = parse(&String::from_utf8_lossy(&block));
            if event != Event::default() {
                return Some(event);
            }
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(':') {
            Some(("event", kind)) => event.kind = kind.trim_start().to_owned(),
            Some(("data", data)) => event.data.push_str(data.strip_prefix(' ').unwrap_or(data)),
            _ => {}
        }
    }

    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let text = b": heartbeat\n\nevent: position\ndata: {\"a\":1}\n\nevent: state\ndata: {}\n\n";
        for cut in 0..text.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for part in [&text[..cut], &text[cut..]] {
                events.push(part);
                found.extend(std::iter::from_fn(|| events.take()));
            }
            let kinds: Vec<&str> = found.iter().map(|event| event.kind.as_str()).collect();
            assert_eq!(kinds, ["position", "state"], "cut at {cut}");
            assert_eq!(found[0].data, r#"{"a":1}"#);
        }
    }
}
