//! A user on a WebSocket, and how one reserves over it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use rand::Rng;
use serde_json::{Value, json};
use stanchion_audit::{Answer, Way};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{Bought, Heard, Pass, SILENCE, Sight, Turn, User};
use crate::sale::Sale;

const SUBPROTOCOL: &str = "stanchion.v1";
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(8);
/// Longest wait for a frame to be taken.
const SAY: Duration = Duration::from_secs(5);
/// Longest wait for the answer to a reservation.
const RESERVED: Duration = Duration::from_secs(8);

/// A connection to a gateway.
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(gateway: &str) -> Result<Self> {
        let address = gateway.trim_start_matches("http://");
        let mut request = format!("ws://{address}/api/v1/ws").into_client_request()?;

        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );

        let (socket, _) = timeout(CONNECT, async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, anyhow::Error>(client_async(request, stream).await?)
        })
        .await
        .context("no connection in time")??;
        Ok(Self(socket))
    }

    pub(super) async fn say(&mut self, message: &Value) -> Result<()> {
        timeout(SAY, self.0.send(Message::text(message.to_string())))
            .await
            .context("a frame was not taken")??;
        Ok(())
    }

    /// The next message; an error is the end.
    async fn hear(&mut self) -> Result<Value> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(text.as_str())?),
                Some(Ok(Message::Close(frame))) => {
                    bail!("closed {}", frame.map_or(1005, |frame| frame.code.into()))
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => bail!("{error}"),
                None => bail!("ended"),
            }
        }
    }

    async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.0.close(None)).await; // it may have ended
    }
}

impl Sight {
    /// What a message of a socket says.
    pub(super) fn hear(&mut self, message: &Value) -> Heard {
        match message["type"].as_str().unwrap_or_default() {
            "queued" | "position" | "pass" => self.place(message, "", Way::Socket),
            "error" => self.refused(message["code"].as_str().unwrap_or("NO_CODE")),
            "left" => {
                self.left();
                Heard::News
            }
            _ => Heard::News,
        }
    }
}

impl User {
    pub(super) async fn on_socket(&mut self, gateway: &str) -> Result<Turn> {
        let mut socket = Socket::open(gateway).await?;
        socket
            .say(&json!({"type": "connect", "token": self.token}))
            .await?;

        let in_seconds = |seconds: f64| Instant::now() + Duration::from_secs_f64(seconds);
        let mut goes_at = self.habits.goes_away_after.map(in_seconds);
        let mut leaves_at = self.habits.leaves_after.map(in_seconds);

        loop {
            let until = [goes_at, leaves_at]
                .into_iter()
                .flatten()
                .chain([Instant::now() + SILENCE])
                .min();
            let heard =
                tokio::time::timeout_at(until.unwrap_or_else(Instant::now), socket.hear()).await;
            let Ok(message) = heard else {
                let now = Instant::now();
                if leaves_at.is_some_and(|at| at <= now) {
                    (leaves_at, self.habits.leaves_after) = (None, None);
                    self.sight.leaves();
                    socket
                        .say(&json!({"type": "leave", "event_id": self.sale.event}))
                        .await?;
                } else if goes_at.is_some_and(|at| at <= now) {
                    self.habits.goes_away_after = None;
                    self.sight.detached("goes away");
                    socket.close().await;
                    self.pause(0.5, 5.0).await;
                    return Ok(Turn::Again("was away".to_owned()));
                } else {
                    return Ok(Turn::Again("silent".to_owned()));
                }
                continue;
            };
            let message = message?;
            match message["type"].as_str().unwrap_or_default() {
                "connected" => self.join_on(&mut socket).await?,
                "left" => {
                    self.sight.hear(&message);
                    self.pause(0.3, 1.5).await;
                    self.join_on(&mut socket).await?;
                }
                _ => match self.sight.hear(&message) {
                    Heard::News => {}
                    Heard::Pass(pass) => {
                        (goes_at, leaves_at) = (None, None);
                        if let Some(outcome) = self.buy_on(&mut socket, pass).await? {
                            socket.close().await;
                            return Ok(Turn::Done(outcome));
                        }
                        self.join_on(&mut socket).await?;
                    }
                    Heard::Refused(code) => self.after_refusal(&mut socket, &code).await?,
                },
            }
        }
    }

    async fn after_refusal(&mut self, socket: &mut Socket, code: &str) -> Result<()> {
        match code {
            "UNAVAILABLE" | "QUEUE_FULL" | "RATE_LIMITED" => {
                sleep(Duration::from_secs_f64(self.random.random_range(0.5..1.5))).await;
                self.join_on(socket).await
            }
            "PASS_REVOKED" => self.join_on(socket).await,
            "PASS_EXPIRED" | "NOT_IN_QUEUE" | "EVENT_NOT_FOUND" => {
                sleep(Duration::from_millis(300)).await;
                self.join_on(socket).await
            }
            _ => Ok(()),
        }
    }

    async fn join_on(&mut self, socket: &mut Socket) -> Result<()> {
        let mut join = self.sight.join(self.sale.event);
        join["type"] = "join".into();
        socket.say(&join).await
    }

    /// Buys while the socket goes on; the outcome, or nothing if the place is to be taken up again.
    /// A newer pass is used next.
    async fn buy_on(
        &mut self,
        socket: &mut Socket,
        pass: Pass,
    ) -> Result<Option<stanchion_audit::Outcome>> {
        let mut pass = pass;
        loop {
            let mut newer = None;
            let acknowledged = socket
                .say(&json!({"type": "ack", "pass_id": pass.id}))
                .await;
            let bought = if self.habits.by_socket && acknowledged.is_ok() {
                let mut till = Till {
                    socket,
                    sight: &mut self.sight,
                    newer: &mut newer,
                };
                self.buyer.buy(&pass, Some(&mut till)).await
            } else {
                let following = follow(&mut self.sight, socket, &pass.id, &mut newer);
                tokio::select! {
                    bought = self.buyer.buy(&pass, None) => bought,
                    never = following => match never {},
                }
            };
            self.sight.pass_is_gone(&pass);
            match (bought, newer) {
                (Bought::Final(outcome), _) => return Ok(Some(outcome)),
                (Bought::PassIsGone, Some(next)) => pass = next,
                (Bought::PassIsGone, None) => return Ok(None),
            }
        }
    }
}

/// Goes on hearing the line, also after its end, while the user buys by REST.
async fn follow(
    sight: &mut Sight,
    socket: &mut Socket,
    pass_id: &str,
    newer: &mut Option<Pass>,
) -> std::convert::Infallible {
    while let Ok(message) = socket.hear().await {
        if let Heard::Pass(pass) = sight.hear(&message)
            && pass.id != pass_id
        {
            *newer = Some(pass);
        }
    }

    sight.detached("lost while buying");
    std::future::pending().await
}

/// A socket to reserve over.
pub(super) struct Till<'u> {
    socket: &'u mut Socket,
    sight: &'u mut Sight,
    newer: &'u mut Option<Pass>,
}

impl Till<'_> {
    /// Reserves; an error if the socket is over, or silent.
    pub(super) async fn reserve(
        &mut self,
        sale: &Sale,
        zone: uuid::Uuid,
        quantity: i64,
        key: &str,
    ) -> Result<Answer> {
        let wish = json!({
            "type": "reserve", "idempotency_key": key, "event_id": sale.event, "show_id": sale.show, "zone_id": zone,
            "quantity": quantity,
        });
        self.socket.say(&wish).await?;

        let answered = async {
            loop {
                let message = self.socket.hear().await?;
                let is_ours = message["ref"].as_str() == Some(key);
                match message["type"].as_str().unwrap_or_default() {
                    "reserved" if is_ours => {
                        let booking = message["booking_id"]
                            .as_str()
                            .and_then(|id| id.parse().ok());
                        return Ok(Answer {
                            status: 201,
                            code: None,
                            booking,
                        });
                    }
                    "error" if is_ours => {
                        let code = message["code"].as_str().unwrap_or("NO_CODE").to_owned();
                        let status = if code == "UNAVAILABLE" { 503 } else { 409 };
                        return Ok(Answer {
                            status,
                            code: Some(code),
                            booking: None,
                        });
                    }
                    _ => {
                        if let Heard::Pass(pass) = self.sight.hear(&message) {
                            *self.newer = Some(pass);
                        }
                    }
                }
            }
        };
        timeout(RESERVED, answered)
            .await
            .context("no answer in time")?
    }
}
