//! Every key, hash field and signal that the processes use in Redis, also those that exist for a
//! moment only: read from `MONITOR`, which shows the commands inside of scripts as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::Value;
use stanchion_tests::{eventually, wait::with_timeout};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinHandle,
};

use super::{
    files::Contract,
    shapes::{fields, key, packed, placeholder},
};

const FILE: &str = "redis";

/// Without keys of their own, or with keys that the commands inside of them name.
const KEYLESS: [&str; 24] = [
    "AUTH",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "CONFIG",
    "DBSIZE",
    "ECHO",
    "EVAL",
    "EVALSHA",
    "EXEC",
    "FLUSHALL",
    "HELLO",
    "INFO",
    "KEYS",
    "MULTI",
    "PING",
    "ROLE",
    "SCAN",
    "SCRIPT",
    "SELECT",
    "SUBSCRIBE",
    "TIME",
    "UNSUBSCRIBE",
    "ACL",
];

/// Keys that every command is tried with, to see whether it is allowed.
const PROBE: &str = "{probe-";

/// The keys, fields and signals that were used so far. Ends when dropped.
pub struct Monitor {
    used: Arc<Mutex<Used>>,
    task: JoinHandle<()>,
}

/// Shapes of keys with the types that they are used as, and everything else as lines.
#[derive(Default)]
struct Used {
    keys: BTreeMap<String, BTreeSet<&'static str>>,
    lines: BTreeSet<String>,
}

impl Monitor {
    /// Watches this Redis, which is the test's own; names below the prefix are of interest.
    pub async fn start(url: &str, prefix: &str) -> Self {
        let address = url.trim_start_matches("redis://");
        let mut stream = with_timeout("a connection to Redis", TcpStream::connect(address))
            .await
            .expect("Redis listens");
        stream
            .write_all(b"MONITOR\r\n")
            .await
            .expect("Redis takes commands");
        let mut lines = BufReader::new(stream).lines();
        let confirmed = with_timeout("MONITOR", lines.next_line())
            .await
            .expect("Redis answers");
        assert_eq!(confirmed.as_deref(), Some("+OK"));

        let used = Arc::<Mutex<Used>>::default();
        let (shared, prefix) = (Arc::clone(&used), prefix.to_owned());
        let task = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                shared.lock().command(&prefix, &arguments(&line));
            }
        });
        Self { used, task }
    }

    /// Waits for a command that uses this.
    pub async fn until(&self, line: &str) {
        eventually(line, || async {
            self.used.lock().lines.contains(line).then_some(())
        })
        .await;
    }

    /// Adds everything that was used to the contract.
    pub fn describe(&self, contract: &mut Contract) {
        let used = self.used.lock();
        for (key, kinds) in &used.keys {
            contract.see(FILE, format!("key {key}"));
            for kind in kinds {
                contract.see(FILE, format!("type {key} {kind}"));
            }
        }

        for line in &used.lines {
            contract.see(FILE, line);
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Used {
    fn command(&mut self, prefix: &str, words: &[String]) {
        let Some((name, arguments)) = words.split_first() else {
            return;
        };
        let name = name.to_uppercase();
        let Some(first) = arguments.first() else {
            return;
        };

        match name.as_str() {
            "PUBLISH" | "SPUBLISH" => self.signal(prefix, arguments),
            "UNLINK" | "DEL" | "EXISTS" | "RENAME" => {
                arguments
                    .iter()
                    .for_each(|name| self.key(prefix, name, None));
            }
            "PEXPIRE" | "PERSIST" | "PTTL" => self.key(prefix, first, None),
            name if KEYLESS.contains(&name) => {}
            name => {
                let is_probe = first.contains(PROBE);
                self.key(prefix, first, (!is_probe).then(|| kind_of(name)));
                if let Some(key) = key(prefix, first) {
                    self.hash_fields(name, &key, &arguments[1..]);
                }
            }
        }
    }

    fn key(&mut self, prefix: &str, name: &str, kind: Option<&'static str>) {
        if let Some(key) = key(prefix, name) {
            self.keys.entry(key).or_default().extend(kind);
        }
    }

    fn hash_fields(&mut self, command: &str, key: &str, arguments: &[String]) {
        match command {
            "HSET" => {
                for pair in arguments.chunks_exact(2) {
                    let field = self.field(key, &pair[0]);
                    self.value(&format!("{key} {field}"), &pair[1]);
                }
            }
            "SET" => self.value(key, &arguments[0]),
            "HINCRBY" => _ = self.field(key, &arguments[0]),
            "HGET" | "HMGET" | "HDEL" | "HEXISTS" => {
                for name in arguments {
                    self.field(key, name);
                }
            }
            _ => {}
        }
    }

    /// An empty field is none: deleting it shows whether Redis takes writes.
    fn field(&mut self, key: &str, name: &str) -> String {
        let parts: Vec<_> = name.split(':').map(placeholder).collect();
        let field = parts.join(":");
        if !field.is_empty() {
            self.lines.insert(format!("field {key} {field}"));
        }
        field
    }

    fn value(&mut self, place: &str, value: &str) {
        for shape in packed(value) {
            self.lines.insert(format!("value {place}: {shape}"));
        }
    }

    fn signal(&mut self, prefix: &str, arguments: &[String]) {
        let Some(channel) = key(prefix, &arguments[0]) else {
            return;
        };
        self.lines.insert(format!("channel {channel}"));
        let signal: Value = serde_json::from_str(&arguments[1]).expect("signals are JSON");
        for field in fields(&signal) {
            self.lines.insert(format!("signal {channel}: {field}"));
        }
    }
}

/// The type of the key that a command uses.
fn kind_of(command: &str) -> &'static str {
    match command {
        "GET" | "SET" => "string",
        "SADD" | "SREM" | "SCARD" | "SISMEMBER" | "SMEMBERS" => "set",
        "RPUSH" | "LRANGE" | "LTRIM" | "LLEN" => "list",
        _ if command.starts_with('H') => "hash",
        _ if command.starts_with('Z') => "zset",
        _ => "of a type that this test does not know",
    }
}

/// The words of a line: `+1700000000.000001 [0 lua] "HSET" "key" "field" "value"`.
fn arguments(line: &str) -> Vec<String> {
    let Some((_, quoted)) = line.split_once("] \"") else {
        return Vec::new();
    };
    let mut words = vec![String::new()];
    let (mut characters, mut is_inside) = (quoted.chars(), true);

    while let Some(character) = characters.next() {
        let word = words.last_mut().expect("there is a word from the start");
        match (is_inside, character) {
            (true, '"') => is_inside = false,
            (true, '\\') => word.push(unescaped(&mut characters)),
            (true, character) => word.push(character),
            (false, '"') => {
                words.push(String::new());
                is_inside = true;
            }
            (false, _) => {}
        }
    }

    words
}

/// Bytes that are no text do not matter here.
fn unescaped(characters: &mut std::str::Chars<'_>) -> char {
    match characters.next() {
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('x') => {
            characters.by_ref().take(2).for_each(drop);
            char::REPLACEMENT_CHARACTER
        }
        other => other.unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}
