//! A pass admits once: its user, to its event, before its end. Any other use is refused with its
//! own code.

use serde_json::{Value, json};
use stanchion_tests::{
    Admission, EventBuilder, Sale, Socket, Stack, Visitor,
    inventory::Inventory,
    shopping::{id, new_key, reserve_once},
    simulated_users::{admit, run_all},
    tokens::{self, JWT_SECRET, PASS_SECRET},
    wait::{eventually, now_ms},
};
use waitingroom_server::protocol::ServerMessage;

async fn admits_once_per_pass(stack: &Stack) {
    let sale = EventBuilder::new(&[1_000]).create(&stack.operator()).await;
    let ann = admit(&stack.gateway(0), &sale, &Visitor::new("ann")).await;
    not_genuine(stack, &sale, &ann).await;
    not_for_this(stack, &sale, &ann).await;
    over(stack).await;
    given_up(stack, &sale).await;
    acknowledged_too_late(
        stack,
        &EventBuilder::new(&[10]).create(&stack.operator()).await,
    )
    .await;
    assert_eq!(
        Inventory::settled(&sale, &stack.operator())
            .await
            .total()
            .held,
        0,
        "refusals hold nothing"
    );

    a_hundred_attempts(stack, &sale, &ann).await;
    one_key(stack, &sale).await;
    assert_eq!(
        Inventory::settled(&sale, &stack.operator())
            .await
            .total()
            .held,
        2 + 3
    );
}

async fn attempt(
    stack: &Stack,
    who: &Visitor,
    sale: &Sale,
    pass: &str,
) -> stanchion_tests::RestResponse {
    reserve_once(
        &stack.booking(0).by(who),
        &sale.wish(0, 1),
        Some(pass),
        Some(&new_key()),
    )
    .await
}

async fn not_genuine(stack: &Stack, sale: &Sale, ann: &Admission) {
    let none = reserve_once(
        &stack.booking(0).by(&ann.visitor),
        &sale.wish(0, 1),
        None,
        None,
    )
    .await;
    none.expect_problem(403, "PASS_REQUIRED");

    let unsigned = format!(
        "eyJhbGciOiJub25lIn0.{}.",
        ann.pass.split('.').nth(1).expect("a JWT has claims")
    );
    let ticket = stack.gateway(0).by(&ann.visitor);
    let ticket = sale.place(&ticket).await.expect(200)["ticket"]
        .as_str()
        .expect("ticket")
        .to_owned();
    let with = |change: fn(&mut Value)| {
        let mut claims = serde_json::to_value(&ann.claims).expect("claims are JSON");
        change(&mut claims);
        tokens::signed(&claims, PASS_SECRET)
    };
    let forgeries = [
        (
            "signed by somebody else",
            tokens::signed(&ann.claims, "somebody-elses-secret-of-32-bytes"),
        ),
        (
            "signed by the shop's login",
            tokens::signed(&ann.claims, JWT_SECRET),
        ),
        ("without a signature", unsigned),
        ("cut short", ann.pass[..ann.pass.len() - 1].to_owned()),
        ("no token at all", "let-me-in".to_owned()),
        ("a ticket", ticket),
        ("the user's own token", ann.visitor.token.clone()),
        (
            "of another purpose",
            with(|claims| claims["purpose"] = json!("lunch")),
        ),
        (
            "for another audience",
            with(|claims| claims["aud"] = json!("stanchion:line")),
        ),
    ];
    for (what, forgery) in forgeries {
        eprintln!("a pass {what}");
        attempt(stack, &ann.visitor, sale, &forgery)
            .await
            .expect_problem(403, "PASS_INVALID");
    }
    // Signed with our key, but never given out.
    let invented = with(|claims| claims["jti"] = json!("invented-0"));
    let answer = attempt(stack, &ann.visitor, sale, &invented).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
}

async fn not_for_this(stack: &Stack, sale: &Sale, ann: &Admission) {
    attempt(stack, &Visitor::new("bob"), sale, &ann.pass)
        .await
        .expect_problem(403, "PASS_WRONG_USER");
    let other = EventBuilder::new(&[10]).create(&stack.operator()).await;
    attempt(stack, &ann.visitor, &other, &ann.pass)
        .await
        .expect_problem(403, "PASS_WRONG_EVENT");

    assert_eq!(
        Inventory::settled(&other, &stack.operator())
            .await
            .total()
            .held,
        0
    );
}

async fn over(stack: &Stack) {
    let sale = EventBuilder::new(&[10])
        .queue(json!({"pass_ttl_seconds": 2}))
        .create(&stack.operator())
        .await;
    let late = admit(&stack.gateway(0), &sale, &Visitor::new("late")).await;
    eventually("the end of a pass", || async {
        (now_ms() > late.claims.end).then_some(())
    })
    .await;
    attempt(stack, &late.visitor, &sale, &late.pass)
        .await
        .expect_problem(403, "PASS_EXPIRED");
    eventually("the end of the place", || async {
        let place = sale.place(&stack.gateway(0).by(&late.visitor)).await;
        (place.code() == "NOT_IN_QUEUE").then_some(())
    })
    .await;

    assert_eq!(
        Inventory::settled(&sale, &stack.operator())
            .await
            .total()
            .held,
        0
    );
}

async fn given_up(stack: &Stack, sale: &Sale) {
    let gone = admit(&stack.gateway(0), sale, &Visitor::new("gone")).await;
    let gateway = stack.gateway(1).by(&gone.visitor);
    let left = gateway
        .delete(&format!("/queue/leave?event_id={}", sale.event))
        .await
        .expect(200);

    assert_eq!(left, json!({"event_id": sale.event, "left": true}));
    attempt(stack, &gone.visitor, sale, &gone.pass)
        .await
        .expect_problem(403, "PASS_REVOKED");
}

/// Acknowledgements are not awaited. One after the reservation is no error; one of an unknown pass
/// is answered with an error.
async fn acknowledged_too_late(stack: &Stack, sale: &Sale) {
    let dora = Visitor::new("dora");
    let mut socket = Socket::open(stack.gateway_url(0), &dora).await;
    socket
        .send_json(json!({"type": "join", "event_id": sale.event}))
        .await;
    let pass = |message| match message {
        ServerMessage::Pass {
            pass_id,
            queue_pass,
            ..
        } => Some((pass_id.to_string(), queue_pass)),
        _ => None,
    };
    let (pass_id, token) = socket.until("a pass", pass).await;
    attempt(stack, &dora, sale, &token).await.expect(201);
    socket
        .send_json(json!({"type": "ack", "pass_id": pass_id}))
        .await;
    socket
        .send_json(json!({"type": "ack", "pass_id": "never-given"}))
        .await;
    let refusal = |message| match message {
        ServerMessage::Error { code, r#ref, .. } => Some((code, r#ref)),
        _ => None,
    };
    let told = socket.until("a refusal", refusal).await;

    assert_eq!(
        told,
        ("INVALID_REQUEST".to_owned(), Some("never-given".to_owned()))
    );
}

async fn a_hundred_attempts(stack: &Stack, sale: &Sale, ann: &Admission) {
    let work = (0..100).map(|at| {
        let (booking, wish, pass) = (
            stack.booking(at).by(&ann.visitor),
            sale.wish(0, 2),
            ann.pass.clone(),
        );
        async move { reserve_once(&booking, &wish, Some(&pass), Some(&new_key())).await }
    });
    let (sold, refused): (Vec<_>, Vec<_>) = run_all(work)
        .await
        .into_iter()
        .partition(|answer| answer.status == 201);

    assert_eq!(sold.len(), 1);
    refused.into_iter().for_each(|answer| {
        answer.expect_problem(409, "PASS_USED");
    });
}

/// One attempt by its key, however often it is asked and on whichever instance.
async fn one_key(stack: &Stack, sale: &Sale) {
    let cleo = admit(&stack.gateway(0), sale, &Visitor::new("cleo")).await;
    let key = new_key();
    let again = |at: usize| {
        let (booking, wish) = (stack.booking(at).by(&cleo.visitor), sale.wish(0, 3));
        let (pass, key) = (cleo.pass.clone(), key.clone());
        async move { reserve_once(&booking, &wish, Some(&pass), Some(&key)).await }
    };
    let answers = run_all((0..20).map(again)).await;
    let bookings: Vec<Value> = answers
        .into_iter()
        .map(|answer| answer.expect(201))
        .collect();
    assert!(
        bookings
            .iter()
            .all(|booking| id(booking) == id(&bookings[0])),
        "{bookings:?}"
    );
    let later = again(1).await.expect(201);
    assert_eq!(id(&later), id(&bookings[0]));

    let booking = stack.booking(1).by(&cleo.visitor);
    let other = reserve_once(&booking, &sale.wish(0, 1), Some(&cleo.pass), Some(&key)).await;
    other.expect_problem(422, "IDEMPOTENCY_MISMATCH");
    let listed = booking.get("/bookings").await.expect(200);
    assert_eq!(
        (&listed["total"], id(&listed["bookings"][0])),
        (&json!(1), id(&later))
    );
}

crate::on_both!(admits_once_per_pass);
