//! The types of values that go to the scripts and come back.

use std::{str::FromStr, vec::IntoIter};

use redis::{Cmd, Value};
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, NodeId, PassId, UserId, ZoneId},
    numbers::Numbers,
    presence::Presence,
    push::PushSubscription,
    queue::{Counters, QueueSettings, SaleState},
};

use crate::EngineError;

/// Lua's numbers are exact up to 2^53; no queue has given out a number beyond it, whatever a ticket
/// says.
const MAX_EXACT_NUMBER: u64 = 1 << 53;

/// What a script is given.
pub(in crate::redis) trait Argument {
    /// Appends it to the call.
    fn append_to(&self, call: &mut Cmd);
}

macro_rules! argument {
    ($($type:ty: |$value:ident| $text:expr;)*) => {
        $(
            impl Argument for $type {
                fn append_to(&self, call: &mut Cmd) {
                    let $value = self;
                    call.arg($text);
                }
            }
        )*
    };
}

argument! {
    &str: |text| *text;
    String: |text| text;
    u32: |number| *number;
    u64: |number| (*number).min(MAX_EXACT_NUMBER);
    f64: |number| *number;
    bool: |flag| u8::from(*flag);
    Timestamp: |moment| moment.millis();
    Epoch: |epoch| epoch.as_str();
    NodeId: |node| node.as_str();
    PassId: |pass| pass.as_str();
    UserId: |user| user.as_str();
    BookingId: |booking| booking.to_string();
    ZoneId: |zone| zone.to_string();
    Presence: |presence| match presence {
        Presence::Node(node) => node.as_str(),
        Presence::Poll => "", // no node has this name
    };
    Numbers: |numbers| numbers
        .runs()
        .map(|(first, last)| format!("{first}-{last}"))
        .collect::<Vec<_>>()
        .join(" ");
    [NodeId]: |nodes| nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(" ");
}

impl<T: Argument + ?Sized> Argument for &T {
    fn append_to(&self, call: &mut Cmd) {
        (**self).append_to(call);
    }
}

/// Name and value of each in turn.
impl Argument for QueueSettings {
    fn append_to(&self, call: &mut Cmd) {
        for (name, value) in self.to_fields() {
            call.arg(name).arg(value);
        }
    }
}

/// A part of a packed text.
pub(super) trait Packed {
    /// Does Lua have it as a number?
    const IS_NUMBER: bool = false;

    /// As it is packed.
    fn to_part(&self) -> String;
}

macro_rules! packed_part {
    ($($type:ty: |$value:ident| $text:expr;)*) => {
        $(
            impl Packed for $type {
                fn to_part(&self) -> String {
                    let $value = self;
                    $text.to_string()
                }
            }
        )*
    };
}

packed_part! {
    &str: |text| text;
    &UserId: |user| user;
    &PassId: |pass| pass;
    ZoneId: |zone| zone;
    Timestamp: |moment| moment.millis();
}

impl Packed for u32 {
    const IS_NUMBER: bool = true;

    fn to_part(&self) -> String {
        self.to_string()
    }
}

/// What a script answers.
pub(in crate::redis) trait ReplyValue: Sized {
    /// Takes it from the values that are not read yet.
    fn read(reply: &mut Reply) -> Result<Self, EngineError>;
}

macro_rules! parsed_values {
    ($($type:ty),*) => {
        $(
            impl ReplyValue for $type {
                fn read(reply: &mut Reply) -> Result<Self, EngineError> {
                    reply.parsed()
                }
            }
        )*
    };
}

parsed_values!(u8, u32, u64, f64, Epoch, PassId, UserId, BookingId, ZoneId);

impl ReplyValue for String {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        reply.text()
    }
}

impl ReplyValue for bool {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        Ok(u8::read(reply)? == 1)
    }
}

impl ReplyValue for Timestamp {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        reply.parsed().map(Self::from_millis)
    }
}

impl ReplyValue for SaleState {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        Self::from_name(&reply.text()?).ok_or_else(malformed_reply)
    }
}

/// A list of its own.
impl<T: ReplyValue> ReplyValue for Vec<T> {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        reply.list()?.all()
    }
}

/// Two values that follow each other.
impl<A: ReplyValue, B: ReplyValue> ReplyValue for (A, B) {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        Ok((A::read(reply)?, B::read(reply)?))
    }
}

/// Name and value of each in turn, in a list of its own.
impl ReplyValue for QueueSettings {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        Self::from_fields(Vec::read(reply)?).ok_or_else(malformed_reply)
    }
}

/// Name and value of each in turn, in a list of its own.
impl ReplyValue for Counters {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        Self::from_fields(Vec::read(reply)?).ok_or_else(malformed_reply)
    }
}

/// Node names in one text.
pub(in crate::redis) struct Nodes(pub(in crate::redis) Vec<NodeId>);

impl ReplyValue for Nodes {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        let names = reply.text()?;
        names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| name.parse().map_err(|_| malformed_reply()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A user's browsers, a line each. What an earlier release stored and this one refuses is left out.
pub(in crate::redis) struct Subscriptions(pub(in crate::redis) Vec<PushSubscription>);

impl ReplyValue for Subscriptions {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        let lines = reply.text()?;
        let subscription = |line: &str| {
            let mut parts = line.split('\t');
            PushSubscription::parse(parts.next()?, parts.next()?, parts.next()?).ok()
        };
        Ok(Self(lines.lines().filter_map(subscription).collect()))
    }
}

/// The first and the last number of a run, in one text.
pub(in crate::redis) struct Run(pub(in crate::redis) u64, pub(in crate::redis) u64);

impl ReplyValue for Run {
    fn read(reply: &mut Reply) -> Result<Self, EngineError> {
        let packed = reply.text()?;
        let (first, last) = packed.split_once('-').ok_or_else(malformed_reply)?;
        let number = |text: &str| text.parse().map_err(|_| malformed_reply());
        Ok(Self(number(first)?, number(last)?))
    }
}

/// The values of an answer that are not read yet.
pub(in crate::redis) struct Reply(IntoIter<Value>);

impl From<Value> for Reply {
    /// A single value is a list of one.
    fn from(value: Value) -> Self {
        match value {
            Value::Array(values) => Self(values.into_iter()),
            value => Self(vec![value].into_iter()),
        }
    }
}

impl Reply {
    fn next(&mut self) -> Result<Value, EngineError> {
        self.0.next().ok_or_else(malformed_reply)
    }

    pub(in crate::redis) fn list(&mut self) -> Result<Self, EngineError> {
        self.next().map(Self::from)
    }

    pub(in crate::redis) fn text(&mut self) -> Result<String, EngineError> {
        match self.next()? {
            Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| malformed_reply()),
            Value::Int(number) => Ok(number.to_string()),
            _ => Err(malformed_reply()),
        }
    }

    pub(in crate::redis) fn parsed<T: FromStr>(&mut self) -> Result<T, EngineError> {
        let text = match self.next()? {
            Value::BulkString(bytes) => return parsed(&bytes),
            Value::Int(number) => number.to_string(),
            _ => return Err(malformed_reply()),
        };
        parsed(text.as_bytes())
    }

    /// Reads until the values are over.
    pub(in crate::redis) fn all<T: ReplyValue>(mut self) -> Result<Vec<T>, EngineError> {
        let mut items = Vec::new();
        while self.0.len() > 0 {
            items.push(T::read(&mut self)?);
        }
        Ok(items)
    }

    /// A reply that is one value.
    pub(in crate::redis) fn value<T: ReplyValue>(mut self) -> Result<T, EngineError> {
        T::read(&mut self)
    }
}

fn parsed<T: FromStr>(text: &[u8]) -> Result<T, EngineError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(malformed_reply)
}

pub(in crate::redis) fn malformed_reply() -> EngineError {
    EngineError::Unavailable("Redis answered something that is not a step's answer".to_owned())
}
