//! Browsers that wait. Says `joined` when all do; then, for a line on its input, who has received a
//! pass, and when.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stanchion_tests::tokens;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    cli::Crowd,
    message::{self, FromBrowser, ToBrowser},
};

type Socket = WebSocketStream<TcpStream>;

/// Longest wait for all to join, beyond their arrival.
const JOIN_PATIENCE: Duration = Duration::from_secs(60);
/// Longest latency that is told apart.
const LONGEST_US: u64 = 600_000_000;

/// What the crowd received.
#[derive(Debug, Serialize, Deserialize)]
pub struct Received {
    /// Browsers that had a place.
    pub joined: u32,
    /// Messages of any kind since all had a place.
    pub messages: u64,
    /// (microseconds from the release, how many passes).
    pub latencies: Vec<(u64, u64)>,
}

/// What the browsers count together.
struct Counts {
    joined: AtomicU32,
    messages: AtomicU64,
    latencies: Mutex<Histogram<u64>>,
}

/// A browser's user.
pub fn name(number: u32) -> String {
    format!("user-{number:06}")
}

/// See the module's documentation.
///
/// # Errors
/// A conductor that went away.
pub async fn run(crowd: Crowd) -> Result<()> {
    let latencies = Mutex::new(Histogram::new_with_max(LONGEST_US, 3)?);
    let counts = Arc::new(Counts {
        joined: AtomicU32::new(0),
        messages: AtomicU64::new(0),
        latencies,
    });

    let crowd = Arc::new(crowd);
    let start = Instant::now();

    for number in 0..crowd.users {
        sleep_until(start + Duration::from_secs_f64(f64::from(number) / f64::from(crowd.arrivals)))
            .await;
        tokio::spawn(browse(Arc::clone(&crowd), number, Arc::clone(&counts)));
    }

    let all = async {
        while counts.joined.load(Ordering::Relaxed) < crowd.users {
            sleep(Duration::from_millis(20)).await
        }
    };
    let _ = timeout(JOIN_PATIENCE, all).await; // the report says how many joined

    counts.messages.store(0, Ordering::Relaxed);
    println!("joined");

    let mut line = String::new();
    BufReader::new(tokio::io::stdin())
        .read_line(&mut line)
        .await?;
    println!("{}", message::json(&counts.received()));

    Ok(())
}

impl Counts {
    fn received(&self) -> Received {
        let latencies = self.latencies.lock();
        let counts = latencies
            .iter_recorded()
            .map(|value| (value.value_iterated_to(), value.count_at_value()));

        Received {
            joined: self.joined.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            latencies: counts.collect(),
        }
    }
}

async fn browse(crowd: Arc<Crowd>, number: u32, counts: Arc<Counts>) {
    if let Err(error) = wait(&crowd, number, &counts).await {
        eprintln!("{}: {error:#}", name(number));
    }
}

async fn wait(crowd: &Crowd, number: u32, counts: &Counts) -> Result<()> {
    let mut socket = connect(crowd.port).await?;
    let token = if crowd.event == BARE {
        name(number)
    } else {
        tokens::user(&name(number))
    };

    say(&mut socket, &FromBrowser::Connect { token }).await?;
    say(
        &mut socket,
        &FromBrowser::Join {
            event_id: crowd.event.clone(),
        },
    )
    .await?;

    while let Some(message) = socket.next().await {
        let message = message?;
        let Message::Text(text) = &message else {
            continue;
        };
        counts.messages.fetch_add(1, Ordering::Relaxed);
        match serde_json::from_str(text.as_str()) {
            Ok(ToBrowser::Queued {}) => drop(counts.joined.fetch_add(1, Ordering::Relaxed)),
            Ok(ToBrowser::Pass {
                pass_id,
                expires_at,
                ..
            }) => {
                let taken = since_release(&expires_at, crowd.pass_life)?;
                counts.latencies.lock().saturating_record(taken);
                say(&mut socket, &FromBrowser::Ack { pass_id }).await?;
            }
            _ => {}
        }
    }

    bail!("the connection ended")
}

/// The event of the bare gateways, whose users need no signed token.
pub const BARE: &str = "bare";

async fn connect(port: u16) -> Result<Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0);
    let url = format!("ws://127.0.0.1:{port}/api/v1/ws");
    Ok(client_async_with_config(url, stream, Some(config)).await?.0)
}

async fn say(socket: &mut Socket, message: &FromBrowser) -> Result<()> {
    Ok(socket.send(Message::text(message::json(message))).await?)
}

/// Microseconds from the release, known from the pass's end, until now.
fn since_release(expires_at: &str, pass_life: i64) -> Result<u64> {
    let released =
        OffsetDateTime::parse(expires_at, &Rfc3339)? - time::Duration::seconds(pass_life);
    Ok(u64::try_from((OffsetDateTime::now_utc() - released).whole_microseconds()).unwrap_or(0))
}
