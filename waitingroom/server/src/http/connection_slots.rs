//! A bounded number of connections. If all slots are taken, an idle connection
//! is evicted for a new one.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A connection is not evicted for this long after a response, the end of which may
/// still be on its way.
const EVICTION_GRACE: Duration = Duration::from_secs(2);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    max: usize,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    open: usize,
    next: u64,
    /// Connections that may be evicted, in this order.
    idle: BTreeMap<EvictionOrder, Arc<Notify>>,
}

/// Never used connections go before used ones, the longest idle first.
type EvictionOrder = (IdleKind, Instant, u64);

/// Why a connection is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum IdleKind {
    /// It has not sent a request yet.
    NeverUsed,
    /// It is between two requests.
    BetweenRequests,
}

impl IdleKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::NeverUsed => "silent",
            Self::BetweenRequests => "idle",
        }
    }
}

/// One connection's slot; free again when it is dropped, or when the connection is
/// evicted.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    number: u64,
    evict: Arc<Notify>,
    current: Mutex<SlotUse>,
}

#[derive(Debug)]
enum SlotUse {
    /// It is in `idle` under this key, unless it was evicted.
    Idle(EvictionOrder),
    /// A request is being served, or it is a socket or a stream: it is never evicted.
    Busy,
    Evicted,
}

impl ConnectionSlots {
    /// Slots for so many connections.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            state: Mutex::default(),
        })
    }

    /// A slot for a new connection. `None` if every slot is taken by
    /// a busy one.
    pub(super) fn acquire(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let now = Instant::now();
        let evict = Arc::new(Notify::new());
        let mut state = self.state.lock();

        if state.open >= self.max {
            state.evict(now)?;
        }

        state.open += 1;
        state.next += 1;

        let number = state.next;
        let key = (IdleKind::NeverUsed, now, number);

        state.idle.insert(key, Arc::clone(&evict));
        drop(state);

        Some(ConnectionSlot {
            slots: Arc::clone(self),
            number,
            evict,
            current: Mutex::new(SlotUse::Idle(key)),
        })
    }

    /// Evicts the first idle connection, if there is one: its descriptor is needed.
    pub(super) fn evict_one(&self) -> bool {
        self.state.lock().evict(Instant::now()).is_some()
    }

    /// Are nine of ten slots taken?
    pub(super) fn is_crowded(&self) -> bool {
        self.open() >= self.max - self.max / 10
    }

    /// How many slots are taken.
    pub(super) fn open(&self) -> usize {
        self.state.lock().open
    }
}

impl SlotState {
    fn evict(&mut self, now: Instant) -> Option<()> {
        let first = self.idle.first_entry()?;
        let (idle, since, _) = *first.key();

        if idle == IdleKind::BetweenRequests
            && now.saturating_duration_since(since) < EVICTION_GRACE
        {
            return None;
        }

        first.remove().notify_one();
        self.open -= 1;
        metrics::counter!(crate::metric_definitions::CONNECTIONS_EVICTED, "reason" => idle.as_str())
            .increment(1);

        Some(())
    }
}

impl ConnectionSlot {
    /// A request begins. False if the connection was just evicted.
    pub(super) fn begin_request(&self) -> bool {
        let mut current = self.current.lock();
        if let SlotUse::Idle(key) = *current {
            let stayed = self.slots.state.lock().idle.remove(&key).is_some();
            *current = if stayed {
                SlotUse::Busy
            } else {
                SlotUse::Evicted
            };
        }

        !matches!(*current, SlotUse::Evicted)
    }

    /// The response is written.
    pub(super) fn end_request(&self) {
        let mut current = self.current.lock();
        if matches!(*current, SlotUse::Busy) {
            let key = (IdleKind::BetweenRequests, Instant::now(), self.number);
            self.slots
                .state
                .lock()
                .idle
                .insert(key, Arc::clone(&self.evict));
            *current = SlotUse::Idle(key);
        }
    }

    /// Returns when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Are most slots taken?
    pub(super) fn is_crowded(&self) -> bool {
        self.slots.is_crowded()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut state = self.slots.state.lock();
        let stayed = match *self.current.get_mut() {
            SlotUse::Idle(key) => state.idle.remove(&key).is_some(),
            SlotUse::Busy => true,
            SlotUse::Evicted => false,
        };

        if stayed {
            state.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_longest_silence_gives_way_and_who_is_answered_never_does() {
        let slots = ConnectionSlots::new(3);
        let (first, second, busy) = (
            slots.acquire().unwrap(),
            slots.acquire().unwrap(),
            slots.acquire().unwrap(),
        );

        assert!(busy.begin_request() && slots.is_crowded());
        let third = slots.acquire().unwrap();

        assert!(
            first.evicted().now_or_never().is_some() && second.evicted().now_or_never().is_none()
        );
        assert!(!first.begin_request(), "its slot is another's");
        assert!(second.begin_request() && third.begin_request());
        assert!(slots.acquire().is_none(), "all are busy");
        assert_eq!(slots.open(), 3);
        drop(first);
        assert_eq!(slots.open(), 3, "what gave way is not counted twice");
        drop((second, third, busy));

        assert_eq!(slots.open(), 0);
    }

    #[test]
    fn who_was_just_answered_is_left_alone_for_a_while() {
        let slots = ConnectionSlots::new(1);
        let slot = slots.acquire().unwrap();
        assert!(slot.begin_request());
        slot.end_request();
        assert!(slots.acquire().is_none());
        let later = Instant::now() + EVICTION_GRACE;
        assert!(slots.state.lock().evict(later).is_some());
        assert!(!slot.begin_request() && slots.open() == 0);
    }

    #[test]
    fn silence_gives_way_before_rest() {
        let slots = ConnectionSlots::new(2);
        let (asked, silent) = (slots.acquire().unwrap(), slots.acquire().unwrap());

        assert!(asked.begin_request());
        asked.end_request();
        assert!(
            slots
                .state
                .lock()
                .evict(Instant::now() + EVICTION_GRACE)
                .is_some()
        );
        assert!(asked.begin_request() && !silent.begin_request());
    }
}
