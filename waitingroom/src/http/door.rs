//! Who is served: a place for each connection, a share for each address, and a few spare places for
//! those who look after the node when there is none left.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tower::{Service, ServiceExt};

use super::{
    address::{AddressPlace, Addresses, client_address, is_trusted},
    not_found,
    proxies::Watch,
    room::{Room, Seat},
    serve::{ServeLimits, Serves},
};
use crate::{
    lifecycle::Lifecycle,
    problem::{Code, Problem},
};

/// The room of this process's public listener.
static PUBLIC: OnceLock<Arc<Room>> = OnceLock::new();

/// How many connections this process's public listener serves, upgraded ones among them.
pub fn open_connections() -> u64 {
    PUBLIC.get().map_or(0, |room| room.open() as u64)
}

/// A connection's place among the listener's; kept in a request's extensions. What outlives its
/// request (a socket) keeps it for as long as it lives; the body of an answer holds it by itself.
#[derive(Debug, Clone)]
pub struct Place(Arc<Held>);

#[derive(Debug)]
enum Held {
    Connection(
        Seat,
        #[expect(dead_code, reason = "held for its end")] Option<AddressPlace>,
    ),
    Forwarded(
        Place,
        #[expect(dead_code, reason = "held for its end")] AddressPlace,
    ),
}

impl Place {
    fn seat(&self) -> &Seat {
        match &*self.0 {
            Held::Connection(seat, _) => seat,
            Held::Forwarded(place, _) => place.seat(),
        }
    }

    /// Are nine of ten places taken?
    pub(super) fn is_crowded(&self) -> bool {
        self.seat().is_crowded()
    }
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    Full,
    Descriptors,
    Address,
    /// Not even a spare place is free.
    NoSpare,
}

impl Refusal {
    fn counted(self) -> Self {
        let reason = match self {
            Self::Full => "full",
            Self::Descriptors => "descriptors",
            Self::Address => "address",
            Self::NoSpare => "no_spare",
        };
        metrics::counter!("stanchion_connections_refused_total", "reason" => reason).increment(1);
        self
    }

    fn answer(self) -> Response {
        let problem = match self {
            Self::Address => {
                Problem::new(Code::RateLimited, "too many connections from this address")
                    .retry_after(Duration::from_secs(5))
            }
            Self::Full | Self::Descriptors | Self::NoSpare => Problem::unavailable(
                "this node has no room for another connection",
                Duration::from_secs(2),
            ),
        };
        closing(problem.into_response())
    }
}

/// What a connection may do.
pub(super) enum Admitted {
    Whole(Place),
    /// It is refused in order, unless it asks for what operators ask for.
    Spare(Refusal, Seat),
}

impl Admitted {
    pub(super) fn seat(&self) -> &Seat {
        match self {
            Self::Whole(place) => place.seat(),
            Self::Spare(_, seat) => seat,
        }
    }
}

/// See the module's documentation.
pub(super) struct Door {
    pub(super) limits: ServeLimits,
    router: Router,
    lifecycle: Lifecycle,
    pub(super) places: Arc<Room>,
    pub(super) spare: Arc<Room>,
    addresses: Arc<Addresses>,
    proxies: Watch,
}

/// The connection has given way to another.
#[derive(Debug, thiserror::Error)]
#[error("the connection has given way to another")]
pub(super) struct GaveWay;

impl Door {
    pub(super) fn new(router: Router, limits: ServeLimits, lifecycle: Lifecycle) -> Self {
        let (places, spare) = (Room::new(limits.connections), Room::new(limits.spare));
        if limits.serves != Serves::Operators {
            PUBLIC.get_or_init(|| Arc::clone(&places)); // a process has one public listener
        }
        let addresses = Addresses::new(limits.connections_per_address);
        Self {
            limits,
            router,
            lifecycle,
            places,
            spare,
            addresses,
            proxies: Watch::default(),
        }
    }

    /// Nothing where even refusing would take too much.
    pub(super) fn admit(&self, peer: SocketAddr) -> Option<Admitted> {
        match self.enter(peer) {
            Ok(place) => Some(Admitted::Whole(place)),
            Err(refusal) => self.admit_spare(refusal),
        }
    }

    /// A spare place; of those who have one and say nothing, the first gives way.
    pub(super) fn admit_spare(&self, refusal: Refusal) -> Option<Admitted> {
        let Some(seat) = self.spare.enter() else {
            Refusal::NoSpare.counted();
            return None;
        };
        Some(Admitted::Spare(refusal.counted(), seat))
    }

    fn enter(&self, peer: SocketAddr) -> Result<Place, Refusal> {
        let forwards = is_trusted(peer.ip(), &self.limits.trusted_proxies);
        let address = if forwards {
            Ok(None)
        } else {
            self.addresses.enter(peer.ip())
        };
        let address = address.map_err(|_| Refusal::Address)?;
        let seat = self.places.enter().ok_or(Refusal::Full)?;
        Ok(Place(Arc::new(Held::Connection(seat, address))))
    }

    /// The place of one request; behind a trusted proxy it counts for the address that it forwards.
    fn place_of(
        &self,
        place: &Place,
        peer: SocketAddr,
        request: &hyper::Request<Incoming>,
    ) -> Result<Place, Refusal> {
        let trusted = &self.limits.trusted_proxies;
        let address = client_address(peer.ip(), request.headers(), trusted);
        if address == peer.ip() {
            return Ok(place.clone());
        }
        let forwarded = self
            .addresses
            .enter(address)
            .map_err(|_| Refusal::Address.counted())?;
        Ok(forwarded.map_or_else(
            || place.clone(),
            |share| Place(Arc::new(Held::Forwarded(place.clone(), share))),
        ))
    }

    /// Answers one request of a connection.
    pub(super) async fn serve(
        &self,
        peer: SocketAddr,
        admitted: Arc<Admitted>,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<Answer>, GaveWay> {
        if !admitted.seat().asks() {
            return Err(GaveWay);
        }
        let for_operators = is_for_operators(request.uri().path());
        let place = match &*admitted {
            Admitted::Spare(refusal, _) if !for_operators => Err(refusal.answer()),
            Admitted::Spare(..) => Ok(None),
            Admitted::Whole(place) => {
                if !for_operators
                    && let Some(advice) = self.proxies.notice(
                        peer.ip(),
                        request.headers(),
                        &self.limits.trusted_proxies,
                    )
                {
                    advice.say();
                }
                self.place_of(place, peer, &request)
                    .map(Some)
                    .map_err(Refusal::answer)
            }
        };
        let (response, place) = match place {
            Ok(place) => (self.route(peer, place.clone(), request).await, place),
            Err(refused) => (refused, None),
        };
        let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let response = if self.lifecycle.is_stopping() && !upgrades {
            closing(response)
        } else {
            response
        };
        let turn = (!upgrades).then_some(Turn(admitted)); // who is upgraded is never idle again
        Ok(response.map(|body| Answer {
            body,
            _turn: turn,
            _place: place,
        }))
    }

    async fn route(
        &self,
        peer: SocketAddr,
        place: Option<Place>,
        mut request: hyper::Request<Incoming>,
    ) -> Response {
        if !self.limits.serves.serves(request.uri().path()) {
            return not_found().await.into_response();
        }
        if let Some(place) = place {
            request.extensions_mut().insert(place);
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        let request: Request = request.map(Body::new);
        let mut router = self.router.clone();
        let Ok(router) = ServiceExt::<Request>::ready(&mut router).await;
        let Ok(response) = router.call(request).await;
        response
    }
}

/// The connection ends with this answer.
fn closing(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What is served even if there is no room: whoever looks after the node must not be locked out of
/// it.
pub(super) fn is_for_operators(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/metrics") || path.starts_with("/api/v1/admin/")
}

/// An answer's body. Until it is written or given up, its connection is busy and counts for its
/// address.
pub(super) struct Answer {
    body: Body,
    _turn: Option<Turn>,
    _place: Option<Place>,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that is being answered.
struct Turn(Arc<Admitted>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.seat().rests();
    }
}
