//! Connections with updates that can wait: a progress message moves thousands of positions at once,
//! and passes must not wait behind them. Connections are woken in batches; other tasks run in
//! between.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::mailbox::Mailbox;

/// Min connections in a batch: each pass may wait for as many.
const MIN_BATCH: usize = 32;
/// In a long queue, this part of it is a batch: with a batch each 2 ms, 25,000 connections are
/// woken in one second, 100,000 in two.
const BATCH_DIVISOR: usize = 256;

/// See the module's documentation. A connection is queued once, however often its updates are
/// replaced.
#[derive(Debug, Default)]
pub(crate) struct WakeQueue(Mutex<VecDeque<Arc<Mailbox>>>);

impl WakeQueue {
    /// Queues a connection.
    pub(crate) fn push(&self, mailbox: &Arc<Mailbox>) {
        self.0.lock().push_back(Arc::clone(mailbox));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Wakes the next batch. A connection whose updates were written meanwhile is not woken.
    pub(crate) fn wake_batch(&self) {
        let mut waiting = self.0.lock();
        let batch = MIN_BATCH
            .max(waiting.len() / BATCH_DIVISOR)
            .min(waiting.len());

        waiting
            .drain(..batch)
            .for_each(|mailbox| mailbox.wake_for_updates());

        if waiting.is_empty() {
            waiting.shrink_to(MIN_BATCH);
        }
    }
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::queue::QueueSettings;

    use super::*;

    fn is_woken(mailbox: &Mailbox) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        mailbox.poll_wake(&mut context).is_ready()
    }

    #[test]
    fn wakes_in_order_and_each_once() {
        let (queue, event) = (WakeQueue::default(), uuid::Uuid::nil().into());
        let mailboxes: Vec<Arc<Mailbox>> = (0..MIN_BATCH + 2).map(|_| Arc::default()).collect();

        for mailbox in mailboxes.iter().chain(&mailboxes) {
            if mailbox.set_sale_quietly(event, Arc::new(QueueSettings::default())) {
                queue.push(mailbox);
            }
        }

        assert!(mailboxes.iter().all(|mailbox| !is_woken(mailbox)));
        mailboxes[1].drain(); // written with other updates
        queue.wake_batch();

        let woken: Vec<usize> = (0..mailboxes.len())
            .filter(|index| is_woken(&mailboxes[*index]))
            .collect();
        assert_eq!(
            woken,
            [0].into_iter().chain(2..MIN_BATCH).collect::<Vec<_>>()
        );
        assert!(!queue.is_empty());
        queue.wake_batch();

        assert!(
            mailboxes[MIN_BATCH..]
                .iter()
                .all(|mailbox| is_woken(mailbox))
                && queue.is_empty()
        );
    }

    #[test]
    fn wakes_larger_batches_when_queue_is_long() {
        let (queue, event) = (WakeQueue::default(), uuid::Uuid::nil().into());
        let mailboxes: Vec<Arc<Mailbox>> =
            (0..BATCH_DIVISOR * 100).map(|_| Arc::default()).collect();

        for mailbox in &mailboxes {
            assert!(mailbox.set_sale_quietly(event, Arc::new(QueueSettings::default())));
            queue.push(mailbox);
        }

        let steps = std::iter::repeat_with(|| queue.wake_batch())
            .take_while(|()| !queue.is_empty())
            .count();
        assert!(
            (400..600).contains(&steps),
            "{steps} steps of 2 ms: about a second for 25,600"
        );
    }
}
