//! The line over a WebSocket, subprotocol `stanchion.v1`.

use std::{borrow::Cow, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{ClientRequestBuilder, Message, protocol::WebSocketConfig},
};

use super::{JoinReply, Open, Pass, Person, QueueEvent, millis};
use crate::{
    http::{BASE, Fault, dial},
    worker::Context,
};

/// The library's default of 128 KiB would be 1.3 GB for 10,000 users.
const READ_BUFFER_BYTES: usize = 1024;
/// Messages that are sent together are written together.
const WRITE_BUFFER_BYTES: usize = 1024;
/// Longest wait for each answer while entering.
const ENTER_DEADLINE: Duration = Duration::from_secs(20);
/// Longest wait for the server's half of a close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// Close code of a draining node.
const DRAIN: u16 = 4001;
/// Close code of RFC 6455 for a close without one.
const NO_STATUS: u16 = 1005;

/// See the module's documentation.
pub struct Socket {
    socket: Box<WebSocketStream<TcpStream>>,
    sent_away: bool,
    _open: Open,
}

/// Any message of the server: the fields that the user looks at.
#[derive(Debug, Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default)]
    position: u64,
    #[serde(default, borrow)]
    ticket: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pass_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    queue_pass: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    expires_at: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    booking_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    r#ref: Option<Cow<'a, str>>,
    #[serde(default)]
    after_ms: u64,
}

impl Socket {
    pub(super) async fn enter(
        context: &Arc<Context>,
        person: &Person,
        ticket: Option<&str>,
    ) -> Result<(Self, JoinReply), Fault> {
        // Boxed, so that the handshake's memory is not part of a waiting user's task.
        let entering = Box::pin(Self::connect(context, person, ticket));
        timeout(ENTER_DEADLINE, entering)
            .await
            .unwrap_or(Err(Fault::TooLate))
    }

    async fn connect(
        context: &Arc<Context>,
        person: &Person,
        ticket: Option<&str>,
    ) -> Result<(Self, JoinReply), Fault> {
        let gateway = context.gateway(person).endpoint();
        let stream = dial(gateway, person.number).await?;
        let uri = format!("ws://{}{BASE}/ws", gateway.authority);
        let uri = uri.parse().map_err(|_| Fault::Unexpected("a URL"))?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("stanchion.v1");
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        let mut socket = Self {
            socket: Box::new(socket),
            sent_away: false,
            _open: Open::new(context),
        };

        let connect = json!({"type": "connect", "token": person.token});
        let join = json!({"type": "join", "event_id": context.plan.sale.event, "ticket": ticket});

        socket.say_together(&[connect, join]).await?;
        let placed = socket.placed().await?;
        Ok((socket, placed))
    }

    async fn placed(&mut self) -> Result<JoinReply, Fault> {
        loop {
            let text = self.text().await?;
            let said = parse(&text)?;
            match &*said.r#type {
                "queued" => {
                    let ticket = said.ticket.map(Cow::into_owned);
                    return Ok(JoinReply {
                        ticket,
                        position: said.position,
                        pass: None,
                    });
                }
                "pass" => {
                    return Ok(JoinReply {
                        ticket: None,
                        position: 0,
                        pass: Some(said.pass()?),
                    });
                }
                "error" => {
                    return Err(Fault::code(
                        said.code.as_deref().unwrap_or("an error without a code"),
                    ));
                }
                _ => {}
            }
        }
    }

    pub(super) async fn next(&mut self) -> Result<QueueEvent, Fault> {
        let text = match self.text().await {
            Ok(text) => text,
            Err(_) if self.sent_away => return Ok(QueueEvent::Reconnect(Duration::ZERO)),
            Err(Fault::Closed(DRAIN)) => return Ok(QueueEvent::Reconnect(Duration::ZERO)),
            Err(fault) => return Err(fault),
        };
        let news = parse(&text)?.news()?;

        if matches!(news, QueueEvent::Reconnect(_)) {
            self.sent_away = true; // served as before until the node closes
            return Ok(QueueEvent::Nothing);
        }

        Ok(news)
    }

    /// The next text frame. Pings are answered by the library while it reads.
    async fn text(&mut self) -> Result<tokio_tungstenite::tungstenite::Utf8Bytes, Fault> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => {
                    return Err(Fault::Closed(
                        frame.map_or(NO_STATUS, |frame| frame.code.into()),
                    ));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Fault::Broken("end of stream".into())),
            }
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// A connection that ended.
    pub async fn say(&mut self, message: &Value) -> Result<(), Fault> {
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    /// Sends messages in one write, without waiting for responses in between.
    async fn say_together(&mut self, messages: &[Value]) -> Result<(), Fault> {
        for message in messages {
            self.socket.feed(Message::text(message.to_string())).await?;
        }
        Ok(self.socket.flush().await?)
    }

    pub(super) async fn leave(&mut self, context: &Context) -> Result<(), Fault> {
        let event = context.plan.sale.event.to_string();
        self.say(&json!({"type": "leave", "event_id": event}))
            .await?;

        let answered = async {
            loop {
                match self.next().await? {
                    QueueEvent::Left => return Ok(()),
                    QueueEvent::Refused { code, about } if about.as_ref() == Some(&event) => {
                        return Err(Fault::code(&code));
                    }
                    _ => {}
                }
            }
        };
        timeout(ENTER_DEADLINE, answered)
            .await
            .unwrap_or(Err(Fault::TooLate))
    }

    pub(super) async fn close(mut self) {
        let farewell = async {
            let _ = self.socket.close().await; // whoever is gone already needs no farewell
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = timeout(CLOSE_DEADLINE, farewell).await;
    }
}

fn parse(text: &str) -> Result<Said<'_>, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::Unexpected("a frame of another form"))
}

impl Said<'_> {
    fn pass(self) -> Result<Pass, Fault> {
        let (Some(id), Some(token), Some(end)) = (self.pass_id, self.queue_pass, self.expires_at)
        else {
            return Err(Fault::Unexpected("a pass without its fields"));
        };

        Ok(Pass {
            id: id.into_owned(),
            token: token.into_owned(),
            expires_at_ms: millis(&end)?,
        })
    }

    fn news(self) -> Result<QueueEvent, Fault> {
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        Ok(match &*self.r#type {
            "position" | "queued" => QueueEvent::Moved(self.position),
            "pass" => QueueEvent::Pass(self.pass()?),
            "left" => QueueEvent::Left,
            "reconnect" => QueueEvent::Reconnect(Duration::from_millis(self.after_ms)),
            "reserved" => QueueEvent::Reserved {
                key: owned(self.r#ref).unwrap_or_default(),
                booking: owned(self.booking_id)
                    .ok_or(Fault::Unexpected("a booking without its id"))?,
            },
            "error" => QueueEvent::Refused {
                code: owned(self.code).unwrap_or_default(),
                about: owned(self.r#ref),
            },
            _ => QueueEvent::Nothing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> Result<QueueEvent, Fault> {
        let path = format!("{}/../wire/server.{name}.json", env!("CARGO_MANIFEST_DIR"));
        parse(&std::fs::read_to_string(path).unwrap()).and_then(Said::news)
    }

    #[test]
    fn the_samples_of_the_protocol_are_understood() {
        assert_eq!(sample("position"), Ok(QueueEvent::Moved(1187)));
        assert_eq!(sample("left"), Ok(QueueEvent::Left));
        assert_eq!(sample("heartbeat"), Ok(QueueEvent::Nothing));
        assert!(matches!(sample("reconnect"), Ok(QueueEvent::Reconnect(_))));
        assert!(
            matches!(sample("pass"), Ok(QueueEvent::Pass(pass)) if pass.expires_at_ms == 1_780_337_100_000)
        );
        assert!(
            matches!(sample("reserved"), Ok(QueueEvent::Reserved { key, .. }) if key.len() == 32)
        );
        assert!(
            matches!(sample("error.with-ref"), Ok(QueueEvent::Refused { code, .. }) if code == "QUEUE_CLOSED")
        );
    }

    #[test]
    fn what_later_versions_say_is_passed_over() {
        let news = |text| parse(text).and_then(Said::news);
        assert_eq!(
            news(r#"{"type":"confetti","colour":"red"}"#),
            Ok(QueueEvent::Nothing)
        );
        assert!(news("not json").is_err());
    }
}
