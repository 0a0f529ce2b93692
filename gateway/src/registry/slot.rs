//! What waits to be written to one connection: per event at most one pass, the latest position, the latest state. News
//! replaces older news of its kind, so a slow reader costs a bounded amount of memory, whatever happens meanwhile.

use parking_lot::Mutex;
use tokio::sync::Notify;
use waitingroom::{
    ids::EventId,
    line::{Grant, Lapse, QueueSettings},
};

use super::pace::Estimate;

/// Most events that one connection may follow.
const MAX_EVENTS: usize = 8;

/// A position to show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PositionNews {
    pub(crate) position: u64,
    pub(crate) total: u64,
    pub(crate) seats_left: u64,
    pub(crate) estimate: Estimate,
}

/// News of one event for one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct News {
    pub(crate) position: Option<PositionNews>,
    pub(crate) pass: Option<Grant>,
    pub(crate) lapse: Option<Lapse>,
    pub(crate) sale: Option<QueueSettings>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    news: Mutex<Vec<(EventId, News)>>,
    wake: Notify,
}

impl Slot {
    /// Returns when there is news, or at once where there was some already.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes all the news, leaving none.
    pub(crate) fn take(&self) -> Vec<(EventId, News)> {
        std::mem::take(&mut *self.news.lock())
    }

    pub(crate) fn put_position(&self, event: EventId, position: PositionNews) {
        self.put(event, |news| news.position = Some(position));
    }

    /// Drops a position that is further back than this one.
    pub(crate) fn forget_positions_above(&self, event: EventId, position: u64) {
        let mut all = self.news.lock();
        if let Some((_, news)) = all.iter_mut().find(|(known, _)| *known == event) {
            news.position.take_if(|news| news.position > position);
        }
    }

    pub(crate) fn put_pass(&self, event: EventId, grant: Grant) {
        self.put(event, |news| {
            news.position = None; // the pass is the better news
            news.pass = Some(grant);
        });
    }

    pub(crate) fn put_lapse(&self, event: EventId, lapse: Lapse) {
        self.put(event, |news| {
            *news = News { lapse: Some(lapse), sale: news.sale.take(), ..News::default() };
        });
    }

    pub(crate) fn put_sale(&self, event: EventId, settings: QueueSettings) {
        self.put(event, |news| news.sale = Some(settings));
    }

    fn put(&self, event: EventId, change: impl FnOnce(&mut News)) {
        let mut all = self.news.lock();
        let room = all.len() < MAX_EVENTS;
        match all.iter_mut().find(|(known, _)| *known == event) {
            Some((_, news)) => change(news),
            None if room => {
                let mut news = News::default();
                change(&mut news);
                all.push((event, news));
            }
            None => {} // a connection follows at most as many events, so this is news of one it has left
        }
        drop(all);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(position: u64) -> PositionNews {
        PositionNews { position, total: 9, seats_left: 1, estimate: Estimate::default() }
    }

    #[tokio::test]
    async fn the_latest_position_wins_and_a_pass_beats_it() {
        let (slot, event) = (Slot::default(), EventId::from(uuid::Uuid::nil()));
        slot.put_position(event, position(5));
        slot.put_position(event, position(4));
        slot.woken().await;
        let news = slot.take();
        assert_eq!(news[0].1.position, Some(position(4)));
        assert!(slot.take().is_empty());
    }
}
