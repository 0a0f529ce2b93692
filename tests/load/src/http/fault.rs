//! Faults, named so that equal ones count together.

use std::{fmt, io, time::Duration};

use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

/// Why something did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No connection.
    Dial(io::ErrorKind),
    /// The connection broke.
    Broken(String),
    /// No answer in time.
    TooLate,
    /// A WebSocket was closed with this code.
    Closed(u16),
    /// The server said no.
    Refused {
        /// The HTTP status; 0 on a socket.
        status: u16,
        /// The problem's code.
        code: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// An answer that the interface does not assertions.
    Unexpected(&'static str),
}

impl Fault {
    /// The refusal of an HTTP answer.
    pub fn refused(status: u16, body: &[u8]) -> Self {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        Self::Refused {
            status,
            code: problem["code"]
                .as_str()
                .unwrap_or("without a code")
                .to_owned(),
            retry_after: problem["retry_after"].as_u64().map(Duration::from_secs),
        }
    }

    /// A refusal on a socket.
    pub fn code(code: &str) -> Self {
        Self::Refused {
            status: 0,
            code: code.to_owned(),
            retry_after: None,
        }
    }

    /// How long to wait before asking the same again; `None` if that cannot help.
    pub fn again_after(&self) -> Option<Duration> {
        match self {
            Self::Refused {
                status: 503 | 429,
                retry_after,
                ..
            } => Some(retry_after.unwrap_or(Duration::from_secs(1))),
            Self::Refused { code, .. } if code == "UNAVAILABLE" => Some(Duration::from_secs(1)),
            Self::Refused { .. } | Self::Unexpected(_) => None,
            Self::Dial(_) | Self::Broken(_) | Self::TooLate | Self::Closed(_) => {
                Some(Duration::from_millis(500))
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(kind) => write!(f, "no connection ({kind})"),
            Self::Broken(what) => write!(f, "connection broke ({what})"),
            Self::TooLate => f.write_str("no answer in time"),
            Self::Closed(code) => write!(f, "closed with {code}"),
            Self::Refused {
                status: 0, code, ..
            } => f.write_str(code),
            Self::Refused { status, code, .. } => write!(f, "{status} {code}"),
            Self::Unexpected(what) => f.write_str(what),
        }
    }
}

impl From<hyper::Error> for Fault {
    fn from(error: hyper::Error) -> Self {
        let cause =
            std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause {
            Some(cause) => Self::Broken(cause.kind().to_string()),
            None => Self::Broken(error.to_string()),
        }
    }
}

impl From<tungstenite::Error> for Fault {
    fn from(error: tungstenite::Error) -> Self {
        use tungstenite::Error;
        match error {
            Error::Io(error) => Self::Broken(error.kind().to_string()),
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Broken("closed".into()),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Broken("reset".into())
            }
            Error::Http(answer) => Self::refused(
                answer.status().as_u16(),
                answer.body().as_deref().unwrap_or_default(),
            ),
            other => Self::Broken(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_named_by_its_code() {
        let fault = Fault::refused(503, br#"{"code":"UNAVAILABLE","retry_after":2}"#);
        assert_eq!(fault.to_string(), "503 UNAVAILABLE");
        assert_eq!(fault.again_after(), Some(Duration::from_secs(2)));
        assert_eq!(
            Fault::refused(409, br#"{"code":"PASS_USED"}"#).again_after(),
            None
        );
        assert_eq!(
            Fault::refused(500, b"<html>").to_string(),
            "500 without a code"
        );
        assert_eq!(Fault::code("QUEUE_FULL").to_string(), "QUEUE_FULL");
    }
}
