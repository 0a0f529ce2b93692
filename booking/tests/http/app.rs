//! A booking role with one event, and a client of it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode},
};
use booking::{
    Backends, BookingConfig, BookingService,
    model::recovery_code::RecoveryKey,
    store::{SharedStore, sqlite::SqliteStore},
};
use futures_util::{StreamExt, stream::BoxStream};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    guest_address::GuestAddressKey,
    ids::{EventId, UserId},
    pass::PassKey,
    presence::Presence,
    queue::{Grant, SaleState},
    secret::Secret,
};
use waitingroom_engine::{SharedEngine, TickScope, memory::InMemoryEngine};
use waitingroom_messaging::{
    bus::{Bus, InMemoryBus},
    process_registry::{SharedProcessRegistry, memory::InMemoryProcessRegistry},
    signal::memory::InMemorySignals,
};
use waitingroom_server::{
    auth::{Authenticator, IdentityConfig, mint_user_token},
    start_and_drain::{Lifecycle, PanicReceiver},
};

use crate::single_action::{Join, SingleAction};

const JWT_SECRET: &str = "a-secret-for-user-tokens";
const PASS_SECRET: &str = "a-secret-for-queue-passes";

/// See the module's documentation.
pub(crate) struct TestApp {
    pub(crate) router: Router,
    pub(crate) store: SharedStore,
    pub(crate) engine: SharedEngine,
    pub(crate) signals: InMemorySignals,
    pub(crate) bus: InMemoryBus,
    pub(crate) board: SharedProcessRegistry,
    pub(crate) clock: Clock,
    pub(crate) event: EventId,
    pub(crate) show: String,
    pub(crate) zones: Vec<String>,
    lifecycle: Lifecycle,
    _crashes: PanicReceiver,
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// Server-sent events of one answer.
pub(crate) struct Stream(BoxStream<'static, Result<Bytes, axum::Error>>);

impl Stream {
    /// The next event's name and data; nothing where the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.next());
        let bytes = next.await.expect("the next event comes")?.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let (name, data) = text.strip_suffix("\n\n").unwrap().split_once('\n').unwrap();
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        Some((name.strip_prefix("event: ").unwrap().to_owned(), data))
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.lifecycle.begin_drain();
    }
}

impl TestApp {
    /// An app with one event: a zone of 20 seats and one of 2, holds of 600 s, 4 seats a user.
    pub(crate) async fn open() -> Self {
        Self::open_on(Arc::new(SqliteStore::in_memory().await.unwrap())).await
    }

    /// Waits until the engine runs the sale in this state.
    pub(crate) async fn until_state(&self, state: SaleState) {
        let wait = async {
            while self.engine.status(self.event).await.unwrap().settings.state != state {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), wait)
            .await
            .expect("the engine follows the database");
    }

    /// The same on a given database.
    pub(crate) async fn open_on(store: SharedStore) -> Self {
        Self::open_with(store, Arc::new(InMemoryEngine::new())).await
    }

    /// The same on a database whose clock is the app's: it sees an outage as long as that
    /// was moved.
    pub(crate) async fn open_in_time() -> Self {
        let clock = Clock::manual(Clock::System.now());
        let store = SqliteStore::in_memory()
            .await
            .unwrap()
            .with_clock(clock.clone());
        Self::opened(Arc::new(store), Arc::new(InMemoryEngine::new()), clock).await
    }

    /// The same on a given database and engine.
    pub(crate) async fn open_with(store: SharedStore, engine: SharedEngine) -> Self {
        Self::opened(store, engine, Clock::manual(Clock::System.now())).await
    }

    async fn opened(store: SharedStore, engine: SharedEngine, clock: Clock) -> Self {
        let mut app = Self::on(store, engine, clock).await;
        let body = json!({
            "name": "A Night", "max_seats_per_user": 4, "hold_seconds": 600, "currency": "THB",
            "shows": [{"name": "Friday", "starts_at": "2030-01-01T20:00:00Z", "zones": [
                {"name": "Stalls", "capacity": 20, "unit_price": 1000},
                {"name": "Box", "capacity": 2, "unit_price": 9000},
            ]}]
        });

        let created = app
            .send("POST", "/admin/events", Some(&admin()), &[], Some(body))
            .await;
        assert_eq!(created.status, 201, "{created:?}");
        app.event = created.body["event_id"].as_str().unwrap().parse().unwrap();

        let show = &created.body["shows"][0];
        app.show = show["show_id"].as_str().unwrap().into();
        app.zones = show["zones"]
            .as_array()
            .unwrap()
            .iter()
            .map(|zone| zone["zone_id"].as_str().unwrap().into())
            .collect();

        app
    }

    /// A role on these backends, without an event of its own.
    async fn on(store: SharedStore, engine: SharedEngine, clock: Clock) -> Self {
        Self::configured(store, engine, clock, BookingConfig::default()).await
    }

    async fn configured(
        store: SharedStore,
        engine: SharedEngine,
        clock: Clock,
        config: BookingConfig,
    ) -> Self {
        let bus = InMemoryBus::default();
        let mut app = Self::publishing(store, engine, clock, config, Arc::new(bus.clone())).await;

        app.bus = bus;
        app
    }

    /// The same, publishing on another bus.
    pub(crate) async fn publishing(
        store: SharedStore,
        engine: SharedEngine,
        clock: Clock,
        config: BookingConfig,
        bus: Arc<dyn Bus>,
    ) -> Self {
        let signals = InMemorySignals::default();
        let board: SharedProcessRegistry = Arc::new(InMemoryProcessRegistry::new(Clock::System));
        let identity = identities();
        let backends = Backends {
            store: store.clone(),
            engine: engine.clone(),
            signals: Arc::new(signals.clone()),
            bus,
            authenticator: Authenticator::new(&identity).unwrap(),
            pass_key: PassKey::new(&Secret::from(PASS_SECRET)),
            addresses: GuestAddressKey::new(&Secret::from(PASS_SECRET)),
            recovery_key: RecoveryKey::new(&Secret::from(PASS_SECRET)),
            process_registry: board.clone(),
            clock: clock.clone(),
        };

        let role = BookingService::bind(backends, config).await.unwrap();
        let router = waitingroom_server::http::with_defaults(role.router());
        let (lifecycle, crashes) = Lifecycle::new();

        role.run(&lifecycle);
        let event = Uuid::nil().into();

        Self {
            router,
            store,
            engine,
            signals,
            bus: InMemoryBus::default(),
            board,
            clock,
            event,
            show: String::new(),
            zones: Vec::new(),
            lifecycle,
            _crashes: crashes,
        }
    }

    /// Another instance on the same database: with another engine, what a loss of the engine
    /// leaves.
    pub(crate) async fn restarted(&self, engine: SharedEngine) -> Self {
        let mut other = Self::on(self.store.clone(), engine, self.clock.clone()).await;
        (other.event, other.show, other.zones) =
            (self.event, self.show.clone(), self.zones.clone());
        other
    }

    /// Another instance, on another clock.
    pub(crate) async fn with_clock(&self, clock: Clock) -> Self {
        let mut other = Self::on(self.store.clone(), Arc::clone(&self.engine), clock).await;
        (other.event, other.show, other.zones) =
            (self.event, self.show.clone(), self.zones.clone());
        other
    }

    /// The same with other settings.
    pub(crate) async fn with(&self, config: BookingConfig) -> Self {
        let mut other = Self::configured(
            self.store.clone(),
            Arc::clone(&self.engine),
            self.clock.clone(),
            config,
        )
        .await;
        (other.event, other.show, other.zones) =
            (self.event, self.show.clone(), self.zones.clone());
        other
    }

    /// Is told to stop, as a process is.
    pub(crate) fn drain(&self) {
        self.lifecycle.begin_drain();
    }

    /// The same, to its end.
    pub(crate) async fn stop(&self) {
        assert!(
            self.lifecycle.drain_and_join(Duration::from_secs(10)).await,
            "every task ends"
        );
    }

    /// A stream of events that is open.
    pub(crate) async fn stream(&self, path: &str, token: Option<&str>) -> Stream {
        let mut request = Request::builder().uri(format!("/api/v1{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }

        let response = self
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");

        Stream(response.into_body().into_data_stream().boxed())
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"));

        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }

        for (name, value) in headers {
            request = request.header(*name, *value);
        }

        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self
            .router
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap();

        let status = response.status();
        let [retry_after, etag] = ["retry-after", "etag"].map(|name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        });
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();

        Answer {
            status,
            retry_after,
            etag,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// The text of a response, with its status and content type.
    pub(crate) async fn text(&self, path: &str, token: Option<&str>) -> (u16, String, String) {
        let mut request = Request::builder().uri(format!("/api/v1{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }

        let response = self
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let content_type = response.headers()["content-type"].to_str().unwrap().into();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (
            status,
            content_type,
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }

    /// The answer to an operator who adds this event.
    pub(crate) async fn created(&self, event: Value) -> Answer {
        self.send("POST", "/admin/events", Some(&admin()), &[], Some(event))
            .await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, Some(token), &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str) -> Answer {
        self.send("POST", path, Some(token), &[], None).await
    }

    /// Walks the user through the line.
    pub(crate) async fn pass(&self, user: &str) -> String {
        let user: UserId = user.parse().unwrap();
        let join = Join {
            event_id: self.event,
            user: user.clone(),
            presence: Presence::Poll,
            ticket: None,
        };

        self.engine.join(&join, self.clock.now()).await.unwrap();

        // Far enough for the bucket to have a token again, near enough for the user to be present.
        self.clock.advance(Duration::from_millis(100));
        let batch = Uuid::new_v4().simple().to_string();
        let released = self
            .engine
            .release(
                self.event,
                &batch,
                100,
                Default::default(),
                TickScope::Full,
                self.clock.now(),
            )
            .await
            .unwrap();

        let granted = released
            .granted
            .into_iter()
            .find(|granted| granted.user == user)
            .expect("the user is next in line");
        self.mint(&user, &granted.payload)
    }

    /// Time goes on, and the line with it: what a line could not be reached for, passes get back.
    pub(crate) async fn wait(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.engine
                .report_node(self.event, &"gateway".parse().unwrap(), self.clock.now())
                .await
                .unwrap();
        }
    }

    pub(crate) fn mint(&self, user: &UserId, grant: &Grant) -> String {
        PassKey::new(&Secret::from(PASS_SECRET)).mint(self.event, user, grant)
    }

    pub(crate) fn order(&self, zone: usize, quantity: u32) -> Value {
        json!({"event_id": self.event, "show_id": self.show, "zone_id": self.zones[zone], "quantity": quantity})
    }

    pub(crate) async fn reserve(
        &self,
        user: &str,
        pass: &str,
        key: Option<&str>,
        zone: usize,
        quantity: u32,
    ) -> Answer {
        let mut headers = vec![("x-queue-pass", pass)];
        headers.extend(key.map(|key| ("idempotency-key", key)));

        self.send(
            "POST",
            "/bookings/reserve",
            Some(&token(user)),
            &headers,
            Some(self.order(zone, quantity)),
        )
        .await
    }

    /// A reservation that succeeds; returns the booking.
    pub(crate) async fn reserved(&self, user: &str, zone: usize, quantity: u32) -> Value {
        let answer = self
            .reserve(user, &self.pass(user).await, None, zone, quantity)
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }

    /// Seats left in each zone, as the engine has them.
    pub(crate) async fn left(&self) -> Vec<u32> {
        let seats = self.engine.seats(self.event).await.unwrap();
        let of = |zone: &String| {
            seats
                .iter()
                .find(|seat| seat.zone_id.to_string() == *zone)
                .unwrap()
                .available
        };
        self.zones.iter().map(of).collect()
    }

    /// Waits until the seats left are these.
    pub(crate) async fn until_left(&self, expected: &[u32]) {
        let wait = async {
            while self.left().await != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;

        assert!(
            waited.is_ok(),
            "seats left are {:?}, not {expected:?}",
            self.left().await
        );
    }
}

fn identities() -> IdentityConfig {
    IdentityConfig {
        jwt_secret: Some(Secret::from(JWT_SECRET)),
        guest_secret: Some(Secret::from(PASS_SECRET)),
        ..IdentityConfig::default()
    }
}

/// A guest's token.
pub(crate) fn guest(user: &str) -> String {
    let now = Clock::System.now();
    let authenticator = Authenticator::new(&identities()).unwrap();

    authenticator
        .mint_guest(
            &user.parse().unwrap(),
            now,
            now.plus(Duration::from_secs(3_600)),
        )
        .unwrap()
}

/// What a gateway says of where a user comes from.
pub(crate) fn address_of(user: &str, address: &str) -> String {
    GuestAddressKey::new(&Secret::from(PASS_SECRET))
        .sign(&user.parse().unwrap(), address.parse().unwrap())
        .unwrap()
}

pub(crate) fn token(user: &str) -> String {
    minted(user, None)
}

pub(crate) fn admin() -> String {
    minted("operator", Some("admin"))
}

/// The token of an operator of this name.
pub(crate) fn admin_named(name: &str) -> String {
    minted(name, Some("admin"))
}

/// An operator's token that ends so soon.
pub(crate) fn admin_for(time: Duration) -> String {
    let secret = Secret::from(JWT_SECRET);
    mint_user_token(
        &secret,
        &"operator".parse().unwrap(),
        Some("admin"),
        Clock::System.now(),
        time,
    )
    .unwrap()
}

fn minted(user: &str, role: Option<&str>) -> String {
    let (secret, day) = (Secret::from(JWT_SECRET), Duration::from_secs(86_400));
    mint_user_token(
        &secret,
        &user.parse().unwrap(),
        role,
        Timestamp::plus(Clock::System.now(), day),
        day,
    )
    .unwrap()
}
