//! The second phase of a connection: the client authenticates in time, or is disconnected.

use std::{net::IpAddr, time::Duration};

use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use waitingroom_domain::ids::NodeId;
use waitingroom_server::{
    auth::{Authenticator, Identity},
    problem::{Code, Problem},
    protocol::{ClientMessage, CloseCode, ServerMessage},
};

use super::socket::{ClientSocket, Disconnect, Frame};

/// Time until the first frame.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Authenticates clients.
pub(crate) struct Authentication {
    pub(crate) authenticator: Authenticator,
    /// This node, as the client is told.
    pub(crate) node: NodeId,
    /// Time between two heartbeats.
    pub(crate) heartbeat: Duration,
}

/// A client whose token was accepted.
pub(super) struct AuthenticatedClient<'s> {
    pub(super) socket: &'s mut ClientSocket,
    pub(super) user: Box<SocketUser>,
}

/// The user of a connection.
pub(super) struct SocketUser {
    pub(super) identity: Identity,
    pub(super) address: IpAddr,
    /// Forwarded to booking with the user's requests.
    pub(super) token: Box<str>,
}

impl Authentication {
    /// Reads the first frame and verifies its token. Queues `connected`; it is written with the
    /// reply to the next frame, or at once if none has arrived yet: see
    /// [`super::session::Session::run`].
    pub(super) async fn authenticate<'s>(
        &self,
        socket: &'s mut ClientSocket,
        address: IpAddr,
    ) -> Result<AuthenticatedClient<'s>, Disconnect> {
        let first = match timeout(AUTHENTICATION_TIMEOUT, first_text(socket)).await {
            Ok(text) => text?,
            Err(_) => return Err(Disconnect::Close(CloseCode::NoConnect)),
        };

        let token = match ClientMessage::parse(&first) {
            Ok(ClientMessage::Connect(connect)) => connect.token,
            Ok(_) => {
                let problem = Problem::invalid("type", "of the first frame must be \"connect\"");
                return Err(reject(socket, &problem, CloseCode::BadMessage).await);
            }
            Err(problem) => return Err(reject(socket, &problem, CloseCode::BadMessage).await),
        };
        let identity = match self.authenticator.verify_token(&token) {
            Ok(identity) => identity,
            Err(problem) => return Err(reject(socket, &problem, CloseCode::BadToken).await),
        };

        let connected = ServerMessage::Connected {
            node: self.node.clone(),
            user_id: identity.user.clone(),
            heartbeat_ms: self.heartbeat.as_millis() as u64,
        };
        socket.feed(&connected).await?;
        Ok(AuthenticatedClient {
            socket,
            user: Box::new(SocketUser {
                identity,
                address,
                token: token.into_boxed_str(),
            }),
        })
    }
}

async fn first_text(socket: &mut ClientSocket) -> Result<Utf8Bytes, Disconnect> {
    loop {
        match socket.next_frame().await? {
            Frame::Text(text) => return Ok(text),
            Frame::Control => {}
            Frame::Binary => {
                let problem = Problem::new(Code::Malformed, "frames must be text");
                return Err(reject(socket, &problem, CloseCode::BadMessage).await);
            }
            Frame::Close => return Err(socket.echo_close().await),
        }
    }
}

/// Sends the problem; how the connection ends then.
async fn reject(socket: &mut ClientSocket, problem: &Problem, code: CloseCode) -> Disconnect {
    match socket.send_problem(problem, None).await {
        Ok(()) => Disconnect::Close(code),
        Err(disconnect) => disconnect,
    }
}
