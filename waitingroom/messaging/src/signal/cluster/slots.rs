//! Which server has a slot now.

use redis::{ErrorKind, RedisError, RedisResult, Value, from_redis_value};
use waitingroom_engine::redis_connection::RedisConnection;

/// Host and port of a server.
pub(super) type Address = (String, u16);

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// The primaries of the hash tags' slots, in the order of the tags.
pub(super) async fn addresses_of(
    tags: &[String],
    commands: &RedisConnection,
) -> RedisResult<Vec<Address>> {
    let mut commands = commands.clone();
    let answer: Vec<Vec<Value>> = redis::cmd("CLUSTER")
        .arg("SLOTS")
        .query_async(&mut commands)
        .await?;
    let ranges = answer
        .into_iter()
        .map(range)
        .collect::<RedisResult<Vec<_>>>()?;
    let unassigned =
        || RedisError::from((ErrorKind::Client, "a slot of the cluster has no server"));
    let find = |tag: &String| {
        let slot = slot_of(tag);
        ranges
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&slot))
            .map(|(.., address)| address.clone())
    };

    tags.iter()
        .map(|tag| find(tag).ok_or_else(unassigned))
        .collect()
}

/// As the cluster's specification has it.
fn slot_of(tag: &str) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % SLOTS
}

/// First slot, last slot, primary; replicas follow.
fn range(values: Vec<Value>) -> RedisResult<(u16, u16, Address)> {
    let malformed_reply =
        || RedisError::from((ErrorKind::Client, "CLUSTER SLOTS answered something else"));
    let [first, last, primary, ..] = &values[..] else {
        return Err(malformed_reply());
    };
    let Value::Array(primary) = primary else {
        return Err(malformed_reply());
    };
    let [host, port, ..] = &primary[..] else {
        return Err(malformed_reply());
    };
    let address = (
        from_redis_value(host.clone())?,
        from_redis_value(port.clone())?,
    );

    Ok((
        from_redis_value(first.clone())?,
        from_redis_value(last.clone())?,
        address,
    ))
}

#[cfg(test)]
mod tests {
    use super::slot_of;

    #[test]
    fn slots_are_those_of_the_specification() {
        // The check value of CRC16-XMODEM, and `CLUSTER KEYSLOT foo`.
        assert_eq!((slot_of("123456789"), slot_of("foo")), (0x31c3, 12_182));
    }
}
