//! Connections with news that can wait a moment: a step of the line moves thousands of positions at
//! once, and whoever gets a pass meanwhile is not to stand behind them. They are woken a few at a
//! time, and others have their turn in between.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::mailbox::Mailbox;

/// Connections that are woken together at least: each pass waits for as many.
const MIN_BATCH: usize = 32;
/// The part of those who wait that is woken together where they are more: each 2 ms, 25,000 are
/// told in a second, 100,000 in two.
const BATCH_DIVISOR: usize = 256;

/// See the module's documentation. A connection stands here once, however often its news is
/// replaced.
#[derive(Debug, Default)]
pub(crate) struct WakeQueue(Mutex<VecDeque<Arc<Mailbox>>>);

impl WakeQueue {
    /// This connection is to be woken later.
    pub(crate) fn push(&self, mailbox: &Arc<Mailbox>) {
        self.0.lock().push_back(Arc::clone(mailbox));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Wakes the next few. Whose news was told meanwhile, together with other news, is not woken
    /// for it.
    pub(crate) fn wake_batch(&self) {
        let mut waiting = self.0.lock();
        let some = MIN_BATCH
            .max(waiting.len() / BATCH_DIVISOR)
            .min(waiting.len());
        waiting
            .drain(..some)
            .for_each(|mailbox| mailbox.wake_for_updates());
        if waiting.is_empty() {
            waiting.shrink_to(MIN_BATCH);
        }
    }
}

#[cfg(test)]
mod tests {
    use waitingroom::line::QueueSettings;

    use super::*;

    fn is_woken(mailbox: &Mailbox) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        mailbox.poll_wake(&mut context).is_ready()
    }

    #[test]
    fn a_few_are_woken_at_a_time_in_order_and_each_once() {
        let (queue, event) = (WakeQueue::default(), uuid::Uuid::nil().into());
        let mailboxes: Vec<Arc<Mailbox>> = (0..MIN_BATCH + 2).map(|_| Arc::default()).collect();
        for mailbox in mailboxes.iter().chain(&mailboxes) {
            if mailbox.set_sale_quietly(event, Arc::new(QueueSettings::default())) {
                queue.push(mailbox);
            }
        }
        assert!(mailboxes.iter().all(|mailbox| !is_woken(mailbox)));
        mailboxes[1].drain(); // told with other news
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
    fn a_crowd_is_woken_in_larger_parts() {
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
