//! The live metrics and the audit log that operators see of a sale with many processes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanchion_tests::{
    EventBuilder, Sale, Stack, TEST_TIMEOUT, Visitor, eventually, simulated_users::queue_all,
};

const VISITORS: usize = 12;
const POLL_INTERVAL: Duration = Duration::from_millis(50);

async fn streams_sale_to_operators(stack: &Stack) {
    let operator = stack.operator();
    let sale = EventBuilder::new(&[30, 20])
        .paused()
        .create(&operator)
        .await;
    let urls: Vec<String> = (0..stack.gateways())
        .map(|at| stack.gateway_url(at).to_owned())
        .collect();
    let mut waiting = queue_all(&urls, &sale, &Visitor::many("seen", VISITORS)).await;
    let waits = json!({"line": 12.0, "free": 50.0, "rate_effective": 0.0});
    seen(stack, &sale, |moment| {
        moment["totals"]["joined"] == VISITORS && tells(moment, &waits)
    })
    .await;

    let (gone, _) = waiting
        .pop()
        .map(|(visitor, socket, ..)| (visitor, socket))
        .expect("somebody waits");
    stack
        .gateway(1)
        .by(&gone)
        .delete(&format!("/queue/leave?event_id={}", sale.event))
        .await
        .expect(200);
    let resumed =
        json!({"state": "open", "rate_per_second": 1_000, "burst": 1_000, "max_active": 10});
    sale.set_queue(&operator, resumed).await.expect(200);
    let released = |moment: &Value| {
        (&moment["totals"]["released"], &moment["totals"]["left"]) == (&json!(10), &json!(1))
    };
    let goes_on = json!({"line": 1.0, "active": 10.0, "rate_effective": 1000.0});
    seen(stack, &sale, |moment| {
        released(moment) && tells(moment, &goes_on)
    })
    .await;

    let gateways = |moment: &Value| {
        let nodes = moment["nodes"].as_array().cloned().unwrap_or_default();
        nodes
            .iter()
            .filter(|node| {
                node["roles"]
                    .as_array()
                    .is_some_and(|roles| roles.contains(&json!("gateway")))
            })
            .count()
    };
    let running = if stack.is_embedded() {
        1
    } else {
        stack.gateways()
    };
    let connections = |moment: &Value| {
        moment["figures"]["connections"]
            .as_f64()
            .unwrap_or_default() as usize
    };
    let memory = |moment: &Value| moment["figures"]["memory_bytes"].as_f64() > Some(1e6);
    let all_tell = |moment: &Value| {
        gateways(moment) == running && connections(moment) >= VISITORS - 1 && memory(moment)
    };
    seen(stack, &sale, all_tell).await;
    eventually("booking to tell what it can commit", || async {
        let nodes = operator.get("/admin/nodes").await.expect(200);
        (nodes["booking"]["commit_capacity"].as_u64() > Some(0)).then_some(())
    })
    .await;
    written_down(stack, &sale).await;
}

/// Are these among its figures?
fn tells(moment: &Value, figures: &Value) -> bool {
    figures.as_object().is_some_and(|figures| {
        figures
            .iter()
            .all(|(name, value)| moment["figures"][name] == *value)
    })
}

/// Waits until one snapshot of the event fulfils all conditions: its figures change at different
/// times.
async fn seen(stack: &Stack, sale: &Sale, holds: impl Fn(&Value) -> bool) {
    let path = format!("/admin/events/{}/live", sale.event);
    let deadline = Instant::now() + TEST_TIMEOUT;

    loop {
        let moment = stack.operator().get(&path).await.expect(200);
        if holds(&moment) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "it never was so; at last: {moment}"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn written_down(stack: &Stack, sale: &Sale) {
    let path = format!("/admin/audit?event_id={}", sale.event);
    let audit = stack.operator().get(&path).await.expect(200);
    let entries = audit["entries"].as_array().expect("a list");
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap_or_default())
        .collect();

    assert_eq!(actions, ["change_queue", "create_event"], "{audit}");
    assert_eq!(
        (
            &entries[0]["before"]["state"],
            &entries[0]["after"]["state"]
        ),
        (&json!("paused"), &json!("open"))
    );

    stack
        .booking(0)
        .by(&Visitor::new("nosy"))
        .get(&path)
        .await
        .expect_problem(403, "FORBIDDEN");
}

crate::on_both!(streams_sale_to_operators);
