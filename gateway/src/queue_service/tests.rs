//! Joins, resumes and polls as one call, on the engine in memory.

use std::slice;

use axum::{Router, routing::get};
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    guest_address::GuestAddressKey,
    pass::PassKey,
    queue::QueueSettings,
    secret::Secret,
    ticket::TicketKey,
};
use waitingroom_engine::{
    OpenParams, SharedEngine, batcher::ActionBatcher, memory::InMemoryEngine,
};
use waitingroom_messaging::signal::memory::InMemorySignals;
use waitingroom_server::{protocol::SeatPreference, start_and_drain::Lifecycle};

use super::*;
use crate::{
    booking_api::InProcessBookingApi, booking_client::BookingClient, guests::places::GuestPlaces,
    position_updates::Registry,
};

/// Places that guests of one address may have.
const GUEST_PLACES: u32 = 2;
const JOIN_FOR: Duration = Duration::from_secs(600);

struct World {
    engine: SharedEngine,
    registry: Arc<Registry>,
    clock: Clock,
    queue: QueueService,
}

/// An open queue; booking lists these bookings as pending.
async fn world(pending: serde_json::Value) -> World {
    let engine: SharedEngine = Arc::new(InMemoryEngine::new());
    let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000));
    let opening = OpenParams {
        settings: QueueSettings::default(),
        epoch: "e1".parse().unwrap(),
        sequence: 0,
        head: 0,
        unserved: Default::default(),
        mark: None,
        release_from: clock.now(),
        awaited_nodes: Vec::new(),
    };
    engine.open(event(), &opening, clock.now()).await.unwrap();

    let list = get(async move || axum::Json(serde_json::json!({ "bookings": pending })));
    let routes = Router::new().route("/api/v1/bookings/pending", list);
    let secret = Secret::new("a secret of the tests, long enough");
    let (lifecycle, _crashes) = Lifecycle::new();
    let registry = Arc::new(Registry::default());
    let tickets = TicketKey::new(&secret);
    let node = Arc::new(LocalNode::new(
        "gw-1".parse().unwrap(),
        Arc::clone(&engine),
        Arc::new(InMemorySignals::default()),
        clock.clone(),
    ));
    let batcher = ActionBatcher::new(Arc::clone(&engine), clock.clone(), move |task| {
        lifecycle.spawn("batcher", task)
    });
    let booking = Arc::new(BookingClient::new(
        Arc::new(InProcessBookingApi::new(routes)),
        GuestAddressKey::new(&secret),
    ));

    let actions = PlaceActions::new(
        Arc::clone(&engine),
        batcher.clone(),
        Arc::clone(&registry),
        tickets.clone(),
        clock.clone(),
    );
    let subscriber = RoomSubscriber::new(Arc::clone(&registry), batcher, Arc::clone(&node));
    let guests = GuestJoinLimits::new(
        Arc::new(GuestPlaces::new(GUEST_PLACES)),
        JOIN_FOR,
        tickets,
        clock.clone(),
    );
    let auto_hold = AutoHoldService::new(booking, Arc::clone(&engine), PassKey::new(&secret));
    let queue = QueueService::new(
        Arc::new(actions),
        Arc::new(subscriber),
        guests,
        Arc::new(auto_hold),
        node,
    );
    World {
        engine,
        registry,
        clock,
        queue,
    }
}

fn event() -> EventId {
    uuid::Uuid::from_u128(1).into()
}

fn user(name: &str) -> Identity {
    Identity {
        user: name.parse().unwrap(),
        admin: false,
        guest: None,
        expires_at: Timestamp::from_millis(i64::MAX),
    }
}

fn guest(name: &str, made: Timestamp) -> Identity {
    Identity {
        guest: Some(made),
        ..user(name)
    }
}

fn request(caller: &Identity) -> PlaceRequest<'_> {
    PlaceRequest {
        event: event(),
        caller,
        address: "203.0.113.9".parse().unwrap(),
        presented: PresentedTicket::default(),
        previous_hold: None,
    }
}

impl World {
    async fn join(&self, caller: &Identity, mailbox: &Arc<Mailbox>) -> (Place, RoomSubscription) {
        match self
            .queue
            .join(&request(caller), Connection::New(mailbox))
            .await
        {
            Ok(JoinReply::Place(place, Some(subscription))) => (place, subscription),
            Ok(_) => panic!("no subscription"),
            Err(problem) => panic!("{problem}"),
        }
    }

    /// Waits until so many users of the queue are absent.
    async fn absent(&self, wanted: u64) {
        let is_reached = async {
            while self.engine.status(event()).await.unwrap().absent != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), is_reached)
            .await
            .expect("absence is recorded");
    }
}

#[tokio::test]
async fn join_subscribes_until_subscription_is_dropped() {
    let world = world(serde_json::json!([])).await;
    let (ann, mailbox) = (user("ann"), Arc::default());

    let (place, subscription) = world.join(&ann, &mailbox).await;
    assert_eq!(place.position, 1);
    assert_eq!(world.registry.users(event()), slice::from_ref(&ann.user));

    let again = world
        .queue
        .join(&request(&ann), Connection::Subscribed(&subscription))
        .await;
    assert!(matches!(again, Ok(JoinReply::Place(same, None)) if same.number == place.number));

    world.absent(0).await;
    drop(subscription);
    assert!(world.registry.users(event()).is_empty());
    world.absent(1).await;
}

#[tokio::test]
async fn resume_subscribes_users_with_a_place_only() {
    let world = world(serde_json::json!([])).await;
    let (ann, mailbox) = (user("ann"), Arc::default());
    let missing = world.queue.resume(event(), &ann, &mailbox).await;
    assert_eq!(missing.err().unwrap().code, Code::NotInQueue);
    assert!(world.registry.users(event()).is_empty());

    let joined = world.queue.join_by_poll(&request(&ann)).await.unwrap();
    assert!(joined.is_new && joined.place.is_some_and(|place| place.position == 1));
    let (place, subscription) = world.queue.resume(event(), &ann, &mailbox).await.unwrap();
    assert_eq!((place.position, subscription.event()), (1, event()));
    assert_eq!(world.registry.users(event()), [ann.user]);
}

#[tokio::test]
async fn failed_join_leaves_no_subscription() {
    let world = world(serde_json::json!([])).await;
    let ann = user("ann");
    let tabs: [Arc<Mailbox>; 9] = Default::default();

    let mut subscriptions = Vec::new();
    for tab in &tabs[..8] {
        subscriptions.push(world.join(&ann, tab).await.1);
    }
    let ninth = world
        .queue
        .join(&request(&ann), Connection::New(&tabs[8]))
        .await;
    assert_eq!(ninth.err().unwrap().code, Code::RateLimited);

    subscriptions.truncate(1);
    assert_eq!(world.registry.users(event()), slice::from_ref(&ann.user));
    subscriptions.clear();
    assert!(world.registry.users(event()).is_empty());
    world.absent(1).await;
}

#[tokio::test]
async fn join_gives_place_up_when_seats_are_held_already() {
    let zone = uuid::Uuid::from_u128(2);
    let booking = serde_json::json!({ "event_id": event(), "zone_id": zone, "quantity": 2 });
    let world = world(serde_json::json!([booking])).await;
    let (ann, mailbox) = (user("ann"), Arc::default());
    let join = async |quantity| {
        let preferences = [SeatPreference {
            show_id: None,
            zone_id: zone.into(),
            quantity,
        }];
        let request = PlaceRequest {
            previous_hold: Some(PreviousHoldQuery {
                token: "token",
                preferences: &preferences,
            }),
            ..request(&ann)
        };
        let connection = Connection::New(&mailbox);
        world.queue.join(&request, connection).await.unwrap()
    };

    assert!(matches!(join(2).await, JoinReply::AlreadyHeld(held) if held["quantity"] == 2));
    assert_eq!(world.engine.status(event()).await.unwrap().total, 0);
    assert!(world.registry.users(event()).is_empty());
    assert!(mailbox.drain().is_empty(), "the reply says it all");

    assert!(matches!(join(3).await, JoinReply::Place(_, Some(_))));
}

#[tokio::test]
async fn limits_new_places_of_guests() {
    let world = world(serde_json::json!([])).await;
    let made = world.clock.now();
    let guests = ["guest-1", "guest-2", "guest-3"].map(|name| guest(name, made));
    let join = async |guest| world.queue.join_by_poll(&request(guest)).await;

    assert!(join(&guests[0]).await.is_ok() && join(&guests[1]).await.is_ok());
    assert_eq!(
        join(&guests[2]).await.err().unwrap().code,
        Code::RateLimited
    );
    assert!(join(&guests[1]).await.is_ok_and(|reply| !reply.is_new));

    world.queue.leave(event(), &guests[0]).await.unwrap();
    assert!(join(&guests[2]).await.is_ok(), "a place is free again");

    world.queue.leave(event(), &guests[2]).await.unwrap();
    world.clock.advance(JOIN_FOR + Duration::from_secs(1));
    assert_eq!(
        join(&guests[2]).await.err().unwrap().code,
        Code::GuestTooOld
    );
}
