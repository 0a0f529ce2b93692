//! `stanchion demo-crowd` against a real server: a line that moves, and no trace of it afterwards.

use serde_json::json;
use stanchion_tests::{EventBuilder, Sale, Stack, Visitor, eventually, process::Signal};

async fn line(stack: &Stack, sale: &Sale) -> u64 {
    let status = sale
        .status(&stack.gateway(0).by(&Visitor::new("onlooker")))
        .await;
    status["total_in_queue"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowd_moves_and_gives_places_back() {
    let stack = Stack::embedded().await;
    let slow = json!({"rate_per_second": 2, "burst": 1});
    let sale = EventBuilder::new(&[100])
        .queue(slow)
        .create(&stack.operator())
        .await;
    let url = stack.gateway_url(0).to_owned();
    let crowd = stack.tool(
        "crowd",
        &[
            "demo-crowd",
            "--users",
            "12",
            "--url",
            &url,
            "--event",
            &sale.event,
        ],
    );

    eventually("a line", || async {
        (line(&stack, &sale).await >= 5).then_some(())
    })
    .await;
    let gateway = stack.gateway(0);
    let ann = Visitor::new("ann");
    let joined = sale.join(&gateway.by(&ann)).await.expect(201);
    let joined = joined["position"].as_u64().expect("a number");
    eventually("the line to move", || async {
        let place = sale.place(&gateway.by(&ann)).await.expect(200);
        place["position"]
            .as_u64()
            .filter(|position| *position < joined)
    })
    .await;
    eventually("a turn in the report", || async {
        let said = crowd.said();
        let mut reports = said.lines().filter(|line| line.contains("turns so far"));
        reports
            .any(|line| !line.ends_with("turns so far 0"))
            .then_some(())
    })
    .await;

    crowd.signal(Signal::Terminate);
    assert!(crowd.ended().await.success(), "{}", crowd.said());
    assert!(
        crowd.said().contains("The crowd is gone"),
        "{}",
        crowd.said()
    );
    let left = eventually("the crowd to be gone", || async {
        Some(line(&stack, &sale).await).filter(|left| *left <= 1)
    })
    .await;
    assert!(left <= 1, "only ann may wait");
    let bought = stack
        .operator()
        .get(&format!("/admin/inventory-status?event_id={}", sale.event))
        .await;
    assert_eq!(bought.expect(200)["zones"][0]["database"]["available"], 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowd_ends_after_one_turn_each() {
    let stack = Stack::embedded().await;
    let url = stack.gateway_url(0).to_owned();
    // The demo event, which nobody names.
    let crowd = stack.tool(
        "crowd",
        &["demo-crowd", "--once", "--users", "3", "--url", &url],
    );
    assert!(crowd.ended().await.success(), "{}", crowd.said());
    assert!(crowd.said().contains("it had 3 turns"), "{}", crowd.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowd_says_what_is_missing() {
    let stack = Stack::embedded_with(&[("STANCHION_GUESTS", "false")]).await;
    let operator = stack.operator();
    let open = EventBuilder::new(&[10]).create(&operator).await;
    let closed = EventBuilder::new(&[10]).create(&operator).await;
    closed
        .set_queue(&operator, json!({"state": "closed"}))
        .await
        .expect(200);
    let url = stack.gateway_url(0).to_owned();
    let nowhere = format!("http://127.0.0.1:{}", stanchion_tests::ports::free());

    for (name, arguments, wanted) in [
        ("nowhere", vec!["--url", &nowhere], "nothing answers at"),
        (
            "guests",
            vec!["--url", &url, "--event", &open.event],
            "admits no guests",
        ),
        (
            "closed",
            vec!["--url", &url, "--event", &closed.event],
            "is closed",
        ),
        (
            "unknown",
            vec![
                "--url",
                &url,
                "--event",
                "d0000000-0000-0001-0000-00000000dead",
            ],
            "has no event",
        ),
    ] {
        let arguments: Vec<_> = ["demo-crowd"].into_iter().chain(arguments).collect();
        let crowd = stack.tool(name, &arguments);
        let ended = crowd.ended().await;
        assert_eq!(ended.code(), Some(1), "{name}: {}", crowd.said());
        assert!(crowd.said().contains(wanted), "{name}: {}", crowd.said());
    }
}
