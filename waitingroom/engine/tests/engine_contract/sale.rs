//! A sale to try an engine on: one event with one zone, its own clock, and short words for what
//! users do.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, NodeId, UserId, ZoneId},
    presence::Presence,
    queue::{Grant, Place, QueueSettings},
    rate::Throttle,
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, ZoneSeats},
};
use waitingroom_engine::{
    ActionKind, CLOCK_JUMP_THRESHOLD, JoinOutcome, OpenParams, QueueStatus, Released, SharedEngine,
    TickScope, UnservedNumbers,
};

use crate::single_action::{Join, SingleAction, browser};

pub(crate) struct Sale {
    pub(crate) engine: SharedEngine,
    pub(crate) event: EventId,
    now: AtomicI64,
    batches: AtomicU64,
}

/// Fast enough that nobody waits for the bucket.
pub(crate) fn quick() -> QueueSettings {
    QueueSettings {
        rate_per_second: 1_000.0,
        burst: 1_000,
        ..QueueSettings::default()
    }
}

pub(crate) fn opening(settings: QueueSettings, now: Timestamp) -> OpenParams {
    OpenParams {
        settings,
        epoch: "now".parse().unwrap(),
        sequence: 0,
        head: 0,
        unserved: UnservedNumbers::default(),
        mark: None,
        release_from: now,
        awaited_nodes: Vec::new(),
    }
}

impl Sale {
    pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// Open, with 100 seats.
    pub(crate) async fn open(engine: SharedEngine, settings: QueueSettings) -> Self {
        Self::open_as(engine, &opening(settings, Self::START)).await
    }

    pub(crate) async fn open_as(engine: SharedEngine, opening: &OpenParams) -> Self {
        let event = Uuid::new_v4().into();
        engine.open(event, opening, Self::START).await.unwrap();

        let sale = Self {
            engine,
            event,
            now: AtomicI64::new(Self::START.millis()),
            batches: AtomicU64::new(0),
        };
        sale.load(100).await;
        sale
    }

    pub(crate) async fn load(&self, available: u32) {
        let zones = vec![ZoneSeats {
            zone_id: zone(),
            available,
        }];

        self.load_snapshot(SeatSnapshot {
            zones,
            ..SeatSnapshot::default()
        })
        .await;
    }

    pub(crate) async fn load_snapshot(&self, snapshot: SeatSnapshot) {
        self.engine
            .load_seats(self.event, &snapshot, self.now())
            .await
            .unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    /// Time goes on, and the line with it.
    pub(crate) async fn wait(&self, ms: i64) {
        for done in (0..ms).step_by(CLOCK_JUMP_THRESHOLD.as_millis() as usize) {
            self.leap((ms - done).min(CLOCK_JUMP_THRESHOLD.as_millis() as i64));
            self.detach("nobody", "nowhere").await;
        }
    }

    /// Time goes on, and the line cannot be reached meanwhile.
    pub(crate) fn leap(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// In so many milliseconds.
    pub(crate) fn after(&self, ms: i64) -> Timestamp {
        Timestamp::from_millis(self.now().millis() + ms)
    }

    pub(crate) async fn configure(&self, settings: QueueSettings) {
        self.engine.configure(self.event, &settings).await.unwrap();
    }

    pub(crate) async fn status(&self) -> QueueStatus {
        self.engine.status(self.event).await.unwrap()
    }

    pub(crate) async fn seats_left(&self) -> u64 {
        let (status, zones) = (
            self.status().await,
            self.engine.seats(self.event).await.unwrap(),
        );
        assert_eq!(
            status.seats_left,
            zones
                .iter()
                .map(|zone| u64::from(zone.available))
                .sum::<u64>()
        );
        status.seats_left
    }

    /// On node `n1`.
    pub(crate) async fn join(&self, name: &str) -> Place {
        match self.try_join(name, at("n1"), None).await {
            JoinOutcome::Joined(place) | JoinOutcome::Same(place) => place,
            refused => panic!("{refused:?}"),
        }
    }

    pub(crate) async fn try_join(
        &self,
        name: &str,
        presence: Presence,
        ticket: Option<(&str, u64)>,
    ) -> JoinOutcome {
        let ticket = ticket.map(|(epoch, number)| (epoch.parse().unwrap(), number));
        let join = Join {
            event_id: self.event,
            user: user(name),
            presence,
            ticket,
        };
        self.engine.join(&join, self.now()).await.unwrap()
    }

    pub(crate) async fn resume(&self, name: &str, presence: Presence) -> Option<Place> {
        self.engine
            .resume(self.event, &user(name), &presence, self.now())
            .await
            .unwrap()
    }

    pub(crate) async fn detach(&self, name: &str, from: &str) {
        self.engine
            .detach(self.event, &user(name), &node(from), self.now())
            .await
            .unwrap();
    }

    pub(crate) async fn leave(&self, name: &str) -> bool {
        self.engine
            .leave(self.event, &user(name), self.now())
            .await
            .unwrap()
            .is_some()
    }

    pub(crate) async fn acknowledge(&self, name: &str, grant: &Grant) -> bool {
        self.engine
            .acknowledge(self.event, &user(name), &grant.pass_id, self.now())
            .await
            .unwrap()
    }

    /// With a browser of this name.
    pub(crate) async fn subscribe(&self, name: &str, device: &str) -> bool {
        let kind = ActionKind::Subscribe(browser(device));
        self.act(name, kind).await
    }

    /// The browser of this name, or all of them.
    pub(crate) async fn unsubscribe(&self, name: &str, device: Option<&str>) -> bool {
        let endpoint = device.map(|device| browser(device).endpoint().to_owned());
        self.act(name, ActionKind::Unsubscribe(endpoint)).await
    }

    async fn act(&self, name: &str, kind: ActionKind) -> bool {
        let (user, now) = (user(name), self.now());
        let acted = self.engine.act_alone(self.event, &user, kind, now).await;
        acted.unwrap().into_done().unwrap()
    }

    /// True where the node was alive until now.
    pub(crate) async fn report(&self, name: &str) -> bool {
        self.engine
            .report_node(self.event, &node(name), self.now())
            .await
            .unwrap()
    }

    pub(crate) async fn release(&self) -> Released {
        self.release_at_most(1_000).await
    }

    pub(crate) async fn release_at_most(&self, limit: u32) -> Released {
        let batch = format!("b{}", self.batches.fetch_add(1, Ordering::SeqCst));
        self.engine
            .release(
                self.event,
                &batch,
                limit,
                Default::default(),
                TickScope::Full,
                self.now(),
            )
            .await
            .unwrap()
    }

    /// A step of passes alone.
    pub(crate) async fn release_passes(&self, limit: u32) -> Released {
        let batch = format!("b{}", self.batches.fetch_add(1, Ordering::SeqCst));
        self.engine
            .release(
                self.event,
                &batch,
                limit,
                Default::default(),
                TickScope::GrantsOnly,
                self.now(),
            )
            .await
            .unwrap()
    }

    /// At this part of the rate, as decided now.
    pub(crate) async fn release_at(&self, part: f64) -> Released {
        self.release_as(Throttle {
            factor: part,
            decided_at: self.now(),
        })
        .await
    }

    pub(crate) async fn release_as(&self, share: Throttle) -> Released {
        let batch = format!("b{}", self.batches.fetch_add(1, Ordering::SeqCst));
        self.engine
            .release(
                self.event,
                &batch,
                1_000,
                share,
                TickScope::Full,
                self.now(),
            )
            .await
            .unwrap()
    }

    /// A pass for someone who joins now, acknowledged.
    pub(crate) async fn pass(&self, name: &str) -> Grant {
        self.join(name).await;
        self.release().await;

        let grant = self
            .resume(name, Presence::Poll)
            .await
            .unwrap()
            .grant
            .expect("the line is quick and has seats");
        self.resume(name, at("n1")).await;
        grant
    }

    pub(crate) fn request(&self, name: &str, grant: &Grant, quantity: u32) -> Reserve {
        Reserve {
            event_id: self.event,
            user: user(name),
            zone_id: zone(),
            quantity,
            pass_id: grant.pass_id.clone(),
            pass_epoch: grant.epoch.clone(),
            pass_expires_at: grant.expires_at,
            idempotency: None,
            booking_id: Uuid::new_v4().into(),
            hold_expires_at: self.after(600_000),
            user_limit: 10,
        }
    }

    pub(crate) async fn reserve(&self, request: &Reserve) -> ReserveOutcome {
        self.engine.reserve(request, self.now()).await.unwrap()
    }

    /// Held seats of someone who joins now: the request that holds them.
    pub(crate) async fn hold(&self, name: &str, quantity: u32) -> Reserve {
        let grant = self.pass(name).await;
        let request = self.request(name, &grant, quantity);
        assert_eq!(self.reserve(&request).await, ReserveOutcome::Held);
        request
    }

    pub(crate) async fn settle(&self, booking: BookingId, settlement: Settlement) {
        self.engine
            .settle(self.event, &[(booking, settlement)], self.now())
            .await
            .unwrap();
    }
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

pub(crate) fn at(name: &str) -> Presence {
    Presence::Node(node(name))
}

pub(crate) fn zone() -> ZoneId {
    Uuid::from_u128(0xb000).into()
}

/// Who was released, in order.
pub(crate) fn names(released: &Released) -> Vec<&str> {
    released
        .granted
        .iter()
        .map(|grant| grant.user.as_str())
        .collect()
}

/// Whose pass or place ended, and how.
pub(crate) fn lapses(released: &Released) -> Vec<(&str, waitingroom_domain::queue::Removal)> {
    released
        .removals
        .iter()
        .map(|lapse| (lapse.user.as_str(), lapse.payload))
        .collect()
}
