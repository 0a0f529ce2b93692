//! Cost of the positions of a long queue: projecting all positions for one tick, and sending the
//! updates that are due, as a share of a core. `cargo bench -p gateway --features measure --bench
//! positions`.
//!
//! Time goes on by the tick, not by the clock, so a share is of a core that does nothing else.
//! Frames are written to real sockets; the time of those who read them is not counted.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

use std::{
    io::{copy, sink},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use gateway::bench_support::{PROGRESS_INTERVAL, SimulatedUsers};
use rustix::time::{ClockId, clock_gettime};
use tokio_tungstenite::tungstenite::{Message, WebSocket, protocol::Role};

/// Sockets that all users' frames are spread over.
const SOCKETS: usize = 64;

fn main() {
    println!(
        "users | released/s | projection of a tick, mean · longest, ms | told/s | projecting · telling, % of a core"
    );
    for (users, rate) in [
        (9_000, 500),
        (18_000, 100),
        (18_000, 500),
        (18_000, 1_000),
        (60_000, 500),
    ] {
        measure(users, rate);
    }
}

/// Releases half of the line, but no longer than for a minute.
fn measure(users: u64, rate: u64) {
    let (mut simulated, mut sockets) = (
        SimulatedUsers::new(users),
        (0..SOCKETS).map(|_| socket()).collect::<Vec<_>>(),
    );
    simulated.advance_tick(0); // the first message updates all users
    simulated.updates_sent(|_, _| {});

    let ticks = (users / 2 * 10 / rate).min(600) as u32;
    let (mut projecting, mut longest, mut sending, mut sent) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0_u64);

    for _ in 0..ticks {
        let projected = cpu(|| simulated.advance_tick(rate / 10));
        (projecting, longest) = (projecting + projected, longest.max(projected));
        sending += cpu(|| {
            simulated.updates_sent(|at, message| {
                sockets[at % SOCKETS].send(Message::text(message)).unwrap();
                sent += 1;
            });
        });
    }

    let (milliseconds, seconds) = (
        |time: Duration| time.as_secs_f64() * 1e3,
        (PROGRESS_INTERVAL * ticks).as_secs_f64(),
    );
    let share = |part: Duration| 100.0 * part.as_secs_f64() / seconds;

    println!(
        "{users} | {rate} | {:.2} · {:.2} | {:.0} | {:.1} · {:.1}",
        milliseconds(projecting / ticks),
        milliseconds(longest),
        sent as f64 / seconds,
        share(projecting),
        share(sending),
    );
}

/// A socket whose other end is read by a thread, which ends with it.
fn socket() -> WebSocket<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut other = listener.accept().unwrap().0;
    thread::spawn(move || copy(&mut other, &mut sink()));
    WebSocket::from_raw_socket(stream, Role::Server, None)
}

/// CPU time that this thread spends on something.
fn cpu(work: impl FnOnce()) -> Duration {
    let before = thread_cpu();
    work();
    thread_cpu().saturating_sub(before)
}

fn thread_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        spent.tv_sec.try_into().unwrap(),
        spent.tv_nsec.try_into().unwrap(),
    )
}
