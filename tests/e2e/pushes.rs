//! Web Push: users who are away are notified of their turn once, and have time to come. The content of
//! pushes, decrypted by another implementation: tests/browser/push.test.js.

use serde_json::{Value, json};
use stanchion_tests::{
    EventBuilder, Rest, Sale, Shape, Socket, Stack, Visitor, eventually, push_service::PushService,
    stack::Role,
};

const CONTACT: (&str, &str) = ("STANCHION_PUSH_CONTACT", "mailto:ops@shop.example");
const TEST_ORIGIN: &str = "STANCHION_PUSH_TEST_ORIGIN";
/// The private key of nobody's pair: 32 bytes in base64url.
const KEY: (&str, &str) = (
    "STANCHION_PUSH_KEY",
    "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
);
/// A point of P-256, and 16 bytes.
const P256DH: &str =
    "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
const AUTH: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn subscription(endpoint: &str) -> Value {
    json!({"endpoint": endpoint, "expirationTime": null, "keys": {"p256dh": P256DH, "auth": AUTH}})
}

async fn embedded_with(service: &PushService) -> Stack {
    Stack::embedded_with(&[CONTACT, (TEST_ORIGIN, &service.origin)]).await
}

fn path(sale: &Sale) -> String {
    format!("/queue/push/{}", sale.event)
}

async fn subscribe(gateway: &Rest, sale: &Sale, endpoint: &str) {
    let subscribed = gateway.put(&path(sale), &subscription(endpoint)).await;
    assert_eq!(subscribed.expect(200)["subscribed"], true);
}

async fn pushes(stack: &Stack, outcome: &str) -> f64 {
    let name = format!("stanchion_pushes_total{{outcome=\"{outcome}\"}}");
    stack.process(Role::QueueWorker, 0).metric(&name).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_turn_is_pushed_once_by_any_number_of_workers() {
    const USERS: usize = 20;
    let service = PushService::start().await;
    let settings: Vec<(&'static str, String)> = [CONTACT, KEY, (TEST_ORIGIN, &service.origin)]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
    let stack = Stack::servers(Shape {
        gateways: 1,
        workers: 2,
        bookings: 1,
        gateway_settings: settings.clone(),
        worker_settings: settings,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[100])
        .paused()
        .queue(json!({"rate_per_second": 10, "burst": 1}))
        .create(&stack.operator())
        .await;

    for visitor in Visitor::many("fan", USERS) {
        let gateway = stack.gateway(0).by(&visitor);
        sale.join(&gateway).await.expect(201);
        subscribe(&gateway, &sale, &service.endpoint(&visitor.name)).await;
    }
    sale.open(&stack.operator()).await;

    eventually("a push for each", || async {
        (service.received().len() >= USERS).then_some(())
    })
    .await;
    eventually("passes that are sent again", || async {
        let mut again = 0.0;
        for worker in 0..2 {
            let name = format!(
                "stanchion_passes_republished_total{{event=\"{}\"}}",
                sale.event
            );
            again += stack.process(Role::QueueWorker, worker).metric(&name).await;
        }
        (again >= USERS as f64).then_some(())
    })
    .await;

    let mut paths: Vec<_> = service
        .received()
        .into_iter()
        .map(|push| push.path)
        .collect();
    paths.sort();
    paths.dedup();
    assert_eq!((paths.len(), service.received().len()), (USERS, USERS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_away_is_told_and_has_time_to_come() {
    let service = PushService::start().await;
    let stack = embedded_with(&service).await;
    let queue =
        json!({"claim_window_seconds": 1, "push_claim_window_seconds": 600, "grace_seconds": 0});
    let sale = EventBuilder::new(&[10])
        .paused()
        .queue(queue)
        .create(&stack.operator())
        .await;

    let ann = Visitor::new("ann");
    let gateway = stack.gateway(0).by(&ann);
    let mut page = Socket::open(stack.gateway_url(0), &ann).await;
    page.queue(&sale.event, None).await;
    subscribe(&gateway, &sale, &service.endpoint("phone")).await;
    page.close().await;

    sale.open(&stack.operator()).await;
    let push = eventually("the push", || async { service.received().pop() }).await;
    assert_eq!(push.headers["content-encoding"], "aes128gcm");
    assert_eq!(push.headers["urgency"], "high");
    assert_eq!(push.headers["topic"].len(), 32, "RFC 8030 allows no more");
    let ttl: u64 = push.headers["ttl"].parse().unwrap();
    assert!(
        (250..=300).contains(&ttl),
        "as long as the pass lives, not {ttl}"
    );
    assert!(push.headers["authorization"].starts_with("vapid t="));
    let plain = String::from_utf8_lossy(&push.body);
    let event = sale.event.replace('-', "");
    let shows_event = plain.contains(&sale.event) || push.headers["topic"] == event;
    assert!(!shows_event, "the service reads nothing of it");

    // Longer than the claim window of those who are not notified.
    let again = format!(
        "stanchion_passes_republished_total{{event=\"{}\"}}",
        sale.event
    );
    eventually("the pass to be sent again, some times", || async {
        let times = stack.process(Role::QueueWorker, 0).metric(&again).await;
        (times >= 3.0).then_some(())
    })
    .await;
    let place = sale.place(&gateway).await.expect(200);
    assert_eq!(place["is_ready"], true, "{place}");
    assert_eq!(pushes(&stack, "sent").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_subscription_is_forgotten() {
    let service = PushService::start().await;
    let stack = embedded_with(&service).await;
    let queue = json!({"claim_window_seconds": 2, "push_claim_window_seconds": 3600});
    let sale = EventBuilder::new(&[10])
        .paused()
        .queue(queue)
        .create(&stack.operator())
        .await;

    let ann = Visitor::new("ann");
    let gateway = stack.gateway(0).by(&ann);
    sale.join(&gateway).await.expect(201);
    subscribe(&gateway, &sale, &service.endpoint("gone")).await;
    service.answer("gone", &["410 Gone", "410 Gone"]);
    sale.open(&stack.operator()).await;

    eventually("the service's answer", || async {
        (pushes(&stack, "gone").await == 1.0).then_some(())
    })
    .await;
    eventually("the pass to be revoked after the short window", || async {
        let status = sale.status(&gateway).await;
        (status["active_passes"] == 0 && status["total_in_queue"] == 1).then_some(())
    })
    .await;
    assert_eq!(service.received().len(), 1, "it is not asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_has_trouble_is_asked_again() {
    let service = PushService::start().await;
    let stack = embedded_with(&service).await;
    let sale = EventBuilder::new(&[10])
        .paused()
        .create(&stack.operator())
        .await;

    for (name, answers) in [
        (
            "busy",
            &[
                "503 Service Unavailable",
                "429 Too Many Requests\r\nRetry-After: 1",
            ][..],
        ),
        ("strict", &["403 Forbidden"][..]),
    ] {
        let gateway = stack.gateway(0).by(&Visitor::new(name));
        sale.join(&gateway).await.expect(201);
        subscribe(&gateway, &sale, &service.endpoint(name)).await;
        service.answer(name, answers);
    }
    sale.open(&stack.operator()).await;

    eventually("the third attempt", || async {
        (pushes(&stack, "sent").await == 1.0).then_some(())
    })
    .await;
    assert_eq!(service.received_for("busy").len(), 3);
    assert_eq!(
        service.received_for("strict").len(),
        1,
        "a refusal is final"
    );
    assert_eq!(pushes(&stack, "refused").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_subscription_of_a_place_is_refused() {
    let service = PushService::start().await;
    let stack = embedded_with(&service).await;
    let sale = EventBuilder::new(&[10])
        .paused()
        .create(&stack.operator())
        .await;
    let gateway = stack.gateway(0).by(&Visitor::new("ann"));
    let valid = subscription(&service.endpoint("phone"));
    let code = |refused: Value| refused["code"].clone();

    let refused = gateway.put(&path(&sale), &valid).await.expect(404);
    assert_eq!(code(refused), "NOT_IN_QUEUE");
    let refused = stack.gateway(0).put(&path(&sale), &valid).await.expect(401);
    assert_eq!(code(refused), "UNAUTHORIZED");

    sale.join(&gateway).await.expect(201);
    let metadata = "https://169.254.169.254/latest/meta-data";
    for endpoint in [
        "http://fcm.googleapis.com/fcm/send/a",
        "https://fcm.googleapis.com:8443/a",
        "https://fcm.googleapis.com@attacker.example/a",
        "https://attacker.example/a",
        "http://127.0.0.1:1/a",
        metadata,
        "",
        &format!("https://fcm.googleapis.com/{}", "a".repeat(2_000)),
    ] {
        let refused = gateway.put(&path(&sale), &subscription(endpoint)).await;
        assert_eq!(refused.expect(422)["field"], "endpoint", "{endpoint}");
    }

    for (keys, field) in [
        (json!({"p256dh": "AAAA", "auth": AUTH}), "keys.p256dh"),
        (json!({"p256dh": P256DH, "auth": "AAAA"}), "keys.auth"),
    ] {
        let body = json!({"endpoint": service.endpoint("phone"), "keys": keys});
        let refused = gateway.put(&path(&sale), &body).await.expect(422);
        assert_eq!(refused["field"], field);
    }
    let known = "https://updates.push.services.mozilla.com/wpush/v2/a";
    subscribe(&gateway, &sale, known).await;

    let removed = gateway.delete(&path(&sale)).await.expect(200);
    assert_eq!(removed["subscribed"], false);
    let metrics = stack.gateway(0);
    let added = "stanchion_push_subscriptions_total{outcome=\"added\"}";
    assert_eq!(metrics.metric(added).await, 1.0);
    let refused = "stanchion_push_subscriptions_total{outcome=\"refused\"}";
    assert_eq!(metrics.metric(refused).await, 11.0);
    assert_eq!(service.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_are_off_without_a_contact() {
    let stack = Stack::embedded().await;
    let key = stack.gateway(0).get("/push").await.expect(200);
    assert_eq!(key, json!({}));

    let sale = EventBuilder::new(&[10]).create(&stack.operator()).await;
    let gateway = stack.gateway(0).by(&Visitor::new("ann"));
    sale.join(&gateway).await.expect(201);
    let known = subscription("https://fcm.googleapis.com/fcm/send/a");
    let refused = gateway.put(&path(&sale), &known).await.expect(404);
    assert_eq!(refused["code"], "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_key_stays_over_restarts() {
    let service = PushService::start().await;
    let mut stack = embedded_with(&service).await;
    let key = stack.gateway(0).get("/push").await.expect(200)["public_key"].clone();
    assert!(key.as_str().is_some_and(|key| key.len() == 87), "{key}");

    stack
        .restart(stanchion_tests::process::Signal::Terminate)
        .await;
    let again = stack.gateway(0).get("/push").await.expect(200);
    assert_eq!(again["public_key"], key);
}
