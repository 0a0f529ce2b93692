//! A user's place as server-sent events: the same mailbox as a socket's, written as a stream.
//!
//! A stream cannot acknowledge: a pass counts as delivered once the stream is polled for what
//! follows it, and stays readable by polling until it is used. If the request has seat preferences,
//! the seats are sent with the pass.

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
use waitingroom_domain::{
    ids::{EventId, UserId},
    queue::{Grant, Place, SaleState},
};
use waitingroom_server::{
    http::{ConnectionPermit as Permit, Path, Query},
    problem::{Code, Problem},
    protocol::{SeatPreference, check_preferences},
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

/// The query of a stream.
#[derive(Deserialize)]
pub(crate) struct StreamQuery {
    /// JSON, as in a join.
    wish: Option<String>,
}

/// Seat preferences, and the user's credentials for booking.
struct AutoHoldRequest {
    credentials: UserCredentials,
    preferences: Vec<SeatPreference>,
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
        let preferences: Vec<SeatPreference> = serde_json::from_str(wish).map_err(|error| {
            Problem::invalid("wish", format!("must be a JSON array of choices: {error}"))
        })?;
        check_preferences("wish", &preferences)?;

        let token = bearer(headers).filter(|_| !preferences.is_empty());
        let credentials =
            token.map(|token| gateway.credentials(token, &caller.identity, caller.address));
        Ok(credentials.map(|credentials| Self {
            credentials,
            preferences,
        }))
    }
}

/// The user and the event of a stream.
struct SseContext {
    gateway: Gateway,
    event: EventId,
    user: UserId,
    auto_hold: Option<AutoHoldRequest>,
}

impl SseContext {
    /// The pass, with the result of its automatic hold if booking replies in time; seats that come
    /// later follow in an event of their own.
    fn pass_events<'a>(
        &'a self,
        place: &'a Place,
        grant: &'a Grant,
    ) -> impl Stream<Item = Event> + 'a {
        stream! {
            let Self { gateway, event, user, auto_hold } = self;
            let response = gateway.place_response(*event, user, place);
            let Some(AutoHoldRequest { credentials, preferences }) = auto_hold else {
                yield position_event(&response);
                return acknowledge(gateway, *event, user, grant).await;
            };

            let mut request = Box::pin(gateway.hold_first_available(credentials, *event, user, grant, preferences));
            match timeout(HOLD_TIMEOUT, &mut request).await {
                Ok(outcome) => yield position_event(&response.with_hold(&outcome)),
                Err(_) => {
                    yield position_event(&response);
                    acknowledge(gateway, *event, user, grant).await;
                    if let AutoHoldOutcome::Held(booking) = request.await {
                        yield Event::default().event("reserved").json_data(booking).unwrap_or_default();
                    }
                }
            }
            acknowledge(gateway, *event, user, grant).await;
        }
    }
}

/// What a stream writes next, and whether it ends then.
struct SseBatch {
    events: Vec<Event>,
    pass: Option<Grant>,
    ends: bool,
}

pub(crate) async fn stream(
    State(gateway): State<Gateway>,
    permit: Option<Extension<Permit>>,
    caller: Caller,
    Path(event): Path<EventId>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let auto_hold = AutoHoldRequest::new(&gateway, &caller, &query, &headers)?;
    let identity = caller.identity;
    let mailbox = Arc::new(Mailbox::default());

    // Until the connection is attached, the end of another one does not make the user absent.
    let _pending_attach = gateway.begin_attach(event, &identity.user);
    let place = gateway
        .resume(event, &identity.user, &gateway.node_presence())
        .await?;
    let subscription = gateway.subscribe(event, &identity.user, &mailbox);
    let place = gateway
        .attach_current(event, &identity.user, &mailbox, place)
        .await?;

    gateway.extend_guest_place(event, &identity);
    let guest_connection = gateway.track_guest_connection(event, &identity);
    gateway.0.heartbeat_wheel.register(&mailbox);

    let context = SseContext {
        gateway,
        event,
        user: identity.user,
        auto_hold,
    };
    let guards = (subscription, permit, guest_connection);
    let events = event_stream(context, guards, mailbox, place);
    let mut response = Sse::new(events).into_response();
    response.headers_mut().insert(
        "x-accel-buffering",
        axum::http::HeaderValue::from_static("no"),
    );
    Ok(response)
}

fn event_stream(
    context: SseContext,
    guards: (
        RoomSubscription,
        Option<Extension<Permit>>,
        Option<Box<GuestConnection>>,
    ),
    mailbox: Arc<Mailbox>,
    mut place: Place,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream! {
        let _guards = guards; // dropped when the stream ends
        let SseContext { gateway, event, user, .. } = &context;
        match &place.grant {
            None => yield Ok(position_event(&gateway.place_response(*event, user, &place))),
            Some(grant) => for await event in context.pass_events(&place, grant) {
                yield Ok(event);
            },
        }

        loop {
            let reasons = mailbox.wait().await;
            for (_, updates) in mailbox.drain() {
                let batch = emit(gateway, *event, user, &mut place, updates);
                for event in batch.events {
                    yield Ok(event);
                }
                if let Some(grant) = &batch.pass {
                    for await event in context.pass_events(&place, grant) {
                        yield Ok(event);
                    }
                }
                if batch.ends {
                    return;
                }
            }

            let is_heartbeat = reasons.contains(WakeReasons::HEARTBEAT);
            if reasons.contains(WakeReasons::CLOSE) || (is_heartbeat && pass_was_used(gateway, *event, user, &place).await) {
                return;
            }
            if is_heartbeat {
                yield Ok(Event::default().comment("heartbeat"));
            }
        }
    }
}

/// Has the pass been used? Gateways are not notified of that, so a stream with a pass asks the
/// engine with each heartbeat.
async fn pass_was_used(gateway: &Gateway, event: EventId, user: &UserId, place: &Place) -> bool {
    let Some(grant) = &place.grant else {
        return false;
    };
    let is_gone = |problem: Problem| problem.code == Code::NotInQueue;
    gateway
        .resume(event, user, &gateway.node_presence())
        .await
        .map_or_else(is_gone, |now| now.number != grant.number)
}

/// Turns updates into events, and takes them over into `place`.
fn emit(
    gateway: &Gateway,
    event: EventId,
    user: &UserId,
    place: &mut Place,
    updates: PendingUpdates,
) -> SseBatch {
    let mut batch = SseBatch {
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
        batch
            .events
            .extend(Event::default().event("state").json_data(state).ok());
        batch.ends = settings.state == SaleState::Closed;
    }

    if let Some(other) = updates.place {
        *place = *other;
        batch
            .events
            .push(position_event(&gateway.place_response(event, user, place)));
    }

    if let Some(moved) = updates.position {
        place.counting = false;
        (place.position, place.total) = (moved.position, moved.total);
        batch
            .events
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
        batch.pass = Some(Arc::unwrap_or_clone(grant));
    }

    if let Some(lapse) = updates.removal {
        batch.events.push(
            Event::default()
                .event("error")
                .data(removal_problem(lapse).to_json()),
        );
        batch.ends = true;
    }

    batch
}

fn position_event(place: &impl Serialize) -> Event {
    Event::default()
        .event("position")
        .json_data(place)
        .unwrap_or_default()
}

async fn acknowledge(gateway: &Gateway, event: EventId, user: &UserId, grant: &Grant) {
    if let Err(problem) = gateway.acknowledge(event, user, &grant.pass_id).await {
        tracing::debug!(%event, %problem, "pass expired before acknowledgement");
    }
}
