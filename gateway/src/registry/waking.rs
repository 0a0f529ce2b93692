//! Connections with news that can wait a moment: a step of the line moves thousands of positions at once, and whoever gets a
//! pass meanwhile is not to stand behind them. They are woken a few at a time, and others have their turn in between.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::slot::{Due, Slot};

/// See the module's documentation. A connection stands here once, however often its news is replaced.
#[derive(Debug, Default)]
pub(super) struct Waking(Mutex<VecDeque<Arc<Slot>>>);

impl Waking {
    /// This connection is to be woken later.
    pub(super) fn add(&self, slot: &Arc<Slot>) {
        self.0.lock().push_back(Arc::clone(slot));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Wakes the next few.
    pub(super) fn wake(&self, count: usize) {
        let mut waiting = self.0.lock();
        let some = count.min(waiting.len());
        waiting.drain(..some).for_each(|slot| slot.wake(Due::NEWS));
        if waiting.is_empty() {
            waiting.shrink_to(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use waitingroom::line::QueueSettings;

    use super::*;

    fn is_woken(slot: &Slot) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        slot.poll_due(&mut context).is_ready()
    }

    #[test]
    fn a_few_are_woken_at_a_time_in_order_and_each_once() {
        let (waking, event) = (Waking::default(), uuid::Uuid::nil().into());
        let slots: Vec<Arc<Slot>> = (0..5).map(|_| Arc::default()).collect();
        for slot in slots.iter().chain(&slots) {
            if slot.lay_sale(event, Arc::new(QueueSettings::default())) {
                waking.add(slot);
            }
        }
        assert!(slots.iter().all(|slot| !is_woken(slot)));
        waking.wake(3);
        assert_eq!(slots.iter().map(|slot| is_woken(slot)).collect::<Vec<_>>(), [true, true, true, false, false]);
        waking.wake(3);
        assert_eq!(slots.iter().map(|slot| is_woken(slot)).collect::<Vec<_>>(), [false, false, false, true, true]);
        assert!(waking.is_empty());
    }
}
