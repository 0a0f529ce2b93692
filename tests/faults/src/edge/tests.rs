use tokio::net::TcpListener;

use super::*;

/// A server that repeats what it hears, and an edge to it.
async fn edge() -> (Edge, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();

    tokio::spawn(async move {
        while let Ok((mut client, _)) = server.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                let _ = tokio::io::copy(&mut from, &mut to).await; // until the client goes
            });
        }
    });

    let edge = Edge::to(&[port], 1).await.unwrap();
    let client = TcpStream::connect(("127.0.0.1", edge.port)).await.unwrap();
    (edge, client)
}

async fn hear(client: &mut TcpStream, within: Duration) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 64];
    let read = tokio::time::timeout(within, client.read(&mut bytes))
        .await
        .ok()?;
    bytes.truncate(read.unwrap());
    Some(bytes)
}

const LONG: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_half_open_edge_keeps_what_was_sent_until_it_is_whole() {
    let (edge, mut client) = edge().await;
    client.write_all(b"one").await.unwrap();
    assert_eq!(hear(&mut client, LONG).await.unwrap(), b"one");
    edge.set(Mode::HalfOpen);
    client.write_all(b"two").await.unwrap();
    assert_eq!(hear(&mut client, MOMENT).await, None);
    edge.set(Mode::Whole);
    assert_eq!(hear(&mut client, LONG).await.unwrap(), b"two");
}

#[tokio::test]
async fn a_cut_ends_connections_and_takes_new_ones() {
    let (edge, mut client) = edge().await;
    client.write_all(b"one").await.unwrap();
    assert_eq!(hear(&mut client, LONG).await.unwrap(), b"one");
    edge.cut();
    assert_eq!(
        hear(&mut client, LONG).await.unwrap(),
        b"",
        "the connection has ended"
    );

    let mut client = TcpStream::connect(("127.0.0.1", edge.port)).await.unwrap();
    client.write_all(b"two").await.unwrap();
    assert_eq!(hear(&mut client, LONG).await.unwrap(), b"two");
}

#[tokio::test]
async fn a_slow_edge_takes_its_time_both_ways() {
    let (edge, mut client) = edge().await;
    edge.delay(150, 0);
    let began = Instant::now();
    client.write_all(b"one").await.unwrap();
    assert_eq!(hear(&mut client, LONG).await.unwrap(), b"one");
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn frames_are_whole_and_messages_are_told_from_answers() {
    let message = b"*3\r\n$7\r\nmessage\r\n$4\r\nnode\r\n$2\r\nhi\r\n".to_vec();
    let answer = b"$2\r\nOK\r\n".to_vec();
    let map = b"%1\r\n+role\r\n:1\r\n".to_vec();
    let all = [message.clone(), answer.clone(), map.clone()].concat();
    let mut frames = Frames::default();
    let mut found = Vec::new();

    for byte in all {
        found.extend(frames.add(&[byte]));
    }

    assert_eq!(found, [message.clone(), answer.clone(), map]);
    assert!(is_message(&message) && !is_message(&answer));
}

#[tokio::test]
async fn lost_messages_are_lost_and_answers_are_not() {
    let (edge, mut client) = edge().await;
    edge.disturb(MessageFaults {
        lost: 1.0,
        ..MessageFaults::default()
    });

    // The server repeats: a subscription, then a message, then an answer.
    client.write_all(b"+SUBSCRIBE\r\n").await.unwrap();
    assert_eq!(hear(&mut client, LONG).await.unwrap(), b"+SUBSCRIBE\r\n");
    client
        .write_all(b"*3\r\n$7\r\nmessage\r\n$4\r\nnode\r\n$2\r\nhi\r\n+OK\r\n")
        .await
        .unwrap();

    assert_eq!(hear(&mut client, LONG).await.unwrap(), b"+OK\r\n");
}
