//! Processes of different settings say so: in the log, in readiness and to operators.

use stanchion_tests::{
    Shape, Stack, eventually,
    stack::Role,
    tokens::{JWT_SECRET, PASS_SECRET},
};

fn shape(booking_settings: Vec<(&'static str, String)>) -> Shape {
    Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        booking_settings,
        ..Shape::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differing_settings_are_reported() {
    let other_secret = "another-secret-of-passes-here".to_owned();
    let stack = Stack::servers(shape(vec![
        ("STANCHION_GUESTS", "false".to_owned()),
        ("STANCHION_PASS_SECRET", other_secret.clone()),
    ]))
    .await;

    for role in [Role::Gateway, Role::Booking] {
        let process = stack.process(role, 0);
        let warnings = eventually("warnings of readiness", || async {
            let ready = process.health("ready").await.expect(200);
            let warnings = ready["warnings"].as_array()?.clone();
            (warnings.len() == 2).then_some(warnings)
        })
        .await;
        for (warning, setting) in warnings.iter().zip(["guests", "pass_secret"]) {
            let warning = warning.as_str().expect("a text");
            assert!(
                warning.contains(&format!("the setting {setting} differs")),
                "{warning}"
            );
        }

        let log = stack.log(role, 0);
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains("a setting differs"))
            .collect();
        assert_eq!(lines.len(), 2, "each is logged once: {log}");
        assert!(
            lines[0].contains("ERROR") && lines[0].contains("guests"),
            "{lines:?}"
        );
        for secret in [&other_secret, PASS_SECRET, JWT_SECRET] {
            assert!(!log.contains(secret), "{role:?} logs a secret");
        }
    }

    let worker = stack
        .process(Role::QueueWorker, 0)
        .health("ready")
        .await
        .expect(200);
    assert!(
        worker["warnings"].is_null(),
        "it has none of these settings: {worker}"
    );

    let nodes = stack.operator().get("/admin/nodes").await.expect(200);
    let text = nodes.to_string();
    assert!(
        !text.contains(&other_secret) && !text.contains(PASS_SECRET),
        "{text}"
    );
    let nodes = nodes["nodes"].as_array().expect("a list").clone();
    let of_role = |role: &str| {
        let node = nodes.iter().find(|node| node["roles"][0] == role);
        node.expect("a process of each role")["settings"].clone()
    };
    let (gateway, booking) = (of_role("gateway"), of_role("booking"));
    assert_eq!(
        (&gateway["guests"], &booking["guests"]),
        (&"true".into(), &"false".into())
    );
    assert_ne!(gateway["pass_secret"], booking["pass_secret"]);
    assert_eq!(gateway["jwt_secret"], booking["jwt_secret"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agreeing_settings_are_no_matter() {
    let mut stack = Stack::servers(shape(vec![("STANCHION_GUESTS", "false".to_owned())])).await;
    eventually("a warning", || async {
        let ready = stack.gateway(0).health("ready").await.expect(200);
        ready["warnings"].is_array().then_some(())
    })
    .await;

    stack.set_booking_settings(Vec::new());
    stack
        .restart_process(
            Role::Booking,
            0,
            stanchion_tests::process::Signal::Terminate,
        )
        .await;
    eventually("the end of the warning", || async {
        let ready = stack.gateway(0).health("ready").await.expect(200);
        ready["warnings"].is_null().then_some(())
    })
    .await;
    assert!(
        stack
            .log(Role::Gateway, 0)
            .contains("agrees with other processes again")
    );
}
