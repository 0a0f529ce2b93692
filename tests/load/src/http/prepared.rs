//! A kept connection that carries one prepared request at a time, with next to no work of its own:
//! what is measured beside it should be the server's.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Fault, dial};
use crate::loopback::Endpoint;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// Room for the longest answer: a booking and its headers take less than 1 KiB.
const ROOM: usize = 8 * 1024;

/// See the module's documentation. Dials when it is first needed, and again after a fault.
pub struct Prepared<'a> {
    to: &'a Endpoint,
    number: usize,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// Where an answer ends and what it says.
struct Head {
    status: u16,
    body: std::ops::Range<usize>,
    closes: bool,
}

impl<'a> Prepared<'a> {
    /// A connection to be; its number chooses the source address.
    pub const fn new(to: &'a Endpoint, number: usize) -> Self {
        Self {
            to,
            number,
            stream: None,
            buffer: Vec::new(),
        }
    }

    /// Sends a whole request and reads the answer's body.
    ///
    /// # Errors
    /// No answer, or a refusal (any status but 2xx).
    pub async fn exchange(&mut self, request: &[u8]) -> Result<&[u8], Fault> {
        let answer = timeout(DEADLINE, self.exchange_unlimited(request))
            .await
            .unwrap_or(Err(Fault::TooLate));
        let head = answer.inspect_err(|_| self.stream = None)?;

        if head.closes {
            self.stream = None;
        }

        let body = &self.buffer[head.body];
        if (200..300).contains(&head.status) {
            Ok(body)
        } else {
            Err(Fault::refused(head.status, body))
        }
    }

    async fn exchange_unlimited(&mut self, request: &[u8]) -> Result<Head, Fault> {
        if self.stream.is_none() {
            self.stream = Some(dial(self.to, self.number).await?);
        }

        let stream = self
            .stream
            .as_mut()
            .ok_or(Fault::Unexpected("no connection"))?;
        stream
            .write_all(request)
            .await
            .map_err(|error| broken(&error))?;
        self.buffer.clear();

        loop {
            if stream
                .read_buf(&mut self.buffer)
                .await
                .map_err(|error| broken(&error))?
                == 0
            {
                return Err(Fault::Broken("closed".into()));
            }
            match head(&self.buffer)? {
                Some(head) if head.body.end <= self.buffer.len() => return Ok(head),
                _ if self.buffer.len() > ROOM => {
                    return Err(Fault::Unexpected("an answer of this length"));
                }
                _ => {}
            }
        }
    }
}

fn broken(error: &std::io::Error) -> Fault {
    Fault::Broken(error.kind().to_string())
}

/// Reads an answer's head; nothing while it is not complete.
fn head(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let unreadable = Fault::Unexpected("an answer that is not HTTP");
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| unreadable.clone())?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok());
    let (mut length, mut closes) = (None, false);

    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        }
    }

    let (Some(status), Some(length)) = (status, length) else {
        return Err(unreadable);
    };
    Ok(Some(Head {
        status,
        body: end + 4..end + 4 + length,
        closes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nconnection: close\r\n\r\n{}";
        assert!(head(&answer[..30]).unwrap().is_none());
        let whole = head(answer).unwrap().unwrap();
        assert_eq!(
            (whole.status, &answer[whole.body], whole.closes),
            (201, &b"{}"[..], true)
        );
        assert!(head(b"nonsense\r\n\r\n").is_err());
    }
}
