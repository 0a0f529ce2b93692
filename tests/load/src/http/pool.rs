//! A bounded number of kept connections that all users of a process share for their requests.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    Call, Fault,
    connection::{Connection, Unsent},
};
use crate::loopback::Endpoint;

/// Longest wait for an answer, a free connection included.
const DEADLINE: Duration = Duration::from_secs(15);

/// See the module's documentation.
pub struct Pool {
    endpoint: Endpoint,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
    dialled: AtomicUsize,
}

/// An answer that is not a refusal.
#[derive(Debug)]
pub struct Answer(Bytes);

impl Answer {
    /// The answer's JSON.
    ///
    /// # Errors
    /// An answer of another form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.0).map_err(|_| Fault::Unexpected("an answer of another form"))
    }

    /// The answer's text; `None` if it is none.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Pool {
    /// A pool of at most this many connections.
    pub fn new(endpoint: Endpoint, connections: usize) -> Self {
        let permits = Semaphore::new(connections);
        Self {
            endpoint,
            permits,
            idle: Mutex::default(),
            dialled: AtomicUsize::new(0),
        }
    }

    /// Where the pool leads.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks.
    ///
    /// # Errors
    /// No answer, or a refusal (any status but 2xx).
    pub async fn call(&self, call: Call) -> Result<Answer, Fault> {
        timeout(DEADLINE, self.exchange(call))
            .await
            .unwrap_or(Err(Fault::TooLate))
    }

    async fn exchange(&self, call: Call) -> Result<Answer, Fault> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| Fault::Unexpected("a closed pool"))?;
        let kept = self.take();
        let fresh = kept.is_none();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.dial().await?,
        };
        let answer = match connection.send(call).await {
            // A kept connection that the server has closed meanwhile: nothing was sent.
            Err(Unsent {
                call: Some(call), ..
            }) if !fresh => {
                connection = self.dial().await?;
                connection.send(call).await
            }
            answer => answer,
        };

        let (head, body) = answer.map_err(|unsent| unsent.fault)?.into_parts();
        let body = body.collect().await?.to_bytes();

        if connection.is_open() {
            self.idle.lock().push(connection);
        }

        if head.status.is_success() {
            Ok(Answer(body))
        } else {
            Err(Fault::refused(head.status.as_u16(), &body))
        }
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        idle.retain(Connection::is_open);
        idle.pop()
    }

    async fn dial(&self) -> Result<Connection, Fault> {
        Connection::open(&self.endpoint, self.dialled.fetch_add(1, Ordering::Relaxed)).await
    }
}
