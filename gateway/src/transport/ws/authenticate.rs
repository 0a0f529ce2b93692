//! The first phase of a connection: the client authenticates in time, or is disconnected.

use std::{net::IpAddr, time::Duration};

use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use waitingroom_server::{
    auth::Identity,
    problem::{Code, Problem},
    protocol::{ClientMessage, CloseCode, ServerMessage},
};

use super::{Disconnect, Socket, feed, send};
use crate::state::Gateway;

/// Time until the first frame.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(5);

/// A client whose token was accepted.
pub(super) struct AuthenticatedClient {
    pub(super) identity: Identity,
    pub(super) address: IpAddr,
    /// Forwarded to booking with the user's requests.
    pub(super) token: Box<str>,
}

/// Reads the first frame and verifies its token.
pub(super) async fn authenticate(
    gateway: &Gateway,
    socket: &mut Socket,
    address: IpAddr,
) -> Result<Box<AuthenticatedClient>, Disconnect> {
    let first = match timeout(AUTHENTICATION_TIMEOUT, first_frame(socket)).await {
        Ok(frame) => frame?,
        Err(_) => return Err(Disconnect::Close(CloseCode::NoConnect)),
    };

    let token = match ClientMessage::parse(&first) {
        Ok(ClientMessage::Connect(connect)) => connect.token,
        Ok(_) => {
            let problem = Problem::invalid("type", "of the first frame must be \"connect\"");
            return reject(socket, &problem, CloseCode::BadMessage).await;
        }
        Err(problem) => return reject(socket, &problem, CloseCode::BadMessage).await,
    };

    match gateway.0.deps.authenticator.verify_token(&token) {
        Ok(identity) => {
            send_connected(
                gateway,
                socket,
                AuthenticatedClient {
                    identity,
                    address,
                    token: token.into_boxed_str(),
                },
            )
            .await
        }
        Err(problem) => reject(socket, &problem, CloseCode::BadToken).await,
    }
}

async fn first_frame(socket: &mut Socket) -> Result<String, Disconnect> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => {
                let problem = Problem::new(Code::Malformed, "frames must be text");
                return reject(socket, &problem, CloseCode::BadMessage).await;
            }
            Some(Ok(Message::Close(_))) => return Err(super::echo_close(socket).await),
            None => return Err(Disconnect::Gone),
            Some(Err(error)) => return Err(super::session::protocol_error(&error)),
        }
    }
}

/// Queues `connected`; it is written with the reply to the next frame, or at once if none has
/// arrived yet: see [`super::Session::run`].
async fn send_connected(
    gateway: &Gateway,
    socket: &mut Socket,
    client: AuthenticatedClient,
) -> Result<Box<AuthenticatedClient>, Disconnect> {
    let connected = ServerMessage::Connected {
        node: gateway.0.config.node.clone(),
        user_id: client.identity.user.clone(),
        heartbeat_ms: gateway.0.config.heartbeat.as_millis() as u64,
    };

    feed(socket, &connected).await?;
    Ok(Box::new(client))
}

async fn reject<T>(
    socket: &mut Socket,
    problem: &Problem,
    code: CloseCode,
) -> Result<T, Disconnect> {
    send(socket, &super::session::error_message(problem, None)).await?;
    Err(Disconnect::Close(code))
}
