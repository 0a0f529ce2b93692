//! Users who are notified of their pass by a push: they are released though absent, once for each pass.

use waitingroom_domain::{
    presence::Presence,
    queue::{QueueSettings, Removal},
};
use waitingroom_engine::{Released, SharedEngine};

use super::sale::{Sale, at, lapses, names, quick};

/// Who is notified, and where.
fn notified(released: &Released) -> Vec<(&str, Vec<&str>)> {
    let recipients = released.pushes.iter();
    recipients
        .map(|notified| {
            let browsers = notified.subscriptions.iter();
            let endpoints = browsers.map(|browser| browser.endpoint().rsplit('/').next().unwrap());
            (notified.user.as_str(), endpoints.collect())
        })
        .collect()
}

pub(crate) async fn who_can_be_told_is_released_though_absent(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    for name in ["ann", "bob", "cem"] {
        sale.join(name).await;
    }

    assert!(sale.subscribe("ann", "phone").await);
    for name in ["ann", "bob"] {
        sale.detach(name, "n1").await;
    }

    let step = sale.release().await;
    assert_eq!(names(&step), ["ann", "cem"], "bob cannot be notified");
    assert_eq!(notified(&step), [("ann", vec!["phone"])]);
    assert_eq!(step.granted[0].nodes, [], "there is no connection");

    sale.wait(1_500).await;
    let again = sale.release().await;
    assert!(!again.unacknowledged.is_empty(), "the pass is sent again");
    assert_eq!(notified(&again), [], "but nobody is notified twice");

    let back = sale.resume("ann", at("n1")).await.unwrap();
    assert_eq!(back.grant.unwrap(), step.granted[0].payload);
}

pub(crate) async fn who_is_here_is_told_as_well(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.try_join("ann", Presence::Poll, None).await;
    sale.join("bob").await;

    assert!(sale.subscribe("bob", "phone").await);
    assert!(sale.subscribe("ann", "phone").await);
    let step = sale.release_passes(10).await;
    assert_eq!(
        notified(&step),
        [("ann", vec!["phone"]), ("bob", vec!["phone"])],
        "in the order of their passes"
    );
}

pub(crate) async fn a_subscription_needs_a_place_and_ends_with_it(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    assert!(!sale.subscribe("ann", "phone").await, "without a place");
    assert!(!sale.unsubscribe("ann", None).await);

    sale.join("ann").await;
    assert!(sale.subscribe("ann", "phone").await);
    sale.leave("ann").await;
    assert!(!sale.unsubscribe("ann", None).await, "it is gone");

    sale.join("ann").await;
    assert_eq!(notified(&sale.release().await), []);
}

pub(crate) async fn a_used_pass_ends_the_subscription(engine: SharedEngine) {
    use waitingroom_domain::seats::Settlement;

    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    sale.subscribe("ann", "phone").await;
    let grant = sale.release().await.granted.remove(0).payload;
    let request = sale.request("ann", &grant, 1);

    sale.reserve(&request).await;
    sale.settle(request.booking_id, Settlement::Committed).await;
    assert!(!sale.unsubscribe("ann", Some("phone")).await);

    sale.join("ann").await;
    assert_eq!(
        notified(&sale.release().await),
        [],
        "the next place is another"
    );
}

pub(crate) async fn a_user_has_few_browsers_each_once(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    for device in ["a", "b", "a", "c", "d"] {
        assert!(sale.subscribe("ann", device).await);
    }

    assert!(
        !sale.unsubscribe("ann", Some("b")).await,
        "the oldest gave way"
    );
    assert!(sale.unsubscribe("ann", Some("c")).await);
    assert_eq!(notified(&sale.release().await), [("ann", vec!["a", "d"])]);

    assert!(sale.unsubscribe("ann", None).await);
    assert!(!sale.unsubscribe("ann", None).await);
}

pub(crate) async fn the_claim_window_waits_for_a_push_to_be_opened(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    sale.join("bob").await;
    sale.subscribe("ann", "phone").await;
    sale.detach("ann", "n1").await;
    assert_eq!(names(&sale.release().await), ["ann", "bob"]);

    sale.wait(30_000).await;
    assert_eq!(lapses(&sale.release().await), [("bob", Removal::Unclaimed)]);
    sale.wait(89_999).await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.wait(1).await;
    assert_eq!(lapses(&sale.release().await), [("ann", Removal::Unclaimed)]);

    sale.wait(1_000).await;
    assert_eq!(
        names(&sale.release().await),
        Vec::<&str>::new(),
        "ann has been notified, and is first again on return"
    );
    sale.resume("ann", at("n2")).await;
    assert_eq!(names(&sale.release().await), ["ann"]);
}

pub(crate) async fn an_ended_subscription_ends_the_longer_window(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    sale.subscribe("ann", "phone").await;
    sale.detach("ann", "n1").await;
    sale.release().await;
    sale.wait(40_000).await;
    assert_eq!(lapses(&sale.release().await), []);

    assert!(sale.unsubscribe("ann", Some("phone")).await);
    sale.wait(1_000).await;
    assert_eq!(lapses(&sale.release().await), [("ann", Removal::Unclaimed)]);
}

pub(crate) async fn a_window_for_pushes_is_never_the_shorter_one(engine: SharedEngine) {
    let settings = QueueSettings {
        push_claim_window_seconds: 0,
        ..quick()
    };
    let sale = Sale::open(engine, settings).await;
    sale.join("ann").await;
    sale.subscribe("ann", "phone").await;
    sale.release().await;
    sale.wait(29_999).await;
    assert_eq!(lapses(&sale.release().await), []);
    sale.wait(1).await;
    assert_eq!(lapses(&sale.release().await), [("ann", Removal::Unclaimed)]);
}

pub(crate) async fn who_can_be_told_keeps_the_place_beyond_the_grace_period(engine: SharedEngine) {
    let settings = QueueSettings {
        rate_per_second: 0.0,
        burst: 1,
        grace_seconds: 60,
        ..quick()
    };
    let sale = Sale::open(engine, settings).await;
    sale.join("first").await;
    assert_eq!(names(&sale.release().await), ["first"], "the burst is used");

    for name in ["ann", "bob"] {
        sale.join(name).await;
        sale.detach(name, "n1").await;
    }
    sale.resume("ann", Presence::Poll).await;
    sale.subscribe("ann", "phone").await;

    sale.wait(300_000).await;
    let step = sale.release().await;
    assert!(lapses(&step).contains(&("bob", Removal::Absent)));
    assert!(!lapses(&step).iter().any(|(name, _)| *name == "ann"));
    assert_eq!(sale.status().await.absent, 1, "ann is away all the same");

    assert!(sale.unsubscribe("ann", None).await);
    sale.wait(59_999).await;
    assert!(!lapses(&sale.release().await).contains(&("ann", Removal::Absent)));
    sale.wait(1).await;
    assert_eq!(lapses(&sale.release().await), [("ann", Removal::Absent)]);
}

pub(crate) async fn an_absent_user_without_a_subscription_is_skipped_again(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;
    sale.subscribe("ann", "phone").await;
    sale.detach("ann", "n1").await;
    sale.unsubscribe("ann", Some("phone")).await;

    assert_eq!(names(&sale.release().await), Vec::<&str>::new());
    assert_eq!(sale.status().await.total, 1, "the place is kept");
}
