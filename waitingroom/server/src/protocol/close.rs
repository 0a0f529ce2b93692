//! Why a socket was closed: 4000–4499 tell the client to reconnect, 4500–4999 not to.

/// A close code of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The node drains.
    Drain = 4001,
    /// The client does not read what it is sent.
    SlowReader = 4008,
    /// Nothing was heard of the client.
    HeartbeatMissed = 4012,
    /// Too many messages or connections.
    TooMany = 4029,
    /// The token was refused.
    BadToken = 4500,
    /// A frame that is not of the protocol.
    BadMessage = 4501,
    /// The first frame did not come in time.
    NoConnect = 4502,
    /// The sale is over.
    EventClosed = 4505,
}

impl CloseCode {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::Drain,
        Self::SlowReader,
        Self::HeartbeatMissed,
        Self::TooMany,
        Self::BadToken,
        Self::BadMessage,
        Self::NoConnect,
        Self::EventClosed,
    ];

    /// The code on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The reason on the wire, and the label of metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::SlowReader => "slow reader",
            Self::HeartbeatMissed => "heartbeat missed",
            Self::TooMany => "too many",
            Self::BadToken => "bad token",
            Self::BadMessage => "bad message",
            Self::NoConnect => "no connect in time",
            Self::EventClosed => "event closed",
        }
    }

    /// Should the client come back?
    pub const fn reconnect(self) -> bool {
        self.code() < 4500
    }
}
