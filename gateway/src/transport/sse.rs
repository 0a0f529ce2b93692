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
use serde_json::json;
use tokio::time::timeout;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};
use waitingroom_domain::{
    ids::{EventId, UserId},
    queue::{Grant, Place, SaleState},
};
use waitingroom_server::{
    http::{ConnectionPermit as Permit, Path, Query},
    openapi::{
        event_stream as event_stream_schema,
        problems::{InvalidField, NotInQueue, RateLimited, Unauthorized, Unavailable},
    },
    problem::Problem,
    protocol::{SeatPreference, check_preferences},
};

use super::{
    extract::{Caller, bearer},
    services::ConnectionServices,
};
use crate::{
    auto_hold::{AutoHoldOutcome, HOLD_TIMEOUT},
    booking_client::{BookingClient, UserCredentials},
    connection::mailbox::{Mailbox, PendingUpdates, WakeReasons},
    place_presenter::{PlaceResponse, removal_problem},
    queue_service::RoomSubscription,
};

/// The state of a sale.
#[derive(Serialize, ToSchema)]
#[schema(as = SaleNews)]
struct SaleUpdate<'a> {
    event_id: EventId,
    state: SaleState,
    /// The operator's message to all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'a str>,
}

/// The query of a stream.
#[derive(Deserialize)]
pub(crate) struct StreamQuery {
    /// JSON, as in a join.
    wish: Option<String>,
}

/// The parameter is JSON, which utoipa's derived parameters are not.
impl IntoParams for StreamQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let content = json!({ "application/json": {
            "schema": { "type": "array", "maxItems": 5, "items": { "$ref": "#/components/schemas/WishItem" } },
            "example": [{ "zone_id": "b0000000-0000-0001-0001-000000000000", "quantity": 2 }],
        } });
        let wish = ParameterBuilder::new()
            .name("wish")
            .parameter_in(ParameterIn::Query)
            .description(Some(
                "Seat preferences as in a join, as JSON: the pass arrives with the seats.",
            ))
            .extensions(Some([("content", content)].into_iter().collect()));
        vec![wish.build()]
    }
}

/// The events of the stream.
struct PlaceEvents;

impl PartialSchema for PlaceEvents {
    fn schema() -> RefOr<Schema> {
        event_stream_schema(&[
            ("position", "Place"),
            ("state", "SaleNews"),
            ("reserved", "Booking"),
            ("error", "Problem"),
        ])
    }
}

impl ToSchema for PlaceEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("Place".to_owned(), PlaceResponse::schema()));
        PlaceResponse::schemas(schemas);
        schemas.push(("SaleNews".to_owned(), SaleUpdate::schema()));
        SaleUpdate::schemas(schemas);
    }
}

/// Seat preferences, and the user's credentials for booking.
struct AutoHoldRequest {
    credentials: UserCredentials,
    preferences: Vec<SeatPreference>,
}

impl AutoHoldRequest {
    fn new(
        booking: &BookingClient,
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
            token.map(|token| booking.credentials(token, &caller.identity, caller.address));
        Ok(credentials.map(|credentials| Self {
            credentials,
            preferences,
        }))
    }
}

/// The user and the event of a stream.
struct SseContext {
    services: Arc<ConnectionServices>,
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
            let Self { event, user, auto_hold, .. } = self;
            let response = self.services.presenter.place_response(*event, user, place);
            let Some(AutoHoldRequest { credentials, preferences }) = auto_hold else {
                yield position_event(&response);
                return self.acknowledge(grant).await;
            };

            let mut request = Box::pin(self.services.auto_hold.hold_first_available(credentials, *event, user, grant, preferences));
            match timeout(HOLD_TIMEOUT, &mut request).await {
                Ok(outcome) => yield position_event(&response.with_hold(&outcome)),
                Err(_) => {
                    yield position_event(&response);
                    self.acknowledge(grant).await;
                    if let AutoHoldOutcome::Held(booking) = request.await {
                        yield Event::default().event("reserved").json_data(booking).unwrap_or_default();
                    }
                }
            }
            self.acknowledge(grant).await;
        }
    }

    async fn acknowledge(&self, grant: &Grant) {
        let acknowledged = self
            .services
            .queue
            .acknowledge(self.event, &self.user, &grant.pass_id)
            .await;
        if let Err(problem) = acknowledged {
            tracing::debug!(event = %self.event, %problem, "pass expired before acknowledgement");
        }
    }

    /// Has the pass been used? Gateways are not notified of that, so a stream with a pass asks the
    /// engine with each heartbeat.
    async fn pass_was_used(&self, place: &Place) -> bool {
        match &place.grant {
            Some(grant) => {
                self.services
                    .queue
                    .is_pass_gone(self.event, &self.user, grant)
                    .await
            }
            None => false,
        }
    }

    /// Turns updates into events, and takes them over into `place`.
    fn emit(&self, place: &mut Place, updates: PendingUpdates) -> SseBatch {
        let (event, user) = (self.event, &self.user);
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
            batch.events.push(position_event(
                &self.services.presenter.place_response(event, user, place),
            ));
        }

        if let Some(moved) = updates.position {
            place.counting = false;
            (place.position, place.total) = (moved.position, moved.total);
            batch.events.push(position_event(
                &self
                    .services
                    .presenter
                    .place_response_with(event, user, place, moved.estimate),
            ));
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
}

/// What a stream writes next, and whether it ends then.
struct SseBatch {
    events: Vec<Event>,
    pass: Option<Grant>,
    ends: bool,
}

/// The user's position and pass, as server-sent events
#[utoipa::path(
    get,
    path = "/api/v1/queue/position/{event_id}/stream",
    operation_id = "streamPosition",
    tag = "queue",
    description = "The user needs a place: join first. The stream ends when the place or the unused pass is lost, when \
        the pass is used, when the sale closes and when the node drains.",
    params(
        ("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000"),
        StreamQuery
    ),
    responses(
        (
            status = 200,
            description = "`text/event-stream`. Events: `position` (data: a Place), `state` (data: a SaleNews), \
                `reserved` (data: a Booking: seats of a preference that were held after the pass was sent), `error` \
                (data: a Problem). Comment lines are the heartbeat.",
            content_type = "text/event-stream",
            body = inline(PlaceEvents),
            example = "event: position\ndata: {\"event_id\":\"d0000000-0000-0001-0000-000000000000\",\"user_id\":\"alice\",\"position\":12,\"total_in_queue\":340,\"estimated_wait_seconds\":3,\"wait_range_seconds\":{\"low\":2,\"high\":4},\"is_ready\":false,\"ticket\":\"header.payload.signature\"}\n\n: heartbeat\n\n"
        ),
        Unauthorized, NotInQueue, InvalidField, RateLimited, Unavailable
    )
)]
pub(crate) async fn stream(
    State(services): State<Arc<ConnectionServices>>,
    permit: Option<Extension<Permit>>,
    caller: Caller,
    Path(event): Path<EventId>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let auto_hold = AutoHoldRequest::new(&services.booking, &caller, &query, &headers)?;
    let mailbox = Arc::new(Mailbox::default());

    let queue = &services.queue;
    let (place, subscription) = queue.resume(event, &caller.identity, &mailbox).await?;
    services.heartbeat_wheel.register(&mailbox);

    let context = SseContext {
        services,
        event,
        user: caller.identity.user,
        auto_hold,
    };
    let events = event_stream(context, (subscription, permit), mailbox, place);
    let mut response = Sse::new(events).into_response();
    response.headers_mut().insert(
        "x-accel-buffering",
        axum::http::HeaderValue::from_static("no"),
    );
    Ok(response)
}

fn event_stream(
    context: SseContext,
    guards: (RoomSubscription, Option<Extension<Permit>>),
    mailbox: Arc<Mailbox>,
    mut place: Place,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream! {
        let _guards = guards; // dropped when the stream ends
        match &place.grant {
            None => {
                let response = context.services.presenter.place_response(context.event, &context.user, &place);
                yield Ok(position_event(&response));
            }
            Some(grant) => for await event in context.pass_events(&place, grant) {
                yield Ok(event);
            },
        }

        loop {
            let reasons = mailbox.wait().await;
            for (_, updates) in mailbox.drain() {
                let batch = context.emit(&mut place, updates);
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
            if reasons.contains(WakeReasons::CLOSE) || (is_heartbeat && context.pass_was_used(&place).await) {
                return;
            }
            if is_heartbeat {
                yield Ok(Event::default().comment("heartbeat"));
            }
        }
    }
}

fn position_event(place: &impl Serialize) -> Event {
    Event::default()
        .event("position")
        .json_data(place)
        .unwrap_or_default()
}
