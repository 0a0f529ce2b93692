//! One admission tick of one event: release, then signal the nodes that hold the users. The passes
//! are in the engine before any signal is sent; a tick that dies half-way is repaired by the next,
//! which sends every unacknowledged pass again.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;
use waitingroom_domain::{
    clock::Clock,
    ids::{EventId, NodeId, UserId},
    queue::{Progress, Routed},
    rate::Throttle,
};
use waitingroom_engine::{EngineError, Released, SharedEngine, TickScope};
use waitingroom_messaging::signal::{Recipient, Signal, Signals};

use crate::push::PushQueue;

/// The result of one tick.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TickReport {
    /// Passes released.
    pub(crate) released: usize,
    /// The queue after the tick.
    pub(crate) progress: Progress,
    /// What gateways are to be sent.
    pub(crate) signals: Vec<(Recipient, Signal)>,
}

/// Carries out ticks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TickService {
    pub(crate) engine: SharedEngine,
    pub(crate) signals: Arc<dyn Signals>,
    pub(crate) clock: Clock,
    /// Maximum of passes in one tick.
    pub(crate) batch_limit: u32,
    /// Where users asked to be notified by a push.
    pub(crate) pushes: PushQueue,
}

impl TickService {
    /// Every event that has ticks.
    pub(crate) async fn events(&self) -> Result<Vec<EventId>, EngineError> {
        self.engine.events().await
    }

    /// One admission tick, up to the signals that are to be sent. `last_published` is the progress
    /// that this worker published last; the queue's progress is sent if it differs, and by full
    /// ticks only: passes that go out in between are sent by themselves.
    #[tracing::instrument(level = "debug", skip_all, fields(%event, ?scope))]
    pub(crate) async fn tick(
        &self,
        event: EventId,
        throttle: Throttle,
        scope: TickScope,
        last_published: Option<&Progress>,
    ) -> Result<TickReport, EngineError> {
        let batch = Uuid::new_v4().simple().to_string();
        let (limit, now) = (self.batch_limit, self.clock.now());
        let released = self
            .engine
            .release(event, &batch, limit, throttle, scope, now)
            .await?;

        record_metrics(event, &released);
        self.pushes.push(event, &released);

        Ok(TickReport {
            signals: outgoing_signals(event, &released, scope, last_published),
            released: released.granted.len(),
            progress: released.progress,
        })
    }

    /// Signals that cannot be sent are logged: the next tick repairs them.
    pub(crate) async fn send_signals(&self, event: EventId, signals: &[(Recipient, Signal)]) {
        if let Err(error) = self.signals.send(signals).await {
            tracing::warn!(%event, %error, "failed to publish grants; will be republished");
        }
    }
}

/// At most one message a node for passes, one for removals, and one for all nodes.
fn outgoing_signals(
    event_id: EventId,
    released: &Released,
    scope: TickScope,
    last_published: Option<&Progress>,
) -> Vec<(Recipient, Signal)> {
    let passes = by_node(released.granted.iter().chain(&released.unacknowledged));
    let removals = by_node(released.removals.iter());
    let passes = passes
        .into_iter()
        .map(|(node, passes)| (Recipient::Node(node), Signal::Passes { event_id, passes }));
    let removals = removals
        .into_iter()
        .map(|(node, users)| (Recipient::Node(node), Signal::Removals { event_id, users }));
    let changed = scope == TickScope::Full && has_changed(&released.progress, last_published);
    let progress = changed.then(|| Signal::Progress(released.progress.clone()));

    passes
        .chain(removals)
        .chain(progress.map(|signal| (Recipient::AllNodes, signal)))
        .collect()
}

fn by_node<'a, T: Clone + 'a>(
    messages: impl Iterator<Item = &'a Routed<T>>,
) -> BTreeMap<NodeId, Vec<(UserId, T)>> {
    let mut nodes: BTreeMap<NodeId, Vec<(UserId, T)>> = BTreeMap::new();
    for message in messages {
        for node in &message.nodes {
            nodes
                .entry(node.clone())
                .or_default()
                .push((message.user.clone(), message.payload.clone()));
        }
    }

    nodes
}

fn has_changed(progress: &Progress, last_published: Option<&Progress>) -> bool {
    progress.from != progress.to
        || last_published.is_none_or(|last| {
            let unchanged = Progress {
                from: last.from,
                removed: last.removed.clone(),
                ..progress.clone()
            };
            *last != unchanged
        })
}

fn record_metrics(event: EventId, released: &Released) {
    let event = event.to_string();
    metrics::counter!(crate::metric_definitions::PASSES_RELEASED, "event" => event.clone())
        .increment(released.granted.len() as u64);
    metrics::counter!(crate::metric_definitions::PASSES_REPUBLISHED, "event" => event.clone())
        .increment(released.unacknowledged.len() as u64);
    metrics::gauge!(crate::metric_definitions::QUEUE_LENGTH, "event" => event.clone())
        .set(released.progress.total as f64);
    metrics::gauge!(crate::metric_definitions::RELEASE_RATE, "event" => event.clone())
        .set(released.progress.rate_effective());

    metrics::gauge!(crate::metric_definitions::ACTIVE_PASSES, "event" => event)
        .set(released.progress.active as f64);
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::{
        clock::Timestamp,
        queue::{Grant, QueueSettings},
    };

    use super::*;

    fn grant(number: u64) -> Grant {
        Grant {
            pass_id: format!("b-{number}").parse().unwrap(),
            number,
            epoch: "e".parse().unwrap(),
            issued_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(1),
        }
    }

    fn addressed(user: &str, nodes: &[&str], number: u64) -> Routed<Grant> {
        let nodes = nodes.iter().map(|node| node.parse().unwrap()).collect();
        Routed {
            user: user.parse().unwrap(),
            nodes,
            payload: grant(number),
        }
    }

    fn progress() -> Progress {
        Progress {
            event_id: Uuid::nil().into(),
            epoch: "e".parse().unwrap(),
            from: 3,
            to: 3,
            removed: vec![],
            total: 5,
            active: 2,
            seats_left: 9,
            settings: QueueSettings::default(),
            share: 1.0,
            released: None,
            present: None,
            passed_over: 0,
            counting: false,
            seats_known: true,
        }
    }

    #[test]
    fn passes_of_one_step_are_one_message_a_node() {
        let released = Released {
            granted: vec![
                addressed("ann", &["n1"], 1),
                addressed("bob", &["n2"], 2),
                addressed("cy", &["n1", "n2"], 3),
            ],
            unacknowledged: vec![addressed("old", &["n1"], 0), addressed("poller", &[], 4)],
            pushes: vec![],
            removals: vec![],
            progress: progress(),
        };
        let sent = outgoing_signals(
            Uuid::nil().into(),
            &released,
            TickScope::Full,
            Some(&progress()),
        );

        let count = |signal: &Signal| match signal {
            Signal::Passes { passes, .. } => passes.len(),
            _ => 0,
        };
        let sizes: Vec<usize> = sent.iter().map(|(_, signal)| count(signal)).collect();

        assert_eq!(
            sizes,
            [3, 2],
            "n1: ann, cy, old; n2: bob, cy; and no news of the line"
        );
    }

    #[test]
    fn the_line_is_told_when_it_changed() {
        let quiet = Released {
            granted: vec![],
            unacknowledged: vec![],
            pushes: vec![],
            removals: vec![],
            progress: progress(),
        };
        assert!(
            outgoing_signals(
                Uuid::nil().into(),
                &quiet,
                TickScope::Full,
                Some(&progress())
            )
            .is_empty()
        );
        assert_eq!(
            outgoing_signals(Uuid::nil().into(), &quiet, TickScope::Full, None).len(),
            1
        );
        assert!(
            outgoing_signals(Uuid::nil().into(), &quiet, TickScope::GrantsOnly, None).is_empty(),
            "that is for the next whole step"
        );

        let moved = Progress {
            total: 4,
            ..progress()
        };
        assert_eq!(
            outgoing_signals(Uuid::nil().into(), &quiet, TickScope::Full, Some(&moved)).len(),
            1
        );

        let after_removals = Progress {
            from: 1,
            removed: vec![1, 2],
            ..progress()
        };
        assert!(
            outgoing_signals(
                Uuid::nil().into(),
                &quiet,
                TickScope::Full,
                Some(&after_removals)
            )
            .is_empty()
        );
    }
}
