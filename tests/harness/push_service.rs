//! A push service: takes what is sent to it, and answers as a test says.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A request to the service.
#[derive(Debug, Clone)]
pub struct ReceivedPush {
    /// Of the endpoint.
    pub path: String,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    /// Encrypted.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    received: Vec<ReceivedPush>,
    answers: HashMap<String, VecDeque<String>>,
}

/// See the module's documentation.
#[derive(Clone)]
pub struct PushService {
    /// Where it serves.
    pub origin: String,
    state: Arc<Mutex<State>>,
}

impl PushService {
    /// Serves until the test ends.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = Self {
            origin: format!("http://{address}"),
            state: Arc::default(),
        };

        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let service = serving.clone();
                tokio::spawn(async move { service.serve(connection).await });
            }
        });
        service
    }

    /// The endpoint of a browser of this name.
    pub fn endpoint(&self, browser: &str) -> String {
        format!("{}/push/{browser}", self.origin)
    }

    /// The next answers to pushes for this browser, before it accepts them: status line and headers.
    pub fn answer(&self, browser: &str, answers: &[&str]) {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let path = format!("/push/{browser}");
        self.state.lock().answers.insert(path, answers);
    }

    /// Every push so far.
    pub fn received(&self) -> Vec<ReceivedPush> {
        self.state.lock().received.clone()
    }

    /// The pushes so far for a browser of this name.
    pub fn received_for(&self, browser: &str) -> Vec<ReceivedPush> {
        let path = format!("/push/{browser}");
        let mut received = self.received();
        received.retain(|push| push.path == path);
        received
    }

    async fn serve(&self, connection: TcpStream) {
        let mut connection = BufReader::new(connection);
        while let Some(push) = read_request(&mut connection).await {
            let answer = {
                let mut state = self.state.lock();
                let answers = state.answers.get_mut(&push.path);
                let answer = answers.and_then(VecDeque::pop_front);
                state.received.push(push);
                answer.unwrap_or_else(|| "201 Created".to_owned())
            };
            let response = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
            if connection.write_all(response.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn read_request(connection: &mut BufReader<TcpStream>) -> Option<ReceivedPush> {
    let first = read_line(connection).await?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let line = read_line(connection).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }

    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok()?;
    Some(ReceivedPush {
        path,
        headers,
        body,
    })
}

async fn read_line(connection: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let length = connection.read_line(&mut line).await.ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}
