//! The visitors' page, and the same without JavaScript: pages written here that reload themselves,
//! with the guest in a cookie; and a page for browsers that ask for what is not there.
//!
//! The page with script sends browsers without it to `?plain` of the same address. The cookie is
//! `HttpOnly` and `SameSite=Lax`, over TLS also `Secure` and of a name that only this very site can
//! set; it is renewed while its guest has a place. Forms are taken from pages of ours only
//! (`origin.rs`): no other site, and no sibling of ours, can make one act for the guest. `POST
//! /api/v1/guest` gives the same guest to the same browser, so that a place taken here is found
//! when scripts are allowed.

mod messages;
mod page;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use maud::Markup;
use waitingroom::{
    absence::Presence,
    http,
    identity::{GUEST_LIFE, Identity},
    ids::EventId,
    line::{Place, Told},
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
use crate::{Gateway, queue_service::PresentedTicket};

/// Between two looks: well within [`waitingroom::absence::POLL_WINDOW`], which keeps a place.
const RELOAD_INTERVAL: Duration = Duration::from_secs(7);

pub(crate) fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/", get(events))
        .route(
            "/bookings",
            get(async |headers: HeaderMap| assets::file("index.html", &headers)),
        )
        .route("/e/{event}", get(event))
        .route("/e/{event}/seats", get(event))
        .route("/e/{event}/join", post(join))
        .route("/e/{event}/leave", post(leave))
        .route("/{*path}", any(not_found))
        .with_state(gateway)
}

fn has_query_flag(query: Option<&str>, wanted: &str) -> bool {
    query.is_some_and(|query| {
        query
            .split('&')
            .any(|part| part.trim_end_matches('=') == wanted)
    })
}

async fn events(
    State(gateway): State<Gateway>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !has_query_flag(query.as_deref(), "plain") {
        return assets::file("index.html", &headers);
    }
    let messages = messages(&headers);
    match gateway.0.booking.events().await {
        Ok(events) => respond(page::events(messages, &events)),
        Err(_) => respond(page::unavailable(messages)),
    }
}

async fn event(
    State(gateway): State<Gateway>,
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
    match gateway.0.booking.event(event).await {
        Ok(Some(head)) => match gateway.queue_view(event, &headers).await {
            Ok(here) => {
                let mut page = respond(page::event(
                    messages,
                    &head,
                    &here,
                    has_query_flag(query.as_deref(), "still"),
                ));
                if let Some(cookie) = gateway.renewed_cookie(&here, peer, &headers) {
                    page.headers_mut().insert(header::SET_COOKIE, cookie);
                }
                page
            }
            Err(_) => respond(page::unavailable(messages)),
        },
        Ok(None) => event_not_found(messages),
        Err(_) => respond(page::unavailable(messages)),
    }
}

async fn join(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(event): Path<EventId>,
    headers: HeaderMap,
) -> Response {
    if !origin::is_same_origin(&headers) {
        return problem_page(&headers, &cross_site_problem());
    }
    let mut back = redirect_to_event(event);
    let address = gateway.0.guest_rate_limiter.request_address(peer, &headers);
    if let Some(guest) = gateway.guest_from_cookie(&headers) {
        match gateway
            .join_within_limits(
                event,
                &guest,
                address,
                Presence::Poll,
                PresentedTicket::default(),
            )
            .await
        {
            Ok((_, place)) => {
                let _ = gateway.place_for_poll(event, &guest.user, place); // the page that follows says what can be told
                return back;
            }
            Err(problem) if problem.code == Code::GuestTooOld => {} // the same guest, renewed below
            Err(problem) => return problem_page(&headers, &problem),
        }
    }
    let guest = match gateway.issue_guest_cookie(address, &headers) {
        Ok((guest, cookie)) => {
            back.headers_mut().insert(header::SET_COOKIE, cookie);
            guest
        }
        Err(problem) => return problem_page(&headers, &problem),
    };
    match gateway
        .join_within_limits(
            event,
            &guest,
            address,
            Presence::Poll,
            PresentedTicket::default(),
        )
        .await
    {
        Ok((_, place)) => {
            let _ = gateway.place_for_poll(event, &guest.user, place); // the page that follows says what can be told
            back
        }
        Err(problem) => problem_page(&headers, &problem),
    }
}

async fn leave(
    State(gateway): State<Gateway>,
    Path(event): Path<EventId>,
    headers: HeaderMap,
) -> Response {
    if !origin::is_same_origin(&headers) {
        return problem_page(&headers, &cross_site_problem());
    }
    if let Some(guest) = gateway.guest_from_cookie(&headers) {
        match gateway.leave(event, &guest.user).await {
            Ok(()) => gateway.release_guest_place(event, &guest),
            Err(problem) if problem.code == Code::NotInQueue => {}
            Err(problem) => return problem_page(&headers, &problem),
        }
    }
    redirect_to_event(event)
}

/// A person gets a page, a program a problem.
async fn not_found(uri: Uri, headers: HeaderMap) -> Response {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accepted.contains("text/html") && !uri.path().starts_with("/api/") {
        return (
            StatusCode::NOT_FOUND,
            respond(page::not_found(messages(&headers))),
        )
            .into_response();
    }
    http::not_found().await.into_response()
}

impl Gateway {
    async fn queue_view(&self, event: EventId, headers: &HeaderMap) -> Result<QueueView, Problem> {
        let Some(guest) = self.guest_from_cookie(headers) else {
            return Ok(QueueView::NotQueued);
        };
        self.extend_guest_place(event, &guest);
        match self.resume(event, &guest.user, &Presence::Poll).await {
            Ok(Place {
                told: Told::Unknown,
                ..
            }) => {
                let total = self.0.registry.total(event).unwrap_or_default();
                Ok(QueueView::Waiting {
                    position: None,
                    total,
                    wait: None,
                })
            }
            Ok(place) => Ok(match self.place_for_poll(event, &guest.user, place)? {
                Place {
                    grant: Some(grant), ..
                } => QueueView::PassReady {
                    left: grant.expires_at.since(self.0.deps.clock.now()),
                },
                place => QueueView::Waiting {
                    position: (!place.counting).then_some(place.position),
                    total: place.total,
                    wait: self.max_wait(event, &place),
                },
            }),
            Err(problem) if problem.code == Code::NotInQueue => Ok(QueueView::NotQueued),
            Err(problem) => Err(problem),
        }
    }
}

/// Another site's page has sent a form of ours.
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

fn problem_page(headers: &HeaderMap, problem: &Problem) -> Response {
    (
        problem.code.status(),
        respond(page::problem(messages(headers), problem.code)),
    )
        .into_response()
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
    headers.insert(
        header::VARY,
        HeaderValue::from_static("accept-language, cookie"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kind_of_answer(path: &'static str, accept: &'static str) -> (StatusCode, String) {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        let answer = not_found(Uri::from_static(path), headers).await;
        let kind = answer.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        (answer.status(), kind)
    }

    #[tokio::test]
    async fn what_is_not_there_is_a_page_for_people_and_a_problem_for_programs() {
        for (path, accept, kind) in [
            (
                "/nowhere",
                "text/html,application/xhtml+xml,*/*;q=0.8",
                "text/html; charset=utf-8",
            ),
            ("/nowhere", "*/*", "application/problem+json"),
            ("/nowhere", "application/json", "application/problem+json"),
            (
                "/api/v1/nowhere",
                "text/html,*/*;q=0.8",
                "application/problem+json",
            ),
        ] {
            assert_eq!(
                kind_of_answer(path, accept).await,
                (StatusCode::NOT_FOUND, kind.to_owned()),
                "{path} {accept}"
            );
        }
    }
}
