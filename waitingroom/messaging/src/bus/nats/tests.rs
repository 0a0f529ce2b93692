use bytes::Bytes;

use super::*;

fn server() -> String {
    std::env::var("STANCHION_TEST_NATS_URL").expect(
        "STANCHION_TEST_NATS_URL is not set: run `make test`, or tests/services/run COMMAND",
    )
}

/// A stream of this test's own.
async fn own_bus() -> NatsBus {
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let config = NatsConfig {
        stream: name.clone(),
        prefix: name,
        ..NatsConfig::new(server())
    };
    NatsBus::connect(config).await.unwrap()
}

fn message(bus: &NatsBus, id: u32) -> Message {
    Message {
        subject: format!("{}.bookings.reserved", bus.config.prefix),
        message_id: id.to_string(),
        payload: Bytes::from(format!("{{\"id\":{id}}}")),
    }
}

async fn kept(bus: &NatsBus) -> u64 {
    bus.context
        .get_stream(&bus.config.stream)
        .await
        .unwrap()
        .cached_info()
        .state
        .messages
}

#[tokio::test]
async fn what_is_published_twice_is_kept_once() {
    let bus = own_bus().await;
    let messages: Vec<_> = (0..700).map(|id| message(&bus, id)).collect();

    for _ in 0..2 {
        let answers = bus.publish(&messages).await;
        assert!(
            answers.iter().all(Result::is_ok),
            "{:?}",
            answers.iter().find(|answer| answer.is_err())
        );
    }

    assert_eq!(kept(&bus).await, 700);
    bus.context.delete_stream(&bus.config.stream).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_there_is_used() {
    let bus = own_bus().await;
    let first = bus.publish(&[message(&bus, 1)]).await;
    let other = NatsBus::connect(bus.config.clone()).await.unwrap();
    let second = other.publish(&[message(&bus, 2)]).await;
    assert!(first[0].is_ok() && second[0].is_ok());
    assert_eq!(kept(&bus).await, 2);
    bus.context.delete_stream(&bus.config.stream).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_lost_is_made_again() {
    let bus = own_bus().await;
    assert!(bus.publish(&[message(&bus, 1)]).await[0].is_ok());
    bus.context.delete_stream(&bus.config.stream).await.unwrap();
    assert!(bus.publish(&[message(&bus, 2)]).await[0].is_err());
    assert!(bus.publish(&[message(&bus, 2)]).await[0].is_ok());
    bus.context.delete_stream(&bus.config.stream).await.unwrap();
}

#[test]
fn an_acknowledgement_that_stored_nothing_is_none() {
    let answer = |text: &str| check_stored(&serde_json::from_str(text).unwrap());
    assert!(answer(r#"{"stream":"S","seq":7}"#).is_ok());
    assert!(
        answer(r#"{"stream":"S","seq":7,"duplicate":true}"#).is_ok(),
        "it was stored before"
    );
    assert!(
        answer(r#"{"stream":"S","seq":0,"duplicate":true}"#).is_err(),
        "it waits for the other copies"
    );
}

#[tokio::test]
async fn a_bus_of_several_servers_needs_one_of_them() {
    let own = own_bus().await;
    let url = format!("nats://127.0.0.1:9,{}", server()); // discard: nobody listens
    let bus = NatsBus::connect(NatsConfig {
        url,
        ..own.config.clone()
    })
    .await
    .unwrap();

    assert!(bus.publish(&[message(&bus, 1)]).await[0].is_ok());
    bus.context.delete_stream(&bus.config.stream).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_named_wrong_is_refused_without_its_password() {
    let refused = NatsBus::connect(NatsConfig::new("nats://a:1,nats://shop:hunter22@b:port"))
        .await
        .unwrap_err();
    assert!(!refused.to_string().contains("hunter22"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn without_a_server_a_publication_fails_at_its_deadline() {
    let config = NatsConfig::new("nats://127.0.0.1:9"); // discard: nobody listens
    let bus = NatsBus::connect(config).await.unwrap();
    let answers = bus.publish(&[message(&bus, 1), message(&bus, 2)]).await;
    assert!(answers.iter().all(Result::is_err) && answers.len() == 2);
}

/// What a client says to a server that asks for credentials.
async fn introduction(credentials: &str) -> String {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{credentials}@{}", listener.local_addr().unwrap());
    let _bus = NatsBus::connect(NatsConfig::new(url)).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let info = r#"INFO {"server_id":"x","version":"2.10.0","host":"h","port":1,"max_payload":1048576,"auth_required":true}"#;

    stream
        .write_all(format!("{info}\r\n").as_bytes())
        .await
        .unwrap();

    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    line
}

#[tokio::test]
async fn user_and_password_of_the_url_reach_the_server() {
    let said = introduction("shop:p%40ss").await;
    assert!(
        said.contains(r#""user":"shop""#) && said.contains(r#""pass":"p@ss""#),
        "{said}"
    );
    let said = introduction("a-token").await;
    assert!(said.contains(r#""auth_token":"a-token""#), "{said}");
}
