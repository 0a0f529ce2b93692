//! The line as server-sent events: the same mailbox as a socket's, written as a stream.
//!
//! A stream has no way to acknowledge: a pass counts as arrived when the stream has asked for what
//! comes after it, and stays readable by polling until it is used. Who says with the request what
//! they want hears of the seats with the pass.

use std::{convert::Infallible, sync::Arc};

use async_stream::stream;
use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use waitingroom::{
    http::{Path, Place as Connection, Query},
    ids::{EventId, UserId},
    line::{Grant, Place, SaleState},
    problem::{Code, Problem},
    wire::{WishItem, check_wish},
};

use super::extract::{Caller, bearer};
use crate::{
    auto_hold::{AutoHoldOutcome, HOLD_TIMEOUT},
    booking_client::UserCredentials,
    connection::mailbox::{Mailbox, PendingUpdates, WakeReasons},
    guests::places::GuestConnection,
    queue_service::{RoomSubscription, removal_problem},
    state::Gateway,
};

#[derive(Serialize)]
struct SaleUpdate<'a> {
    event_id: EventId,
    state: SaleState,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// What a stream is asked.
#[derive(Deserialize)]
pub(crate) struct StreamQuery {
    /// JSON, as in a join.
    wish: Option<String>,
}

/// Somebody who has said what they want, and their token for booking.
struct AutoHoldRequest {
    behalf: UserCredentials,
    preferences: Vec<WishItem>,
}

impl AutoHoldRequest {
    fn new(
        gateway: &Gateway,
        caller: &Caller,
        query: &StreamQuery,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Problem> {
        let Some(wish) = &query.wish else {
            return Ok(None);
        };
        let preferences: Vec<WishItem> = serde_json::from_str(wish).map_err(|error| {
            Problem::invalid("wish", format!("must be a JSON array of choices: {error}"))
        })?;
        check_wish("wish", &preferences)?;
        let token = bearer(headers).filter(|_| !preferences.is_empty());
        let behalf =
            token.map(|token| gateway.credentials(token, &caller.identity, caller.address));
        Ok(behalf.map(|behalf| Self {
            behalf,
            preferences,
        }))
    }
}

/// Whose stream it is, and of which event.
struct SseContext {
    gateway: Gateway,
    event: EventId,
    user: UserId,
    auto_hold: Option<AutoHoldRequest>,
}

impl SseContext {
    /// The pass, with what became of the wish where booking says so in time; seats that come later
    /// follow by themselves.
    fn pass_events<'a>(
        &'a self,
        place: &'a Place,
        grant: &'a Grant,
    ) -> impl Stream<Item = Event> + 'a {
        stream! {
            let Self { gateway, event, user, auto_hold } = self;
            let answer = gateway.place_response(*event, user, place);
            let Some(AutoHoldRequest { behalf, preferences }) = auto_hold else {
                yield position_event(&answer);
                return acknowledge(gateway, *event, user, grant).await;
            };
            let mut asking = Box::pin(gateway.hold_first_available(behalf, *event, user, grant, preferences));
            match timeout(HOLD_TIMEOUT, &mut asking).await {
                Ok(held) => yield position_event(&answer.with_hold(&held)),
                Err(_) => {
                    yield position_event(&answer);
                    acknowledge(gateway, *event, user, grant).await;
                    if let AutoHoldOutcome::Held(booking) = asking.await {
                        yield Event::default().event("reserved").json_data(booking).unwrap_or_default();
                    }
                }
            }
            acknowledge(gateway, *event, user, grant).await;
        }
    }
}

/// What a stream says, and whether it ends with it.
struct SseBatch {
    events: Vec<Event>,
    pass: Option<Grant>,
    ends: bool,
}

pub(crate) async fn stream(
    State(gateway): State<Gateway>,
    connection: Option<Extension<Connection>>,
    caller: Caller,
    Path(event): Path<EventId>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let auto_hold = AutoHoldRequest::new(&gateway, &caller, &query, &headers)?;
    let identity = caller.identity;
    let mailbox = Arc::new(Mailbox::default());
    let _arrival = gateway.begin_attach(event, &identity.user);
    let place = gateway
        .resume(event, &identity.user, &gateway.node_presence())
        .await?;
    let attachment = gateway.subscribe(event, &identity.user, &mailbox);
    let place = gateway
        .attach_current(event, &identity.user, &mailbox, place)
        .await?;
    gateway.extend_guest_place(event, &identity);
    let stay = gateway.track_guest_connection(event, &identity);
    gateway.0.heartbeat_wheel.register(&mailbox);
    let line = SseContext {
        gateway,
        event,
        user: identity.user,
        auto_hold,
    };
    let events = event_stream(line, (attachment, connection, stay), mailbox, place);
    let mut response = Sse::new(events).into_response();
    response.headers_mut().insert(
        "x-accel-buffering",
        axum::http::HeaderValue::from_static("no"),
    );
    Ok(response)
}

fn event_stream(
    line: SseContext,
    held: (
        RoomSubscription,
        Option<Extension<Connection>>,
        Option<Box<GuestConnection>>,
    ),
    mailbox: Arc<Mailbox>,
    mut place: Place,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream! {
        let _held = held;
        let SseContext { gateway, event, user, .. } = &line;
        match &place.grant {
            None => yield Ok(position_event(&gateway.place_response(*event, user, &place))),
            Some(grant) => for await told in line.pass_events(&place, grant) {
                yield Ok(told);
            },
        }
        loop {
            let due = mailbox.wait().await;
            for (_, updates) in mailbox.drain() {
                let said = emit(gateway, *event, user, &mut place, updates);
                for event in said.events {
                    yield Ok(event);
                }
                if let Some(grant) = &said.pass {
                    for await told in line.pass_events(&place, grant) {
                        yield Ok(told);
                    }
                }
                if said.ends {
                    return;
                }
            }
            if due.contains(WakeReasons::CLOSE) || (due.contains(WakeReasons::HEARTBEAT) && pass_was_used(gateway, *event, user, &place).await) {
                return;
            }
            if due.contains(WakeReasons::HEARTBEAT) {
                yield Ok(Event::default().comment("heartbeat"));
            }
        }
    }
}

/// Has the pass been used? Nobody tells the gateways, so who streams with a pass is looked up with
/// each heartbeat.
async fn pass_was_used(gateway: &Gateway, event: EventId, user: &UserId, place: &Place) -> bool {
    let Some(grant) = &place.grant else {
        return false;
    };
    let used = |problem: Problem| problem.code == Code::NotInQueue;
    gateway
        .resume(event, user, &gateway.node_presence())
        .await
        .map_or_else(used, |now| now.number != grant.number)
}

fn emit(
    gateway: &Gateway,
    event: EventId,
    user: &UserId,
    place: &mut Place,
    updates: PendingUpdates,
) -> SseBatch {
    let mut said = SseBatch {
        events: Vec::new(),
        pass: None,
        ends: false,
    };
    if let Some(settings) = updates.sale {
        let state = SaleUpdate {
            event_id: event,
            state: settings.state,
            message: settings.message.as_deref(),
        };
        said.events
            .extend(Event::default().event("state").json_data(state).ok());
        said.ends = settings.state == SaleState::Closed;
    }
    if let Some(other) = updates.place {
        *place = *other;
        said.events
            .push(position_event(&gateway.place_response(event, user, place)));
    }
    if let Some(moved) = updates.position {
        place.counting = false;
        (place.position, place.total) = (moved.position, moved.total);
        said.events
            .push(position_event(&gateway.place_response_with(
                event,
                user,
                place,
                moved.estimate,
            )));
    }
    if let Some(grant) = updates.pass {
        place.position = 0;
        place.grant = Some((*grant).clone());
        said.pass = Some(Arc::unwrap_or_clone(grant));
    }
    if let Some(lapse) = updates.removal {
        said.events.push(
            Event::default()
                .event("error")
                .data(removal_problem(lapse).to_json()),
        );
        said.ends = true;
    }
    said
}

fn position_event(answer: &impl Serialize) -> Event {
    Event::default()
        .event("position")
        .json_data(answer)
        .unwrap_or_default()
}

async fn acknowledge(gateway: &Gateway, event: EventId, user: &UserId, grant: &Grant) {
    if let Err(problem) = gateway.acknowledge(event, user, &grant.pass_id).await {
        tracing::debug!(%event, %problem, "pass expired before acknowledgement");
    }
}
