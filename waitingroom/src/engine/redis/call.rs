//! One call of a step: its arguments, its deadline, and what may go wrong.

use redis::{RedisError, RedisResult, Script, ScriptInvocation, ToRedisArgs, Value, aio::ConnectionManager};
use tokio::time::timeout;

use super::{DEADLINE, reply::Reply};
use crate::{clock::Timestamp, engine::EngineError};

/// A step about to be called. Arguments are given in the order in which the step's script names them.
pub(super) struct Call<'a> {
    connection: ConnectionManager,
    invocation: ScriptInvocation<'a>,
}

impl<'a> Call<'a> {
    pub(super) fn new(connection: ConnectionManager, step: &'a Script, base: &str) -> Self {
        Self { connection, invocation: step.key(base) }
    }

    pub(super) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.invocation.arg(value);
        self
    }

    pub(super) fn at(self, moment: Timestamp) -> Self {
        self.arg(moment.millis())
    }

    /// Runs the step; a script that this Redis does not know yet is loaded first. Nothing is repeated here: a step that failed
    /// may have happened.
    pub(super) async fn run(mut self) -> Result<Reply, EngineError> {
        match within_deadline(self.invocation.invoke_async(&mut self.connection)).await? {
            Value::Nil => Err(EngineError::UnknownEvent),
            value => Ok(Reply::from(value)),
        }
    }
}

pub(super) async fn within_deadline<T>(call: impl Future<Output = RedisResult<T>>) -> Result<T, EngineError> {
    let late = |_| EngineError::Unavailable(format!("Redis did not answer in {} ms", DEADLINE.as_millis()));
    timeout(DEADLINE, call).await.map_err(late)?.map_err(unavailable)
}

pub(super) fn unavailable(error: RedisError) -> EngineError {
    EngineError::Unavailable(error.to_string())
}
