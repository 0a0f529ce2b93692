//! A bare gateway: it upgrades connections, listens for each one's pass by its strategy, and writes
//! it. No tokens, no line.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    cli::Strategy,
    message::{self, FromBrowser, ToBrowser},
    route::Route,
};

/// As Stanchion's: larger buffers would be resident for every user.
const BUFFER: usize = 1024;

/// Serves on a free port, which is the first line of its output, until it is ended.
///
/// # Errors
/// A Redis that does not answer.
pub async fn run(strategy: Strategy, redis: &str) -> Result<()> {
    let route = Route::open(strategy, redis).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;

    println!("{}", listener.local_addr()?.port());

    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await; // no descriptor left
            continue;
        };
        let route = route.clone();
        tokio::spawn(async move { serve(stream, route).await.ok() });
    }
}

async fn serve(stream: TcpStream, route: Route) -> Result<()> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    let user = user(&mut socket).await?;
    let mut ear = route.listen(user).await?;

    socket
        .send(Message::text(message::json(&ToBrowser::Queued {})))
        .await?;

    loop {
        tokio::select! {
            pass = ear.pass() => {
                socket.send(Message::text(pass?)).await?;
                break;
            }
            message = socket.next() => drop(message.context("the browser left")??),
        }
    }

    while socket.next().await.is_some() {}
    Ok(())
}

/// The first two messages: who it is, and that it wants to wait.
async fn user(socket: &mut WebSocketStream<TcpStream>) -> Result<String> {
    let first = socket.next().await.context("a first message")??;
    let FromBrowser::Connect { token } = serde_json::from_str(first.to_text()?)? else {
        anyhow::bail!("the first message connects")
    };
    socket.next().await.context("a join")??;
    Ok(token)
}
