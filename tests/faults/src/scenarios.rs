//! The scenarios, by what they disturb.

pub mod embedded;
pub mod nats;
pub mod network;
pub mod operations;
pub mod postgres;
pub mod processes;
pub mod redis;

use crate::installation::{NatsKind, PostgresKind, RedisKind, Shape, StoresShape};

/// Servers with the defaults.
const USUAL: Shape = Shape {
    embedded: false,
    stores: StoresShape {
        redis: RedisKind::Memory,
        postgres: PostgresKind::Alone,
        nats: NatsKind::Alone,
    },
    descriptors: None,
    small_disk_mib: None,
    pgbouncer: None,
    big_crowd: None,
};

/// Servers with another kind of Redis.
const fn with_redis(redis: RedisKind) -> Shape {
    Shape {
        stores: StoresShape {
            redis,
            ..USUAL.stores
        },
        ..USUAL
    }
}
