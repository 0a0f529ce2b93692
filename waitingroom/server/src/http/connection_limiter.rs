//! Admission of connections: a slot for each, a limit for each address, and a few overflow slots
//! for rejections and operators when none is free.

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
    client_address::{AddressLimiter, AddressPermit, client_address, is_trusted},
    connection_slots::{ConnectionSlot, ConnectionSlots},
    not_found,
    problem_page::Navigation,
    proxy_monitor::ProxyMonitor,
    serve_limits::{ServeLimits, Serves, is_ops_path},
};
use crate::{
    problem::{Code, Problem},
    start_and_drain::Lifecycle,
};

/// The slots of this process's public listener.
static PUBLIC_SLOTS: OnceLock<Arc<ConnectionSlots>> = OnceLock::new();

/// How many connections this process's public listener serves, upgraded ones among them.
pub fn open_connections() -> u64 {
    PUBLIC_SLOTS.get().map_or(0, |slots| slots.open() as u64)
}

/// A connection's permit; kept in a request's extensions. A socket outlives its
/// request and keeps the permit as long; the body of a response holds it by itself.
#[derive(Debug, Clone)]
pub struct ConnectionPermit(Arc<PermitInner>);

#[derive(Debug)]
enum PermitInner {
    Connection(
        ConnectionSlot,
        #[expect(dead_code, reason = "held for its end")] Option<AddressPermit>,
    ),
    Forwarded(
        ConnectionPermit,
        #[expect(dead_code, reason = "held for its end")] AddressPermit,
    ),
}

impl ConnectionPermit {
    fn slot(&self) -> &ConnectionSlot {
        match &*self.0 {
            PermitInner::Connection(slot, _) => slot,
            PermitInner::Forwarded(place, _) => place.slot(),
        }
    }

    /// Are nine of ten places taken?
    pub(super) fn is_crowded(&self) -> bool {
        self.slot().is_crowded()
    }
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rejected {
    Full,
    Descriptors,
    Address,
    /// No overflow slot is free either.
    NoOverflowSlot,
}

impl Rejected {
    fn count(self) -> Self {
        let reason = match self {
            Self::Full => "full",
            Self::Descriptors => "descriptors",
            Self::Address => "address",
            Self::NoOverflowSlot => "no_spare",
        };
        metrics::counter!(crate::metric_definitions::CONNECTIONS_REJECTED, "reason" => reason)
            .increment(1);
        self
    }

    fn response(self) -> Response {
        let problem = match self {
            Self::Address => {
                Problem::new(Code::RateLimited, "too many connections from this address")
                    .retry_after(Duration::from_secs(5))
            }
            Self::Full | Self::Descriptors | Self::NoOverflowSlot => Problem::unavailable(
                "this node has no capacity for another connection",
                Duration::from_secs(2),
            ),
        };
        closing(problem.into_response())
    }
}

/// What a connection may do.
pub(super) enum Admitted {
    Full(ConnectionPermit),
    /// It is rejected with a response, unless it asks for an operators' path.
    Overflow(Rejected, ConnectionSlot),
}

impl Admitted {
    pub(super) fn slot(&self) -> &ConnectionSlot {
        match self {
            Self::Full(place) => place.slot(),
            Self::Overflow(_, slot) => slot,
        }
    }
}

/// See the module's documentation.
pub(super) struct ConnectionLimiter {
    pub(super) limits: ServeLimits,
    router: Router,
    lifecycle: Lifecycle,
    pub(super) slots: Arc<ConnectionSlots>,
    pub(super) overflow: Arc<ConnectionSlots>,
    addresses: Arc<AddressLimiter>,
    proxies: ProxyMonitor,
}

/// The connection was evicted for another.
#[derive(Debug, thiserror::Error)]
#[error("the connection was evicted for another")]
pub(super) struct Evicted;

impl ConnectionLimiter {
    pub(super) fn new(router: Router, limits: ServeLimits, lifecycle: Lifecycle) -> Self {
        let (slots, overflow) = (
            ConnectionSlots::new(limits.connections),
            ConnectionSlots::new(limits.spare),
        );

        if limits.serves != Serves::Operators {
            PUBLIC_SLOTS.get_or_init(|| Arc::clone(&slots)); // a process has one public listener
        }

        let addresses = AddressLimiter::new(limits.connections_per_address);
        Self {
            limits,
            router,
            lifecycle,
            slots,
            overflow,
            addresses,
            proxies: ProxyMonitor::default(),
        }
    }

    /// `None` if there is no slot even for a rejection.
    pub(super) fn admit(&self, peer: SocketAddr) -> Option<Admitted> {
        match self.acquire(peer) {
            Ok(place) => Some(Admitted::Full(place)),
            Err(rejected) => self.admit_overflow(rejected),
        }
    }

    /// Takes an overflow slot; of idle connections that have one, the first is evicted.
    pub(super) fn admit_overflow(&self, rejected: Rejected) -> Option<Admitted> {
        let Some(slot) = self.overflow.acquire() else {
            Rejected::NoOverflowSlot.count();
            return None;
        };
        Some(Admitted::Overflow(rejected.count(), slot))
    }

    fn acquire(&self, peer: SocketAddr) -> Result<ConnectionPermit, Rejected> {
        let forwards = is_trusted(peer.ip(), &self.limits.trusted_proxies);
        let address = if forwards {
            Ok(None)
        } else {
            self.addresses.acquire(peer.ip())
        };

        let address = address.map_err(|_| Rejected::Address)?;
        let slot = self.slots.acquire().ok_or(Rejected::Full)?;

        Ok(ConnectionPermit(Arc::new(PermitInner::Connection(
            slot, address,
        ))))
    }

    /// The permit of one request; behind a trusted proxy it counts for the forwarded address.
    fn permit_for(
        &self,
        place: &ConnectionPermit,
        peer: SocketAddr,
        request: &hyper::Request<Incoming>,
    ) -> Result<ConnectionPermit, Rejected> {
        let trusted = &self.limits.trusted_proxies;
        let address = client_address(peer.ip(), request.headers(), trusted);

        if address == peer.ip() {
            return Ok(place.clone());
        }

        let forwarded = self
            .addresses
            .acquire(address)
            .map_err(|_| Rejected::Address.count())?;
        Ok(forwarded.map_or_else(
            || place.clone(),
            |permit| ConnectionPermit(Arc::new(PermitInner::Forwarded(place.clone(), permit))),
        ))
    }

    /// Answers one request of a connection.
    pub(super) async fn serve(
        &self,
        peer: SocketAddr,
        admitted: Arc<Admitted>,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<TrackedBody>, Evicted> {
        if !admitted.slot().begin_request() {
            return Err(Evicted);
        }

        let navigation = Navigation::of(&request);
        let is_ops = is_ops_path(request.uri().path());
        let place = match &*admitted {
            Admitted::Overflow(rejected, _) if !is_ops => Err(rejected.response()),
            Admitted::Overflow(..) => Ok(None),
            Admitted::Full(place) => {
                if !is_ops
                    && let Some(warning) = self.proxies.check_request(
                        peer.ip(),
                        request.headers(),
                        &self.limits.trusted_proxies,
                    )
                {
                    warning.log();
                }
                self.permit_for(place, peer, &request)
                    .map(Some)
                    .map_err(Rejected::response)
            }
        };

        let (response, place) = match place {
            Ok(place) => (self.route(peer, place.clone(), request).await, place),
            Err(refused) => (refused, None),
        };
        let response = match navigation {
            Some(navigation) => navigation.page_for(response),
            None => response,
        };
        let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let response = if self.lifecycle.is_stopping() && !upgrades {
            closing(response)
        } else {
            response
        };

        let guard = (!upgrades).then_some(RequestGuard(admitted)); // an upgraded connection is never idle again
        Ok(response.map(|body| TrackedBody {
            body,
            _guard: guard,
            _place: place,
        }))
    }

    async fn route(
        &self,
        peer: SocketAddr,
        place: Option<ConnectionPermit>,
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

/// An answer's body. Until it is written or given up, its connection is busy and counts for its
/// address.
pub(super) struct TrackedBody {
    body: Body,
    _guard: Option<RequestGuard>,
    _place: Option<ConnectionPermit>,
}

impl hyper::body::Body for TrackedBody {
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
struct RequestGuard(Arc<Admitted>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.slot().end_request();
    }
}
