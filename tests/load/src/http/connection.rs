//! One connection to the server, from a loopback address of the user's own.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response,
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{Call, Fault};
use crate::loopback::{Endpoint, source};

/// Longest wait for a connection: a lost SYN is sent again after 1, 3 and 7 s.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);

/// Opens a TCP connection from the user's source address.
///
/// # Errors
/// No connection.
pub async fn dial(to: &Endpoint, user: usize) -> Result<TcpStream, Fault> {
    let open = async {
        let socket = if to.address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(source) = source(to.address, user) {
            socket.bind(source)?;
        }
        let stream = socket.connect(to.address).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    let opened = timeout(DIAL_DEADLINE, open)
        .await
        .map_err(|_| Fault::Dial(std::io::ErrorKind::TimedOut))?;
    opened.map_err(|error| Fault::Dial(error.kind()))
}

/// An HTTP connection that is kept.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: header::HeaderValue,
}

/// A call that failed; the call itself if it was never sent.
pub struct Unsent {
    /// Why.
    pub fault: Fault,
    /// The part that can be sent over another connection.
    pub call: Option<Call>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// No connection.
    pub async fn open(to: &Endpoint, user: usize) -> Result<Self, Fault> {
        let stream = dial(to, user).await?;
        let (sender, driver) = Builder::new()
            .max_buf_size(8 * 1024)
            .handshake(TokioIo::new(stream))
            .await?;

        tokio::spawn(driver); // ends with the connection
        let host = header::HeaderValue::from_str(&to.authority)
            .map_err(|_| Fault::Unexpected("a host"))?;
        Ok(Self { sender, host })
    }

    /// Can it be used again?
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a call; the answer's head.
    ///
    /// # Errors
    /// A connection that broke before or after the call was sent.
    pub async fn send(&mut self, mut call: Call) -> Result<Response<Incoming>, Unsent> {
        call.headers_mut().insert(header::HOST, self.host.clone());

        if let Err(error) = self.sender.ready().await {
            return Err(Unsent {
                fault: error.into(),
                call: Some(call),
            });
        }

        self.sender
            .try_send_request(call)
            .await
            .map_err(|mut error| {
                let call = error.take_message();
                Unsent {
                    fault: error.into_error().into(),
                    call,
                }
            })
    }
}
