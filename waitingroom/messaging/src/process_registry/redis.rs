//! The registry in Redis: one hash, and the throttle in a key beside it, under one hash tag. Both
//! expire when nobody renews them. Ages and moments are by Redis' clock.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{FromRedisValue, RedisError, Script, ScriptInvocation};
use waitingroom_domain::{clock::Timestamp, ids::NodeId, overload_throttle::AdmissionThrottle};
use waitingroom_engine::redis_connection::RedisConnection;

use super::{
    LiveProcess, PROCESS_TTL, ProcessRegistry, ProcessStatus, REGISTRY_TIMEOUT, RegistryError,
    RegistrySnapshot,
};

/// How long the throttle is kept without a worker.
const PACE_MEMORY: Duration = Duration::from_secs(60);

const NOW: &str = "local time = redis.call('TIME') \
    local now = time[1] * 1000 + math.floor(time[2] / 1000) ";
/// ARGV: process, record, milliseconds that it is live.
///
/// A Redis that is full takes a record all the same: a process that cannot say how it is would be
/// taken for dead. It refuses only to begin with what takes memory.
const PUBLISH: &str = "redis.call('HDEL', KEYS[1], '') \
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', now) .. ' ' .. ARGV[2]) \
    redis.call('PEXPIRE', KEYS[1], ARGV[3])";
/// ARGV: milliseconds that a record is live. Answers the moment, the pace or an empty text, and
/// each record with its age.
const READ: &str = "local answer = { string.format('%d', now), redis.call('GET', KEYS[2]) or '' } \
    local records = redis.call('HGETALL', KEYS[1]) \
    for i = 1, #records, 2 do \
      local at, record = string.match(records[i + 1], '^(%d+) (.*)$') \
      local age = math.max(now - tonumber(at), 0) \
      if age > tonumber(ARGV[1]) then \
        redis.call('HDEL', KEYS[1], records[i]) \
      else \
        answer[#answer + 1] = string.format('%d', age) \
        answer[#answer + 1] = record \
      end \
    end \
    return answer";
/// ARGV: the pace before or an empty text, the pace after, milliseconds that it is remembered.
const SET_PACE: &str = "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end \
    redis.call('PERSIST', KEYS[1]) \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) \
    return 1";

struct Scripts {
    publish: Script,
    read: Script,
    set_throttle: Script,
}

/// See the module's documentation.
#[derive(Clone)]
pub struct RedisProcessRegistry {
    connection: RedisConnection,
    records: String,
    pace: String,
    scripts: Arc<Scripts>,
}

impl RedisProcessRegistry {
    /// The registry below `prefix`, over a connection that is shared with the engine.
    pub fn new(connection: RedisConnection, prefix: &str) -> Self {
        let scripts = Scripts {
            publish: Script::new(&format!("{NOW}{PUBLISH}")),
            read: Script::new(&format!("{NOW}{READ}")),
            set_throttle: Script::new(SET_PACE),
        };

        Self {
            connection,
            records: format!("{prefix}:{{vitals}}:processes"),
            pace: format!("{prefix}:{{vitals}}:pace"),
            scripts: Arc::new(scripts),
        }
    }

    async fn invoke<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, RegistryError> {
        let mut connection = self.connection.clone();
        let answer =
            tokio::time::timeout(REGISTRY_TIMEOUT, call.invoke_async(&mut connection)).await;

        answer
            .map_err(|_| RegistryError("Redis did not answer in time".into()))?
            .map_err(failed)
    }
}

#[async_trait]
impl ProcessRegistry for RedisProcessRegistry {
    async fn publish(&self, status: &ProcessStatus) -> Result<(), RegistryError> {
        let mut call = self.scripts.publish.key(&self.records);
        call.arg(status.process.node.as_str())
            .arg(json(status))
            .arg(PROCESS_TTL.as_millis() as u64);
        self.invoke(&call).await
    }

    async fn deregister(&self, node: &NodeId) -> Result<(), RegistryError> {
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("HDEL");
        let call = command
            .arg(&self.records)
            .arg(node.as_str())
            .query_async(&mut connection);
        let answer = tokio::time::timeout(REGISTRY_TIMEOUT, call).await;

        answer
            .map_err(|_| RegistryError("Redis did not answer in time".into()))?
            .map_err(failed)
    }

    async fn read(&self) -> Result<RegistrySnapshot, RegistryError> {
        let mut call = self.scripts.read.key(&self.records);
        call.key(&self.pace).arg(PROCESS_TTL.as_millis() as u64);

        let answer: Vec<String> = self.invoke(&call).await?;
        let [at, pace, records @ ..] = answer.as_slice() else {
            return Err(RegistryError("half an answer".into()));
        };
        let mut processes: Vec<LiveProcess> = records
            .chunks_exact(2)
            .filter_map(|pair| live(&pair[0], &pair[1]))
            .collect();

        processes.sort_by(|one, other| {
            one.status
                .process
                .node
                .as_str()
                .cmp(other.status.process.node.as_str())
        });

        let at = at
            .parse()
            .map_err(|_| RegistryError("a moment that is no number".into()))?;
        Ok(RegistrySnapshot {
            at: Timestamp::from_millis(at),
            processes,
            throttle: serde_json::from_str(pace).ok(),
        })
    }

    async fn set_throttle(
        &self,
        before: Option<&AdmissionThrottle>,
        after: &AdmissionThrottle,
    ) -> Result<bool, RegistryError> {
        let mut call = self.scripts.set_throttle.key(&self.pace);
        let before = before.map(json).unwrap_or_default();

        call.arg(before)
            .arg(json(after))
            .arg(PACE_MEMORY.as_millis() as u64);
        self.invoke(&call).await
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("records are plain data")
}

/// A record of another release that cannot be read is left out.
fn live(age: &str, record: &str) -> Option<LiveProcess> {
    Some(LiveProcess {
        status: serde_json::from_str(record).ok()?,
        age_ms: age.parse().ok()?,
    })
}

fn failed(error: RedisError) -> RegistryError {
    RegistryError(error.to_string())
}
