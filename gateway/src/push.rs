//! Web Push: which key browsers subscribe with, and which browsers are notified of their user's turn.
//! The queue worker that releases a user sends the push; here it is only agreed on. A subscription
//! belongs to a place in a queue, is stored beside it, and ends with it.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waitingroom_domain::{
    ids::EventId,
    push::{PushConfig, PushSubscription},
};
use waitingroom_server::{
    http::{Json, Path},
    openapi::problems::{
        EventNotFound, InvalidBody, InvalidField, RateLimited, Unauthorized, Unavailable,
    },
    problem::{Code, Problem},
};

use crate::{
    metric_definitions::PUSH_SUBSCRIPTIONS,
    queue_service::QueueService,
    transport::{
        extract::{AuthenticatedUser, Caller},
        problems::NotSubscribable,
    },
};

/// What this installation sends pushes with, if it does.
pub(crate) struct PushService(Option<PushConfig>);

impl PushService {
    pub(crate) fn new(config: Option<PushConfig>) -> Self {
        Self(config)
    }

    fn public_key(&self) -> Option<&str> {
        self.0.as_ref().map(|config| config.key.public())
    }

    /// A subscription that pushes can be sent to.
    fn accept(&self, body: &SubscriptionRequest) -> Result<PushSubscription, Problem> {
        let config = self.0.as_ref().ok_or_else(push_is_off)?;
        let keys = &body.keys;
        let subscription = PushSubscription::parse(&body.endpoint, &keys.p256dh, &keys.auth)
            .map_err(|invalid| Problem::invalid(invalid.field(), invalid))?;

        if config.services.admits(&subscription) {
            Ok(subscription)
        } else {
            Err(Problem::invalid(
                "endpoint",
                "must be a URL of a push service that this installation knows",
            ))
        }
    }
}

fn push_is_off() -> Problem {
    Problem::new(Code::NotFound, "this installation sends no pushes")
}

/// How a browser subscribes.
#[derive(Serialize, ToSchema)]
#[schema(as = PushKey, example = json!({
    "public_key": "BJeKX27_jyrQBkKXe7LoXbOFu80JLE0b9qtpCqQbQBxvjjnXKm35tCKqpx1TN6Wef12R0xIXfOgnL3NxFT2_x8c"
}))]
pub(crate) struct PushKeyResponse {
    /// The `applicationServerKey` of subscriptions, in base64url; absent if pushes are off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    public_key: Option<String>,
}

/// The key that browsers subscribe to pushes with
#[utoipa::path(
    get,
    path = "/api/v1/push",
    operation_id = "getPushKey",
    tag = "queue",
    responses((status = 200, description = "The key, if pushes are on.", body = PushKeyResponse)),
    security(())
)]
pub(crate) async fn key(State(push): State<Arc<PushService>>) -> Json<PushKeyResponse> {
    Json(PushKeyResponse {
        public_key: push.public_key().map(str::to_owned),
    })
}

/// A browser's subscription, as `PushSubscription.toJSON()` gives it.
#[derive(Deserialize, ToSchema)]
#[schema(as = PushSubscription, example = json!({
    "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABexample",
    "keys": {
        "p256dh": "BJeKX27_jyrQBkKXe7LoXbOFu80JLE0b9qtpCqQbQBxvjjnXKm35tCKqpx1TN6Wef12R0xIXfOgnL3NxFT2_x8c",
        "auth": "DGv6ra1nlYgDCS1FRnbzlw"
    }
}))]
pub(crate) struct SubscriptionRequest {
    /// A URL of a known push service, over TLS.
    #[schema(max_length = 1024)]
    endpoint: String,
    keys: SubscriptionKeys,
}

/// The keys that messages to the browser are encrypted with.
#[derive(Deserialize, ToSchema)]
#[schema(as = PushSubscriptionKeys)]
struct SubscriptionKeys {
    /// A public key of P-256, 65 bytes in base64url.
    p256dh: String,
    /// 16 bytes in base64url.
    auth: String,
}

/// Is the user notified of the turn by a push?
#[derive(Serialize, ToSchema)]
#[schema(as = PushSubscribed, example = json!({ "event_id": "d0000000-0000-0001-0000-000000000000", "subscribed": true }))]
pub(crate) struct SubscribedResponse {
    event_id: EventId,
    subscribed: bool,
}

/// Be notified of the turn by a push
#[utoipa::path(
    put,
    path = "/api/v1/queue/push/{event_id}",
    operation_id = "subscribeToPush",
    tag = "queue",
    description = "For as long as the user has this place. Max three browsers a user: a further one replaces the oldest. \
        A user who can be notified so keeps the place and is released without a connection, and has \
        `push_claim_window_seconds` to open the page. After a loss of the queue the subscription has to be repeated, \
        so a page repeats it whenever it takes up a place. 404 `NOT_FOUND` if pushes are off.",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    request_body = SubscriptionRequest,
    responses(
        (status = 200, description = "The browser is notified of the turn.", body = SubscribedResponse),
        Unauthorized, InvalidBody, InvalidField, NotSubscribable, RateLimited, Unavailable
    )
)]
pub(crate) async fn subscribe(
    State(queue): State<Arc<QueueService>>,
    State(push): State<Arc<PushService>>,
    Caller { identity, address }: Caller,
    Path(event): Path<EventId>,
    Json(body): Json<SubscriptionRequest>,
) -> Result<Json<SubscribedResponse>, Problem> {
    let subscribed = match push.accept(&body) {
        Ok(subscription) => {
            queue
                .subscribe_push(event, &identity, address, subscription)
                .await
        }
        Err(problem) => Err(problem),
    };

    let outcome = if subscribed.is_ok() {
        "added"
    } else {
        "refused"
    };
    metrics::counter!(PUSH_SUBSCRIPTIONS, "outcome" => outcome).increment(1);
    subscribed.map(|()| subscribed_response(event, true))
}

/// Be notified by no push any more
#[utoipa::path(
    delete,
    path = "/api/v1/queue/push/{event_id}",
    operation_id = "unsubscribeFromPush",
    tag = "queue",
    description = "On none of the user's browsers; a page of another one subscribes again when it is opened.",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    responses(
        (status = 200, description = "No browser of the user is notified of the turn.", body = SubscribedResponse),
        Unauthorized, EventNotFound, InvalidField, Unavailable
    )
)]
pub(crate) async fn unsubscribe(
    State(queue): State<Arc<QueueService>>,
    AuthenticatedUser(identity): AuthenticatedUser,
    Path(event): Path<EventId>,
) -> Result<Json<SubscribedResponse>, Problem> {
    queue.unsubscribe_push(event, &identity.user).await?;
    metrics::counter!(PUSH_SUBSCRIPTIONS, "outcome" => "removed").increment(1);
    Ok(subscribed_response(event, false))
}

fn subscribed_response(event_id: EventId, subscribed: bool) -> Json<SubscribedResponse> {
    Json(SubscribedResponse {
        event_id,
        subscribed,
    })
}
