//! A whole house sold by a crowd that buys, cancels and forgets: every seat once, and everybody who
//! counts agrees: Redis, the database, and whoever keeps books by the messages alone.
//!
//! `SEATS=900000 cargo test --release -p booking --test servers sold_out` (below
//! `tests/services/run`) sells the reference data's house.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use booking::{BookingConfig, store::HoldResolution};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;
use waitingroom_domain::{clock::Clock, ids::BookingId, queue::Grant};

use crate::{
    app::{Answer, TestApp, admin, token},
    databases,
    instances::{path, redis},
    jetstream,
    ledger::{Ledger, Publication},
};

const ZONES: u64 = 45;
const BUYERS: usize = 32;
/// Seconds. Each round ends with a leap of the clock over it: far ahead of Redis' own, and no
/// commit under way is to be taken for lost.
const HOLD: u64 = 600;

/// What became of the bookings, in numbers: of bookings, and of seats.
#[derive(Debug, Default)]
struct Books {
    reserved: AtomicU64,
    confirmed: AtomicU64,
    cancelled: AtomicU64,
    forgotten: AtomicU64,
    seats_confirmed: AtomicU64,
    seats_forgotten: AtomicU64,
}

struct House {
    apps: [TestApp; 2],
    publication: Publication,
    books: Books,
    /// Zones that refused even a single seat.
    full: Vec<AtomicU64>,
    users: AtomicU64,
}

fn seats() -> u64 {
    std::env::var("SEATS")
        .ok()
        .and_then(|seats| seats.parse().ok())
        .unwrap_or(2_700)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sells_every_seat_once() {
    let capacity = seats() / ZONES;
    let house = Arc::new(House::open(capacity).await);
    while house.books.seats_confirmed.load(Ordering::SeqCst) < capacity * ZONES {
        sell_what_is_there(&house).await;
        house.let_holds_end().await;
    }
    house.agrees(capacity).await;
}

/// Buyers come until there is nothing left to reserve.
async fn sell_what_is_there(house: &Arc<House>) {
    house
        .full
        .iter()
        .for_each(|full| full.store(0, Ordering::SeqCst));

    let buyers = (0..BUYERS).map(|number| {
        let house = Arc::clone(house);
        tokio::spawn(async move { while house.buy(number).await {} })
    });
    join_all(buyers).await.into_iter().for_each(Result::unwrap);
}

impl House {
    async fn open(capacity: u64) -> Self {
        let publication = Publication::open(&jetstream::server()).await;
        let config = BookingConfig {
            subject_prefix: publication.name.clone(),
            ..BookingConfig::default()
        };
        let (store, engine, clock) = (
            databases::postgres().await,
            redis().await,
            Clock::manual(Clock::System.now()),
        );

        let open = || {
            TestApp::publishing(
                store.clone(),
                engine.clone(),
                clock.clone(),
                config.clone(),
                publication.bus.clone(),
            )
        };
        let mut first = open().await;
        let zones: Vec<_> = (0..ZONES)
            .map(|zone| json!({"name": format!("Zone {zone}"), "capacity": capacity, "unit_price": 1}))
            .collect();
        let body = json!({
            "name": "The whole house", "max_seats_per_user": 10, "hold_seconds": HOLD, "currency": "THB",
            "shows": [{"name": "The show", "zones": zones}],
        });
        let created = first
            .send("POST", "/admin/events", Some(&admin()), &[], Some(body))
            .await
            .body;
        let show = &created["shows"][0];
        let id = |value: &Value| value.as_str().unwrap().to_owned();

        first.event = id(&created["event_id"]).parse().unwrap();
        first.show = id(&show["show_id"]);
        first.zones = show["zones"]
            .as_array()
            .unwrap()
            .iter()
            .map(|zone| id(&zone["zone_id"]))
            .collect();

        let mut second = open().await; // which reads the catalogue as it is now
        (second.event, second.show, second.zones) =
            (first.event, first.show.clone(), first.zones.clone());

        let full = (0..ZONES).map(|_| AtomicU64::default()).collect();
        Self {
            apps: [first, second],
            publication,
            books: Books::default(),
            full,
            users: AtomicU64::default(),
        }
    }

    /// One buyer's visit; false where every zone is full.
    async fn buy(&self, number: usize) -> bool {
        let user = self.users.fetch_add(1, Ordering::SeqCst);
        let (app, dice) = (&self.apps[number % 2], mixed(user));
        let open = |zone: &u64| self.full[*zone as usize].load(Ordering::SeqCst) == 0;
        let Some(zone) = (0..ZONES).map(|step| (dice + step) % ZONES).find(open) else {
            return false;
        };
        let name = format!("buyer-{user}");
        let pass = self.pass(&name, user);
        let wanted = 1 + (dice >> 8) as u32 % 10;
        let mut answer = patiently(app, &name, &pass, zone, wanted).await;

        if answer.code() == "INSUFFICIENT_SEATS" {
            answer = patiently(app, &name, &pass, zone, 1).await;
        }

        match (answer.status.as_u16(), answer.code()) {
            (201, _) => self.apply_transitions(app, &name, &answer, dice).await,
            (409, "INSUFFICIENT_SEATS") => self.full[zone as usize].store(1, Ordering::SeqCst),
            _ => panic!("{answer:?}"),
        }

        true
    }

    async fn apply_transitions(&self, app: &TestApp, user: &str, reserved: &Answer, dice: u64) {
        let (books, seats) = (&self.books, reserved.body["quantity"].as_u64().unwrap());
        books.reserved.fetch_add(1, Ordering::SeqCst);

        let transition = match (dice >> 16) % 10 {
            0..7 => "confirm",
            7 => "cancel",
            _ => {
                books.forgotten.fetch_add(1, Ordering::SeqCst);
                books.seats_forgotten.fetch_add(seats, Ordering::SeqCst);
                return;
            }
        };
        let decided = app
            .post(&path(&reserved.body, transition), &token(user))
            .await;

        assert_eq!(decided.status, 200, "{decided:?}");

        if transition == "confirm" {
            books.confirmed.fetch_add(1, Ordering::SeqCst);
            books.seats_confirmed.fetch_add(seats, Ordering::SeqCst);
        } else {
            books.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A pass of an earlier line: good once, as any, and no need to wait for it.
    fn pass(&self, user: &str, number: u64) -> String {
        let app = &self.apps[0];
        let grant = Grant {
            pass_id: format!("sold-{number}").parse().unwrap(),
            number,
            epoch: "earlier".parse().unwrap(),
            issued_at: app.clock.now(),
            expires_at: app.clock.now().plus(Duration::from_secs(3_600)),
        };
        app.mint(&user.parse().unwrap(), &grant)
    }

    /// Every hold that nobody confirmed ends at the same moment; its seats are back soon.
    async fn let_holds_end(&self) {
        self.apps[0].clock.advance(Duration::from_secs(HOLD + 1));
        let total = self.full.len() as u64 * u64::from(self.capacity().await);
        let free = total - self.books.seats_confirmed.load(Ordering::SeqCst);
        let ended = std::time::Instant::now();

        while self.apps[0]
            .left()
            .await
            .iter()
            .map(|left| u64::from(*left))
            .sum::<u64>()
            != free
        {
            assert!(
                ended.elapsed() < Duration::from_secs(60),
                "{:?} of {free}",
                self.apps[0].left().await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }

        let seats = self.books.seats_forgotten.swap(0, Ordering::SeqCst);
        println!(
            "{seats} seats of ended holds were free again after {:?}",
            ended.elapsed()
        );
    }

    async fn capacity(&self) -> u32 {
        self.apps[0]
            .store
            .zone_counts(Some(self.apps[0].event))
            .await
            .unwrap()[0]
            .capacity
    }

    async fn agrees(&self, capacity: u64) {
        let app = &self.apps[0];
        let counts = app.store.zone_counts(Some(app.event)).await.unwrap();

        assert!(
            counts
                .iter()
                .all(|zone| (zone.held, u64::from(zone.confirmed)) == (0, capacity)),
            "{counts:?}"
        );
        assert!(app.left().await.iter().all(|left| *left == 0));

        let status = app.get("/admin/inventory-status", &admin()).await.body;
        assert_eq!(status["drift"], json!(0), "{status}");

        let far = app.clock.now().plus(Duration::from_secs(86_400));
        assert_eq!(
            app.engine
                .stale_holds(app.event, far, Duration::ZERO, 10)
                .await
                .unwrap(),
            [],
            "no commit is under way any more"
        );
        self.messages_agree(capacity).await;

        println!(
            "{} seats sold in {} bookings",
            capacity * ZONES,
            self.books.confirmed.load(Ordering::SeqCst)
        );
    }

    async fn messages_agree(&self, capacity: u64) {
        let expected = self.books.told();
        let began = std::time::Instant::now();

        while self.publication.len().await < expected.values().sum() {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "{} messages",
                self.publication.len().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }

        println!("the last message was there {:?} later", began.elapsed());
        let ledger = self.publication.ledger().await;

        assert_eq!(ledger.told, expected, "every change was told, once");
        let zone = |zone: &String| (zone.parse().unwrap(), capacity);
        let whole: HashMap<Uuid, u64> = self.apps[0].zones.iter().map(zone).collect();

        assert_eq!(ledger.sold(), whole, "seats sold by zone");
        self.database_says_the_same(&ledger).await;
        self.publication.remove().await;
    }

    /// Of every booking.
    async fn database_says_the_same(&self, ledger: &Ledger) {
        let ids: Vec<BookingId> = ledger.bookings.keys().map(|id| (*id).into()).collect();
        for ids in ids.chunks(1_000) {
            let resolutions = self.apps[0]
                .store
                .resolve_holds(self.apps[0].event, ids)
                .await
                .unwrap();
            for id in ids {
                assert_eq!(
                    resolutions.get(id).copied(),
                    ledger.bookings[&id.uuid()].end.map(HoldResolution::Booked),
                    "{id}"
                );
            }
        }
    }
}

impl Books {
    /// How many messages there have to be of each status.
    fn told(&self) -> BTreeMap<&'static str, u64> {
        let told = [
            ("reserved", &self.reserved),
            ("confirmed", &self.confirmed),
            ("cancelled", &self.cancelled),
            ("expired", &self.forgotten),
        ];
        told.into_iter()
            .map(|(status, count)| (status, count.load(Ordering::SeqCst)))
            .collect()
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Asks again as often as the answer is to come back: while the seats are counted anew, say.
async fn patiently(app: &TestApp, user: &str, pass: &str, zone: u64, quantity: u32) -> Answer {
    loop {
        let answer = app
            .reserve(user, pass, Some("k"), zone as usize, quantity)
            .await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
