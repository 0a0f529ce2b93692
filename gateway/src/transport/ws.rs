//! The WebSocket of a client: one task for each connection, without a split or a channel; a mailbox
//! holds what is written next. Each phase of a connection is a type that the next one is made of:
//! [`Handshake`], [`authenticate::AuthenticatedClient`], [`Session`].

mod authenticate;
mod handshake;
mod message_rate_limit;
mod session;
mod socket;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use waitingroom_server::{
    openapi::problems::Malformed, problem::Problem, start_and_drain::Lifecycle,
};

#[cfg(any(test, feature = "measure"))]
pub(crate) use self::session::position_message;
pub(crate) use self::{authenticate::Authentication, handshake::Handshake};
use self::{
    handshake::PendingUpgrade,
    session::Session,
    socket::{ClientSocket, Disconnect},
};
use super::services::ConnectionServices;
use crate::client_addresses::ClientAddresses;

/// Serves the WebSockets of this node.
pub(crate) struct WebSocketService {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) addresses: Arc<ClientAddresses>,
    pub(crate) authentication: Authentication,
    pub(crate) connection: Arc<ConnectionServices>,
}

/// The listener's permit for the connection, held for as long as the connection lives.
type PermitExtension = Option<Extension<waitingroom_server::http::ConnectionPermit>>;

/// What a connection keeps of its request: the permit and the client's address.
type ConnectionContext = Box<(PermitExtension, IpAddr)>;

/// The WebSocket
#[utoipa::path(
    get,
    path = "/api/v1/ws",
    operation_id = "openSocket",
    tag = "queue",
    description = "The handshake carries no token: the first frame, `connect`, does.",
    params(
        ("Upgrade" = String, Header, pattern = "^websocket$", example = "websocket"),
        ("Connection" = String, Header, pattern = "^Upgrade$", example = "Upgrade"),
        ("Sec-WebSocket-Version" = String, Header, pattern = "^13$", example = "13"),
        (
            "Sec-WebSocket-Key" = String,
            Header,
            description = "16 random bytes in base64 (RFC 6455).",
            pattern = "^[A-Za-z0-9+/]{21}[AQgw]==$",
            example = "dGhlIHNhbXBsZSBub25jZQ=="
        ),
        (
            "Sec-WebSocket-Protocol" = Option<String>,
            Header,
            nullable = false,
            description = "A list. `stanchion.v1` is in the response if the list contains it, and spoken in any case.",
            example = "stanchion.v1"
        )
    ),
    responses(
        (status = 101, description = "Switched to the subprotocol `stanchion.v1`; see asyncapi.json."),
        Malformed
    ),
    security(())
)]
pub(crate) async fn upgrade(
    State(service): State<Arc<WebSocketService>>,
    permit: PermitExtension,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    handshake: Result<Handshake, Problem>,
) -> Response {
    let (response, upgrade) = match handshake {
        Ok(handshake) => handshake.respond(),
        Err(problem) => return problem.into_response(),
    };
    let address = service.addresses.request_address(peer, &headers);
    let context = Box::new((permit, address));

    let lifecycle = service.lifecycle.clone();
    tokio::spawn(lifecycle.track(serve_connection(service, context, upgrade)));
    response
}

/// A connection from upgrade to close. Rare steps run in a box: otherwise the task would reserve
/// room for the largest of them for as long as the connection waits.
async fn serve_connection(
    service: Arc<WebSocketService>,
    context: ConnectionContext,
    upgrade: PendingUpgrade,
) {
    let clock = service.connection.clock.clone();
    let Some(mut socket) = Box::pin(upgrade.open(clock)).await else {
        return;
    };

    run(&service, &mut socket, &context.1).await;
    drop(context); // the permit is held until here
}

async fn run(service: &WebSocketService, socket: &mut ClientSocket, address: &IpAddr) {
    metrics::gauge!(crate::metric_definitions::WEBSOCKET_CONNECTIONS).increment(1.0);
    let client = Box::pin(service.authentication.authenticate(socket, *address)).await;
    let disconnect = match client {
        Ok(client) => {
            let mut session = Session::new(&service.connection, client);
            // The session's end detaches the connection before it is closed: closing may take a
            // while.
            session.run().await
        }
        Err(disconnect) => disconnect,
    };

    metrics::gauge!(crate::metric_definitions::WEBSOCKET_CONNECTIONS).decrement(1.0);
    let reason = match disconnect {
        Disconnect::Gone => "gone",
        Disconnect::Close(code) => code.reason(),
    };
    metrics::counter!(crate::metric_definitions::WEBSOCKET_DISCONNECTS, "reason" => reason)
        .increment(1);

    if let Disconnect::Close(code) = disconnect {
        Box::pin(socket.close(code)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(
        _: fn(Arc<WebSocketService>, ConnectionContext, PendingUpgrade) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// The memory of each waiting connection: a step that is awaited outside of a box shows here.
    #[test]
    fn reserves_little_memory_while_waiting() {
        let size = size(serve_connection);
        assert!(size <= 640, "{size} bytes");
    }
}
