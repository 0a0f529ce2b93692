//! What operators see of a sale that many processes carry, and what is written down of what they do.

use serde_json::{Value, json};
use stanchion_tests::{Draft, Sale, Stack, Visitor, crowd::queue_all, eventually};

const VISITORS: usize = 12;

async fn a_sale_is_seen_whole(stack: &Stack) {
    let operator = stack.operator();
    let sale = Draft::new(&[30, 20]).paused().create(&operator).await;
    let urls: Vec<String> = (0..stack.gateways()).map(|at| stack.gateway_url(at).to_owned()).collect();
    let mut waiting = queue_all(&urls, &sale, &Visitor::many("seen", VISITORS)).await;
    let moment = seen(stack, &sale, |moment| moment["totals"]["joined"] == VISITORS).await;
    let figures = &moment["figures"];
    assert_eq!(
        (&figures["line"], &figures["free"], &figures["rate_effective"]),
        (&json!(12.0), &json!(50.0), &json!(0.0))
    );

    let (gone, _) = waiting.pop().map(|(visitor, socket, ..)| (visitor, socket)).expect("somebody waits");
    stack.gateway(1).by(&gone).delete(&format!("/queue/leave?event_id={}", sale.event)).await.expect(200);
    let resumed = json!({"state": "open", "rate_per_second": 1_000, "burst": 1_000, "max_active": 10});
    sale.set_queue(&operator, resumed).await.expect(200);
    let moment = seen(stack, &sale, |moment| moment["totals"]["released"] == 10).await;
    assert_eq!((&moment["totals"]["left"], &moment["figures"]["line"]), (&json!(1), &json!(1.0)), "{moment}");
    assert_eq!((&moment["figures"]["active"], &moment["figures"]["rate_effective"]), (&json!(10.0), &json!(1000.0)));

    let gateways = |moment: &Value| {
        let nodes = moment["nodes"].as_array().cloned().unwrap_or_default();
        nodes
            .iter()
            .filter(|node| node["roles"].as_array().is_some_and(|roles| roles.contains(&json!("gateway"))))
            .count()
    };
    let running = if stack.is_embedded() { 1 } else { stack.gateways() };
    let connections = |moment: &Value| moment["figures"]["connections"].as_f64().unwrap_or_default() as usize;
    let all_tell = |moment: &Value| gateways(moment) == running && connections(moment) >= VISITORS - 1;
    let moment = seen(stack, &sale, all_tell).await;
    assert!(moment["figures"]["memory_bytes"].as_f64() > Some(1e6), "{moment}");
    let nodes = operator.get("/admin/nodes").await.expect(200);
    assert!(nodes["booking"]["commit_capacity"].as_u64() > Some(0), "{nodes}");
    written_down(stack, &sale).await;
}

/// The event's live figures, once this holds of them: they are a second old at most.
async fn seen(stack: &Stack, sale: &Sale, holds: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/admin/events/{}/live", sale.event);
    let look = || async {
        let moment = stack.operator().get(&path).await.expect(200);
        holds(&moment).then_some(moment)
    };
    eventually("the figures to be so", look).await
}

async fn written_down(stack: &Stack, sale: &Sale) {
    let path = format!("/admin/audit?event_id={}", sale.event);
    let audit = stack.operator().get(&path).await.expect(200);
    let entries = audit["entries"].as_array().expect("a list");
    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, ["change_queue", "create_event"], "{audit}");
    assert_eq!((&entries[0]["before"]["state"], &entries[0]["after"]["state"]), (&json!("paused"), &json!("open")));
    stack.booking(0).by(&Visitor::new("nosy")).get(&path).await.refused(403, "FORBIDDEN");
}

crate::on_both!(a_sale_is_seen_whole);
