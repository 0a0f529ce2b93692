//! Free ports. Below the range that the system gives to outgoing connections: a crowd of clients
//! would take any other.

use std::net::TcpListener;

use rand::Rng;

/// A loopback port that was free a moment ago.
pub fn free() -> u16 {
    let mut random = rand::rng();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..1_000)
        .map(|_| random.random_range(10_240..32_000))
        .find(free)
        .expect("one port of a thousand is free")
}
