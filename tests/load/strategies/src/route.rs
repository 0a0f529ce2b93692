//! The strategies of the bare gateways: where a connection listens for its pass.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::{Client, aio::PubSub};
use tokio::sync::oneshot;

use crate::{cli::Strategy, message::ToBrowser};

/// The channel of one user.
pub fn user_channel(user: &str) -> String {
    format!("pass:{user}")
}

/// The one channel of the event.
pub const EVENT_CHANNEL: &str = "passes";

/// The one channel of the gateway.
pub const NODE_CHANNEL: &str = "node:1";

/// What a strategy has in common for all connections of a gateway.
#[derive(Clone)]
pub enum Route {
    User(Client),
    Event(Client),
    Node(Desk),
}

/// Who waits for a pass of the node's channel: nobody's map is touched but for joining, leaving and
/// receiving.
pub type Desk = Arc<Mutex<HashMap<String, oneshot::Sender<String>>>>;

/// Where one connection's pass arrives.
pub enum Ear {
    /// On a Redis connection of its own.
    Own { subscription: PubSub, user: String },
    /// From the node's subscriber.
    Shared(oneshot::Receiver<String>),
}

impl Route {
    /// Connects what all connections share.
    ///
    /// # Errors
    /// A Redis that does not answer.
    pub async fn open(strategy: Strategy, redis: &str) -> Result<Self> {
        let client = Client::open(redis)?;
        match strategy {
            Strategy::UserChannel => Ok(Self::User(client)),
            Strategy::EventChannel => Ok(Self::Event(client)),
            Strategy::NodeChannel | Strategy::Stanchion => {
                let desk = Desk::default();
                let subscription = subscribe(&client, NODE_CHANNEL).await?;
                tokio::spawn(hand_out(subscription, Arc::clone(&desk)));
                Ok(Self::Node(desk))
            }
        }
    }

    /// Begins to listen for one user; returns once a pass would be heard.
    ///
    /// # Errors
    /// A Redis that does not answer.
    pub async fn listen(&self, user: String) -> Result<Ear> {
        match self {
            Self::User(client) => Ok(Ear::Own {
                subscription: subscribe(client, &user_channel(&user)).await?,
                user,
            }),
            Self::Event(client) => Ok(Ear::Own {
                subscription: subscribe(client, EVENT_CHANNEL).await?,
                user,
            }),
            Self::Node(desk) => {
                let (sender, receiver) = oneshot::channel();
                desk.lock().insert(user, sender);
                Ok(Ear::Shared(receiver))
            }
        }
    }
}

impl Ear {
    /// The user's pass.
    ///
    /// # Errors
    /// A subscription that ended.
    pub async fn pass(&mut self) -> Result<String> {
        match self {
            Self::Shared(receiver) => receiver.await.context("the node's subscription ended"),
            Self::Own { subscription, user } => {
                let mut messages = subscription.on_message();
                loop {
                    let message = messages
                        .next()
                        .await
                        .context("Redis closed the subscription")?;
                    let payload: String = message.get_payload()?;
                    if is_for(&payload, user) {
                        return Ok(payload);
                    }
                }
            }
        }
    }
}

async fn subscribe(client: &Client, channel: &str) -> Result<PubSub> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(channel).await?;
    Ok(subscription)
}

/// What every subscriber of an event's channel does with every message.
fn is_for(payload: &str, user: &str) -> bool {
    matches!(serde_json::from_str(payload), Ok(ToBrowser::Pass { user: theirs, .. }) if theirs == user)
}

/// Takes each batch apart and hands every pass to the connection that waits for it.
async fn hand_out(mut subscription: PubSub, desk: Desk) {
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        let passes: Vec<(String, String)> =
            serde_json::from_slice(message.get_payload_bytes()).unwrap_or_default();
        for (user, pass) in passes {
            let waiting = desk.lock().remove(&user);
            if let Some(waiting) = waiting {
                let _ = waiting.send(pass); // the browser may have gone
            }
        }
    }
}
