//! The scenarios, by what they disturb.

pub mod embedded;
pub mod nats;
pub mod network;
pub mod operations;
pub mod postgres;
pub mod processes;
pub mod redis;

use crate::installation::{RedisKind, Shape, StoresShape};

/// Servers with the defaults.
const USUAL: Shape = Shape {
    embedded: false,
    stores: StoresShape { redis: RedisKind::Memory },
    gateway_descriptors: None,
    small_disk_mib: None,
    pgbouncer: false,
};

/// Servers with another kind of Redis.
const fn with_redis(redis: RedisKind) -> Shape {
    Shape { stores: StoresShape { redis }, ..USUAL }
}
