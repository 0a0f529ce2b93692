//! The commands of README.md and docs/deployment.md do what they say, as they are printed; ports,
//! servers and folders are those of the test.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use reqwest::{Client, Method};
use serde_json::json;
use stanchion_tests::{
    Rest, Shape, Stack,
    backends::Backends,
    environment, eventually, ports,
    process::{Process, Signal},
    scratch::Scratch,
    shopping::{new_key, reserve_once},
};

const README: &str = include_str!("../../README.md");
const DEPLOYMENT: &str = include_str!("../../docs/deployment.md");

/// The first block of shell commands behind this text.
fn block<'a>(document: &'a str, behind: &str) -> &'a str {
    let (_, rest) = document.split_once(behind).expect(behind);
    let (_, rest) = rest.split_once("```sh\n").expect("a block follows");
    rest.split_once("\n```").expect("the block ends").0
}

/// Runs commands in bash with nothing of our own settings.
fn bash(script: &str) -> Command {
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STANCHION_") {
            command.env_remove(name);
        }
    }
    command.args(["-c", script]);
    command
}

async fn run(script: String) -> Output {
    let run = move || bash(&script).output().expect("bash starts");
    tokio::task::spawn_blocking(run).await.expect("it ran")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journey_in_curl_confirms_each_time() {
    let stack = Stack::embedded_with(&[
        ("STANCHION_JWT_SECRET", ""),
        ("STANCHION_DEV_TOKENS", "true"),
    ])
    .await;
    let printed = block(README, "## The journey of a user, in curl");
    let journey = printed.replace("http://localhost:8080", stack.gateway_url(0));
    assert_ne!(journey, printed);

    for _ in 0..2 {
        let output = run(journey.clone()).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        assert!(text.contains(r#""status":"confirmed""#), "{text}");
    }

    // What is refused is shown, and never taken for an id.
    let refused = journey.replace(
        "ZONE=d2000000-0000-0001-0002",
        "ZONE=d2000000-0000-0001-00ff",
    );
    assert_ne!(refused, journey);
    let output = run(refused).await;
    let (text, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(!output.status.success(), "{text}");
    assert!(error.contains("no booking_id in: {"), "{error}");
    assert!(
        error.contains("ZONE_NOT_FOUND") && !text.contains("BOOKING_NOT_FOUND"),
        "{text}"
    );
}

/// A folder with the command under the name that the documents use. Its processes end with the shell.
fn command_on_path(scratch: &Scratch) -> String {
    let bin = scratch.join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    let command = bin.join("stanchion");
    let binary = environment::binary();
    let text = format!(
        "#!/bin/sh\nexec setpriv --pdeathsig TERM '{}' \"$@\"\n",
        binary.display()
    );
    fs::write(&command, text).expect("a script");
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", bin.display())
}

fn start(script: &str, folder: &Path, variables: &[(&str, &str)]) -> Process {
    let mut command = bash(&format!("{script}\nwait"));
    command.current_dir(folder).envs(variables.iter().copied());
    Process::start("by-hand", &mut command, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_by_hand_serve_page_and_sale() {
    let name = format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..16]);
    let scratch = Scratch::new(&name);
    let backends = Backends::prepare(&name, &Shape::default(), &scratch).await;
    let [gateway_port, booking_port, worker_port] = [ports::free(), ports::free(), ports::free()];

    let mut script = block(DEPLOYMENT, "## Single processes").to_owned();
    for (printed, ours) in [
        ("redis://127.0.0.1:6379", backends.redis_url.clone()),
        ("nats://127.0.0.1:4222", backends.nats_url.clone()),
        (
            "postgres://stanchion:password@127.0.0.1/stanchion",
            backends.database_url(),
        ),
        ("127.0.0.1:8080", format!("127.0.0.1:{gateway_port}")),
        ("127.0.0.1:8081", format!("127.0.0.1:{booking_port}")),
        ("127.0.0.1:8082", format!("127.0.0.1:{worker_port}")),
    ] {
        assert!(script.contains(printed), "{printed} in {script}");
        script = script.replace(printed, &ours);
    }
    let path = command_on_path(&scratch);
    let shell = start(
        &script,
        scratch.path(),
        &[
            ("PATH", &path),
            ("STANCHION_REDIS_PREFIX", &name),
            ("STANCHION_NATS_PREFIX", &name),
            ("STANCHION_LAME_DUCK_SECONDS", "0"),
            ("STANCHION_DRAIN_SECONDS", "0"),
        ],
    );

    let url = format!("http://127.0.0.1:{gateway_port}");
    let http = Client::builder().no_proxy().build().expect("a client");
    let gateway = Rest::new(&http, &url);
    eventually("the gateway and booking", || async {
        assert!(shell.exit().is_none(), "{}", shell.said());
        let listed = gateway
            .attempt(gateway.request(Method::GET, "/events"))
            .await
            .ok()?;
        (listed.status == 200).then_some(())
    })
    .await;
    assert!(
        shell
            .said()
            .contains("the configuration is valid for gateway"),
        "{}",
        shell.said()
    );

    let page = http.get(&url).send().await.expect("a page");
    assert_eq!(page.status(), 200);
    let event = "d0000000-0000-0001-0000-000000000000";
    let made = gateway.post("/guest", &json!({})).await.expect(201);
    let guest = gateway.with_token(made["token"].as_str().expect("a token"));
    guest
        .post("/queue/join", &json!({"event_id": event}))
        .await
        .expect(201);
    let pass = eventually("the guest's turn", || async {
        let place = guest
            .get(&format!("/queue/position/{event}"))
            .await
            .expect(200);
        place["queue_pass"].as_str().map(str::to_owned)
    })
    .await;
    let seats = json!({
        "event_id": event, "show_id": "d1000000-0000-0001-0000-000000000000",
        "zone_id": "d2000000-0000-0001-0002-000000000000", "quantity": 2,
    });
    reserve_once(&guest, &seats, Some(&pass), Some(&new_key()))
        .await
        .expect(201);

    let said = shell.said();
    for complaint in ["a setting differs", "X-Forwarded-For", "ERROR"] {
        assert!(!said.contains(complaint), "{complaint} in {said}");
    }
    shell.signal(Signal::Terminate);
    shell.ended().await;
}
