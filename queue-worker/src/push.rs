//! Tells users of their turn by Web Push. The worker whose tick released a user sends the push: the
//! engine names each recipient once, whatever number of workers steps. A push is a hint, the pass
//! is in the engine: what cannot be sent in time is given up, and counted.

mod client;
mod message;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{EventId, UserId},
    push::{PushConfig, PushSubscription},
};
use waitingroom_engine::{Action, ActionKind, Released, SharedEngine};

use self::{
    client::{Answer, PushClient},
    message::Turn,
};
use crate::metric_definitions::{PUSHES, PUSHES_WAITING};

/// Pushes that may wait to be sent; more are dropped. As many passes as a fast queue releases in a
/// few seconds.
const MAX_WAITING: usize = 10_000;
/// Pushes that are being sent, or wait to be sent again.
const MAX_SENDING: usize = 256;
/// The pause before a push is sent again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer, whatever a push service says: the turn is over soon.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How long a stopping process goes on sending.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// One push to one browser.
#[derive(Debug, Clone)]
struct Push {
    user: UserId,
    subscription: PushSubscription,
    turn: Turn,
}

/// Takes pushes to be sent. Without a configuration there is nobody to send them.
#[derive(Clone)]
pub(crate) struct PushQueue(Option<mpsc::Sender<Push>>);

impl PushQueue {
    /// Nobody sends.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Queues a push for each browser of the users that this tick released. Never waits: passes
    /// must not.
    pub(crate) fn push(&self, event: EventId, released: &Released) {
        let Some(queue) = &self.0 else {
            return;
        };

        let window = released.progress.settings.push_claim_window();
        let mut granted = released.granted.iter(); // in the same order
        for recipient in &released.pushes {
            let Some(grant) = granted.find(|grant| grant.user == recipient.user) else {
                return;
            };

            let open_by = grant.payload.issued_at.plus(window);
            let turn = Turn {
                event_id: event,
                open_by: open_by.min(grant.payload.expires_at),
            };

            for subscription in &recipient.subscriptions {
                let push = Push {
                    user: recipient.user.clone(),
                    subscription: subscription.clone(),
                    turn: turn.clone(),
                };
                if queue.try_send(push).is_err() {
                    count("dropped");
                }
            }
        }
    }
}

/// Sends queued pushes.
pub(crate) struct PushSender {
    queue: mpsc::Receiver<Push>,
    delivery: Arc<Delivery>,
}

/// How one push is delivered.
struct Delivery {
    engine: SharedEngine,
    client: PushClient,
    clock: Clock,
}

/// Both ends of the queue.
pub(crate) fn push_queue(
    config: PushConfig,
    engine: SharedEngine,
    clock: Clock,
) -> (PushQueue, PushSender) {
    let (sender, queue) = mpsc::channel(MAX_WAITING);
    let delivery = Delivery {
        engine,
        client: PushClient::new(config),
        clock,
    };
    let sending = PushSender {
        queue,
        delivery: Arc::new(delivery),
    };
    (PushQueue(Some(sender)), sending)
}

impl PushSender {
    /// Sends until every queue end is gone: after the last tick.
    pub(crate) async fn run(mut self) {
        let mut sending = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = sending.next() => {}
                push = self.queue.recv(), if sending.len() < MAX_SENDING => match push {
                    Some(push) => sending.push(Arc::clone(&self.delivery).deliver(push)),
                    None => break,
                },
            }
            metrics::gauge!(PUSHES_WAITING).set((self.queue.len() + sending.len()) as f64);
        }

        let rest = async { while sending.next().await.is_some() {} };
        if timeout(DRAIN_TIMEOUT, rest).await.is_err() {
            tracing::warn!(pushes = sending.len(), "pushes dropped at shutdown");
        }
    }
}

impl Delivery {
    /// Tries until the push service decides or the push is too late.
    async fn deliver(self: Arc<Self>, push: Push) {
        let mut pause = FIRST_PAUSE;
        loop {
            let now = self.clock.now();
            if now >= push.turn.open_by {
                return count("failed");
            }

            let wait = match self.client.send(&push.subscription, &push.turn, now).await {
                Answer::Accepted => return count("sent"),
                Answer::Gone => {
                    self.forget(&push).await;
                    return count("gone");
                }
                Answer::Refused(reason) => {
                    let host = push.subscription.uri();
                    let host = host.host().unwrap_or_default();
                    tracing::warn!(host, reason, "push service refuses a push");
                    return count("refused");
                }
                Answer::Unavailable(retry_after) => retry_after.unwrap_or(pause),
            };

            sleep(wait.min(MAX_PAUSE)).await;
            pause *= 2;
        }
    }

    /// The browser has unsubscribed. If it is not forgotten, the next push finds out again.
    async fn forget(&self, push: &Push) {
        let endpoint = push.subscription.endpoint().to_owned();
        let action = Action {
            user: push.user.clone(),
            kind: ActionKind::Unsubscribe(Some(endpoint)),
        };

        let (event, now) = (push.turn.event_id, self.clock.now());
        if let Err(error) = self.engine.apply(event, &[action], now).await {
            tracing::warn!(%event, %error, "failed to forget an ended push subscription");
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(PUSHES, "outcome" => outcome).increment(1);
}

/// The time until then, in whole seconds.
fn seconds_until(then: Timestamp, now: Timestamp) -> u64 {
    then.since(now).as_secs()
}
