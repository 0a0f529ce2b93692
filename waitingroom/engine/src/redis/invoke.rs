//! One call of a step: its arguments, its deadline, and what may go wrong.
//!
//! A step that waits where nobody waits for it any more (in the socket of a server that stood
//! still, on a network that was away) would be carried out for a caller who was told that it was
//! not. So every call carries its deadline in the server's own clock, and a step that begins later
//! refuses itself: an error after the deadline means that nothing was done and nothing will be.

use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd};
use tokio::time::{Instant, timeout, timeout_at};
use waitingroom_domain::clock::Timestamp;

use super::{
    protocol::{Argument, Reply},
    scripts::Script,
    server_clock::ServerClocks,
};
use crate::{
    EngineError,
    redis_connection::{REDIS_TIMEOUT, RedisConnection},
};

/// Arguments of EVALSHA before those of the step: its own name, the digest, and the number of keys.
const EVALSHA_HEADER_ARGS: usize = 3;
/// A step is not begun in the last moments of its call: its answer would come too late.
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);
/// What a step that came too late answers, with the server's time.
const LATE: &str = "LATE";

/// A step about to be called, with the arguments that `protocol.rs` names for its script.
pub(super) struct Invocation<'a> {
    connection: RedisConnection,
    clocks: &'a ServerClocks,
    script: &'a Script,
    base: String,
    command: Cmd,
}

impl<'a> Invocation<'a> {
    pub(super) fn new(
        connection: RedisConnection,
        clocks: &'a ServerClocks,
        script: &'a Script,
        base: String,
    ) -> Self {
        let mut command = cmd("EVALSHA");
        command.arg(&script.digest).arg(1).arg(&base);

        Self {
            connection,
            clocks,
            script,
            base,
            command,
        }
    }

    pub(super) fn with(mut self, argument: impl Argument) -> Self {
        argument.append_to(&mut self.command);
        self
    }

    pub(super) fn with_all<T: Argument>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Self::with)
    }

    /// Runs the step. A step that failed is not repeated: it may have happened.
    #[tracing::instrument(name = "redis_script", level = "debug", skip_all, fields(queue = self.base))]
    pub(super) async fn run(mut self) -> Result<Reply, EngineError> {
        let deadline = Instant::now() + REDIS_TIMEOUT;
        match timeout_at(deadline, self.run_until(deadline))
            .await
            .map_err(timeout_error)?
            .map_err(unavailable)?
        {
            Value::Nil => Err(EngineError::UnknownEvent),
            value => Ok(Reply::from(value)),
        }
    }

    /// What the server takes for late and is not, is asked again: its clock was set, or another
    /// server has the event now.
    async fn run_until(&mut self, deadline: Instant) -> RedisResult<Value> {
        loop {
            let by = self
                .clocks
                .deadline_for(&self.base, &self.connection, deadline - RESPONSE_MARGIN)
                .await?;
            let sent_at = Instant::now();
            match self.send(by).await {
                Err(error) if error.code() == Some(LATE) => {
                    let server: Option<i64> =
                        error.detail().and_then(|time| time.trim().parse().ok());
                    let server = Timestamp::from_millis(server.unwrap_or_default());
                    let sample = self
                        .clocks
                        .record(&self.base, &self.connection, server, sent_at);
                    if sample.received_at + sample.error() >= deadline - RESPONSE_MARGIN {
                        return Err(error);
                    }
                }
                answer => return answer,
            }
        }
    }

    /// A script that this Redis does not know yet (after a restart, or where a replica took over)
    /// goes to it in full.
    async fn send(&mut self, by: i64) -> RedisResult<Value> {
        let mut command = self.command.clone();
        match command.arg(by).query_async(&mut self.connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.eval_source()
                    .arg(by)
                    .query_async(&mut self.connection)
                    .await
            }
            answer => answer,
        }
    }

    fn eval_source(&self) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(&self.script.code).arg(1);
        for argument in self.command.args_iter().skip(EVALSHA_HEADER_ARGS) {
            if let redis::Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}

fn timeout_error(_: tokio::time::error::Elapsed) -> EngineError {
    EngineError::Unavailable(format!(
        "Redis did not answer in {} ms",
        REDIS_TIMEOUT.as_millis()
    ))
}

pub(super) async fn with_timeout<T>(
    call: impl Future<Output = RedisResult<T>>,
) -> Result<T, EngineError> {
    timeout(REDIS_TIMEOUT, call)
        .await
        .map_err(timeout_error)?
        .map_err(unavailable)
}

pub(super) fn unavailable(error: RedisError) -> EngineError {
    EngineError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{super::scripts::Scripts, *};
    use crate::redis_connection::RedisServers;

    /// As after a failover to a server whose clock is another.
    #[tokio::test]
    async fn what_is_late_only_by_another_clock_is_asked_again() {
        let url = std::env::var("STANCHION_TEST_REDIS_URL")
            .expect("STANCHION_TEST_REDIS_URL is set by tests/services/run");
        let connection = RedisServers::parse(&url).unwrap().connect().await.unwrap();
        let (clocks, scripts) = (ServerClocks::default(), Scripts::default());
        let base = format!("test-{}:{{event}}", Uuid::new_v4().simple());
        let now = waitingroom_domain::clock::Clock::System.now();

        clocks.record(
            &base,
            &connection,
            now.minus(Duration::from_secs(90)),
            Instant::now(),
        );

        let call = || Invocation::new(connection.clone(), &clocks, &scripts.status, base.clone());
        let mut late = call();
        let by = clocks
            .deadline_for(&base, &connection, Instant::now() + REDIS_TIMEOUT)
            .await
            .unwrap();

        assert_eq!(
            late.send(by).await.unwrap_err().code(),
            Some(LATE),
            "90 s ago"
        );

        let answer = call().run().await.err();
        assert!(
            matches!(answer, Some(EngineError::UnknownEvent)),
            "{answer:?}"
        );
    }
}
