//! The visitors' page: the web client, or pages without script that reload themselves, with the
//! guest in a cookie (`guests/cookie.rs`). The server shows a problem to a browser as a page
//! (`http/problem_page.rs`).
//!
//! The web client sends browsers without script to `?plain` of the same address, so each of its
//! addresses has such a page: with the web client in its place a browser would go on reloading. Forms are accepted
//! from pages of this host only (`origin.rs`): no page of another site, and of no sibling, can act
//! for the guest. `POST /api/v1/guest` gives the same guest to the same browser, so that a place
//! taken here is found when scripts are allowed.

mod messages;
mod page;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, FromRef, Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use maud::Markup;
use waitingroom_domain::{ids::EventId, queue::Place};
use waitingroom_server::{
    auth::Identity,
    http,
    problem::{Code, Problem},
};

use self::{
    messages::{Messages, messages},
    page::QueueView,
};
use super::{
    assets::{self, CONTENT_SECURITY_POLICY},
    origin,
};
use crate::{
    booking_client::BookingClient,
    client_addresses::ClientAddresses,
    guests::cookie::GuestCookies,
    place_presenter::PlacePresenter,
    queue_service::{PlaceRequest, PresentedTicket, QueueService},
    state::Gateway,
};

/// Well within [`waitingroom_domain::presence::POLL_PRESENCE_TTL`], for which a poll keeps a place.
const RELOAD_INTERVAL: Duration = Duration::from_secs(7);

/// When booking or the queue may respond again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// What the pages show and do.
struct Pages {
    booking: Arc<BookingClient>,
    queue: Arc<QueueService>,
    presenter: Arc<PlacePresenter>,
    cookies: Arc<GuestCookies>,
    addresses: Arc<ClientAddresses>,
}

impl Pages {
    /// Where the guest of this browser stands in the event's queue, marking them present.
    async fn queue_view(&self, event: EventId, headers: &HeaderMap) -> Result<QueueView, Problem> {
        let Some(guest) = self.cookies.guest(headers) else {
            return Ok(QueueView::NotQueued);
        };

        match self.queue.poll(event, &guest).await {
            Ok(None) => Ok(QueueView::Waiting {
                position: None,
                total: self.queue.last_known_total(event).unwrap_or_default(),
                wait: None,
            }),
            Ok(Some(Place {
                grant: Some(grant), ..
            })) => Ok(QueueView::PassReady {
                left: self.presenter.remaining_life(&grant),
            }),
            Ok(Some(place)) => Ok(QueueView::Waiting {
                position: (!place.counting).then_some(place.position),
                total: place.total,
                wait: self.presenter.max_wait(event, &place),
            }),
            Err(problem) if problem.code == Code::NotInQueue => Ok(QueueView::NotQueued),
            Err(problem) => Err(problem),
        }
    }
}

pub(crate) fn router(gateway: &Gateway) -> Router {
    let pages = Arc::new(Pages {
        booking: FromRef::from_ref(gateway),
        queue: FromRef::from_ref(gateway),
        presenter: FromRef::from_ref(gateway),
        cookies: FromRef::from_ref(gateway),
        addresses: FromRef::from_ref(gateway),
    });

    Router::new()
        .route("/", get(events))
        .route("/bookings", get(bookings))
        .route("/e/{event}", get(event))
        .route("/e/{event}/seats", get(event))
        .route("/e/{event}/join", post(join).get(event_page))
        .route("/e/{event}/leave", post(leave).get(event_page))
        .route("/{*path}", any(http::not_found))
        .with_state(pages)
}

/// Is this a name in the query, with or without `=`?
fn has_query_flag(query: Option<&str>, wanted: &str) -> bool {
    query.is_some_and(|query| {
        query
            .split('&')
            .any(|part| part.trim_end_matches('=') == wanted)
    })
}

async fn events(
    State(pages): State<Arc<Pages>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !has_query_flag(query.as_deref(), "plain") {
        return assets::file("index.html", &headers);
    }

    match pages.booking.events().await {
        Ok(events) => respond(page::events(messages(&headers), &events)),
        Err(_) => unavailable(),
    }
}

async fn bookings(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    if !has_query_flag(query.as_deref(), "plain") {
        return assets::file("index.html", &headers);
    }

    respond(page::bookings(messages(&headers)))
}

async fn event(
    State(pages): State<Arc<Pages>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(event): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !has_query_flag(query.as_deref(), "plain") {
        return assets::file("index.html", &headers);
    }

    let messages = messages(&headers);
    let Ok(event) = event.parse() else {
        return event_not_found(messages);
    };
    let summary = match pages.booking.event(event).await {
        Ok(Some(summary)) => summary,
        Ok(None) => return event_not_found(messages),
        Err(_) => return unavailable(),
    };
    let Ok(view) = pages.queue_view(event, &headers).await else {
        return unavailable();
    };

    let still = has_query_flag(query.as_deref(), "still");
    let mut page = respond(page::event(messages, &summary, &view, still));
    let has_place = !matches!(view, QueueView::NotQueued);
    if has_place && let Some(cookie) = pages.cookies.renew(peer, &headers) {
        page.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    page
}

async fn join(
    State(pages): State<Arc<Pages>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(event): Path<EventId>,
    headers: HeaderMap,
) -> Response {
    if !origin::is_same_origin(&headers) {
        return cross_site_problem().into_response();
    }

    // The page that follows shows the place, or why it cannot be shown yet.
    let mut response = redirect_to_event(event);
    let address = pages.addresses.request_address(peer, &headers);
    if let Some(guest) = pages.cookies.guest(&headers) {
        match pages
            .queue
            .join_by_poll(&place_request(event, &guest, address))
            .await
        {
            Ok(_) => return response,
            // The same guest is renewed below.
            Err(problem) if problem.code == Code::GuestTooOld => {}
            Err(problem) => return refusal(&headers, event, problem),
        }
    }

    let guest = match pages.cookies.issue(address, &headers) {
        Ok((guest, cookie)) => {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            guest
        }
        Err(problem) => return refusal(&headers, event, problem),
    };

    match pages
        .queue
        .join_by_poll(&place_request(event, &guest, address))
        .await
    {
        Ok(_) => response,
        Err(problem) => refusal(&headers, event, problem),
    }
}

fn place_request(event: EventId, guest: &Identity, address: IpAddr) -> PlaceRequest<'_> {
    PlaceRequest {
        event,
        caller: guest,
        address,
        presented: PresentedTicket::default(),
        previous_hold: None,
    }
}

async fn leave(
    State(pages): State<Arc<Pages>>,
    Path(event): Path<EventId>,
    headers: HeaderMap,
) -> Response {
    if !origin::is_same_origin(&headers) {
        return cross_site_problem().into_response();
    }

    if let Some(guest) = pages.cookies.guest(&headers) {
        match pages.queue.leave(event, &guest).await {
            Ok(()) => {}
            Err(problem) if problem.code == Code::NotInQueue => {}
            Err(problem) => return refusal(&headers, event, problem),
        }
    }

    redirect_to_event(event)
}

/// A form's address asked without a form, as by the page in place of a problem when it reloads.
async fn event_page(Path(event): Path<EventId>) -> Response {
    redirect_to_event(event)
}

fn cross_site_problem() -> Problem {
    Problem::new(
        Code::Forbidden,
        "the request comes from a page of another site",
    )
}

fn redirect_to_event(event: EventId) -> Response {
    Redirect::to(&format!("/e/{event}?plain")).into_response()
}

fn event_not_found(messages: &Messages) -> Response {
    (
        StatusCode::NOT_FOUND,
        respond(page::event_not_found(messages)),
    )
        .into_response()
}

/// Nothing can be shown at this moment.
fn unavailable() -> Response {
    Problem::unavailable("the page cannot be shown at this moment", RETRY_PAUSE).into_response()
}

/// Why a form had no effect.
fn refusal(headers: &HeaderMap, event: EventId, problem: Problem) -> Response {
    if problem.code != Code::QueueClosed {
        return problem.into_response();
    }

    let page = page::queue_closed(messages(headers), event);
    (problem.code.status(), respond(page)).into_response()
}

fn respond(page: Markup) -> Response {
    let mut response = page.into_string().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );

    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );

    // The language and the guest decide what the page says.
    headers.insert(
        header::VARY,
        HeaderValue::from_static("accept-language, cookie"),
    );

    response
}
