//! One call of a step: its arguments, its deadline, and what may go wrong.

use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, ToRedisArgs, Value, cmd};
use tokio::time::timeout;

use super::{reply::Reply, steps::Step};
use crate::{
    clock::Timestamp,
    engine::EngineError,
    redis_servers::{DEADLINE, RedisConnection},
};

/// Arguments of EVALSHA before those of the step: its own name, the digest, and the number of keys.
const EVALSHA_WORDS: usize = 3;

/// A step about to be called. Arguments are given in the order in which the step's script names them.
pub(super) struct Call<'a> {
    connection: RedisConnection,
    step: &'a Step,
    command: Cmd,
}

impl<'a> Call<'a> {
    pub(super) fn new(connection: RedisConnection, step: &'a Step, base: &str) -> Self {
        let mut command = cmd("EVALSHA");
        command.arg(&step.digest).arg(1).arg(base);
        Self { connection, step, command }
    }

    pub(super) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }

    pub(super) fn at(self, moment: Timestamp) -> Self {
        self.arg(moment.millis())
    }

    /// Runs the step. A step that failed is not repeated: it may have happened.
    pub(super) async fn run(mut self) -> Result<Reply, EngineError> {
        match within_deadline(self.answer()).await? {
            Value::Nil => Err(EngineError::UnknownEvent),
            value => Ok(Reply::from(value)),
        }
    }

    /// A script that this Redis does not know yet (after a restart, or where a replica took over) goes to it in full.
    async fn answer(&mut self) -> RedisResult<Value> {
        match self.command.query_async(&mut self.connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.in_full().query_async(&mut self.connection).await
            }
            answer => answer,
        }
    }

    fn in_full(&self) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(&self.step.code).arg(1);
        for argument in self.command.args_iter().skip(EVALSHA_WORDS) {
            if let redis::Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}

pub(super) async fn within_deadline<T>(call: impl Future<Output = RedisResult<T>>) -> Result<T, EngineError> {
    let late = |_| EngineError::Unavailable(format!("Redis did not answer in {} ms", DEADLINE.as_millis()));
    timeout(DEADLINE, call).await.map_err(late)?.map_err(unavailable)
}

pub(super) fn unavailable(error: RedisError) -> EngineError {
    EngineError::Unavailable(error.to_string())
}
