//! A running Stanchion: one process on the embedded default, or its roles on servers.

use std::{
    process::{Command, ExitStatus},
    time::Duration,
};

use reqwest::Client;

use crate::{
    backends::Backends,
    environment, ports,
    process::{Process, Signal},
    rest::Rest,
    scratch::Scratch,
    tokens::{self, JWT_SECRET, PASS_SECRET},
    wait::{TEST_TIMEOUT, within},
};

/// A port may be taken in the moment between choosing and using it.
const STARTS: usize = 5;

/// Latency above which booking counts as overloaded, so that the queue is throttled. Debug builds
/// on a busy machine exceed the default: tests of the throttle set another value, or an empty one
/// for the default.
pub const OVERLOAD_LATENCY_MS: &str = "STANCHION_OVERLOAD_LATENCY_MS";
const NEVER_SLOW_MS: &str = "600000";

/// Time for which a process goes on serving after SIGTERM.
pub const LAME_DUCK_SECONDS: &str = "STANCHION_LAME_DUCK_SECONDS";

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Embedded,
    /// Holds the clients' connections.
    Gateway,
    /// Reserves seats.
    Booking,
    /// Releases users from the queue.
    QueueWorker,
}

impl Role {
    fn command(self) -> Option<&'static str> {
        match self {
            Self::Embedded => None,
            Self::Gateway => Some("gateway"),
            Self::Booking => Some("booking"),
            Self::QueueWorker => Some("queue-worker"),
        }
    }

    fn serves(self, role: Self) -> bool {
        self == role || self == Self::Embedded
    }
}

/// How many processes of each role run on servers.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Gateways.
    pub gateways: usize,
    /// Queue workers.
    pub workers: usize,
    /// Instances of booking; the gateways know the first, REST clients spread themselves.
    pub bookings: usize,
    /// An exclusive Redis.
    pub own_redis: bool,
    /// An exclusive NATS.
    pub own_nats: bool,
    /// A NATS cluster of its own instead.
    pub nats_cluster: bool,
    /// An exclusive PostgreSQL.
    pub own_postgres: bool,
    /// Puts a proxy that can delay queries before the database.
    pub delayed_database: bool,
    /// An exclusive Redis Cluster instead, with this failover timeout.
    pub redis_cluster: Option<Duration>,
    /// Settings of every gateway, as variables.
    pub gateway_settings: Vec<(&'static str, String)>,
    /// Settings of every instance of booking, as variables.
    pub booking_settings: Vec<(&'static str, String)>,
    /// Settings of every queue worker, as variables.
    pub worker_settings: Vec<(&'static str, String)>,
}

impl Default for Shape {
    /// Two of each.
    fn default() -> Self {
        Self {
            gateways: 2,
            workers: 2,
            bookings: 2,
            own_redis: false,
            own_nats: false,
            nats_cluster: false,
            own_postgres: false,
            delayed_database: false,
            redis_cluster: None,
            gateway_settings: Vec::new(),
            booking_settings: Vec::new(),
            worker_settings: Vec::new(),
        }
    }
}

/// One process of a stack.
#[derive(Debug)]
pub struct Node {
    role: Role,
    /// Where it serves.
    pub url: String,
    /// The process.
    pub process: Process,
}

/// See the module's documentation. Everything ends when it is dropped.
pub struct Stack {
    // Dropped in this order: the processes before what they work on.
    nodes: Vec<Node>,
    backends: Option<Backends>,
    scratch: Scratch,
    settings: Vec<(&'static str, String)>,
    gateway_settings: Vec<(&'static str, String)>,
    booking_settings: Vec<(&'static str, String)>,
    worker_settings: Vec<(&'static str, String)>,
    descriptors: Option<u32>,
    http: Client,
}

impl Stack {
    /// One process, nothing else.
    pub async fn embedded() -> Self {
        Self::embedded_with(&[]).await
    }

    /// One process with these settings, as variables; an empty one is not set at all.
    pub async fn embedded_with(settings: &[(&'static str, &str)]) -> Self {
        let mut stack = Self::empty(Scratch::new(&name()), None);
        stack.settings = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let node = stack.start(Role::Embedded).await;
        stack.nodes.push(node);
        stack
    }

    /// One process with these settings that may have so many file descriptors.
    pub async fn embedded_within(descriptors: u32, settings: &[(&'static str, &str)]) -> Self {
        let mut stack = Self::empty(Scratch::new(&name()), None);
        stack.settings = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        stack.descriptors = Some(descriptors);

        let node = stack.start(Role::Embedded).await;
        stack.nodes.push(node);
        stack
    }

    /// A process for each role, as often as the shape says.
    pub async fn servers(shape: Shape) -> Self {
        let name = name();
        let scratch = Scratch::new(&name);
        let backends = Backends::prepare(&name, &shape, &scratch).await;
        let mut stack = Self::empty(scratch, Some(backends));

        stack.migrate().await;
        stack.booking_settings = shape.booking_settings;
        stack.gateway_settings = shape.gateway_settings;
        stack.worker_settings = shape.worker_settings;
        stack.start_processes(Role::Booking, shape.bookings).await;
        stack.start_processes(Role::Gateway, shape.gateways).await;
        stack
            .start_processes(Role::QueueWorker, shape.workers)
            .await;

        stack
    }

    /// The same on a Redis Cluster, with this failover timeout.
    pub async fn on_cluster(failover_timeout: Duration) -> Self {
        Self::servers(Shape {
            redis_cluster: Some(failover_timeout),
            ..Shape::default()
        })
        .await
    }

    fn empty(scratch: Scratch, backends: Option<Backends>) -> Self {
        let http = Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .build()
            .expect("a client");

        Self {
            nodes: Vec::new(),
            backends,
            scratch,
            settings: Vec::new(),
            gateway_settings: Vec::new(),
            booking_settings: Vec::new(),
            worker_settings: Vec::new(),
            descriptors: None,
            http,
        }
    }

    async fn start_processes(&mut self, role: Role, count: usize) {
        for _ in 0..count {
            let node = self.start(role).await;
            self.nodes.push(node);
        }
    }

    async fn start(&self, role: Role) -> Node {
        for _ in 0..STARTS {
            let name = format!(
                "{}-{}",
                role.command().unwrap_or("embedded"),
                self.nodes.len()
            );
            if let Some(node) = self
                .start_at(role, &name, format!("http://127.0.0.1:{}", ports::free()))
                .await
            {
                return node;
            }
        }
        panic!("no port was free")
    }

    /// Nothing if the port is taken.
    async fn start_at(&self, role: Role, name: &str, url: String) -> Option<Node> {
        let process = Process::start(name, &mut self.command(role, &url), self.scratch.path());
        let node = Node { role, url, process };
        if self.wait_until_ready(&node).await {
            return Some(node);
        }
        let said = node.process.said();

        assert!(
            said.contains("cannot serve on"),
            "{name} ended at once:\n{said}"
        );
        None
    }

    async fn wait_until_ready(&self, node: &Node) -> bool {
        let ready = format!("{}/ready", node.url);
        within(
            TEST_TIMEOUT,
            &format!("{ready} of {:?}", node.role),
            || async {
                if node.process.exit().is_some() {
                    return Some(false);
                }
                let answer = self.http.get(&ready).send().await.ok()?;
                answer.status().is_success().then_some(true)
            },
        )
        .await
    }

    fn command(&self, role: Role, url: &str) -> Command {
        let mut command = self.usual_command(role, url);
        for (name, value) in self.settings_of(role) {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }

        command
    }

    fn settings_of(&self, role: Role) -> &[(&'static str, String)] {
        match role {
            Role::Embedded => &self.settings,
            Role::Gateway => &self.gateway_settings,
            Role::Booking => &self.booking_settings,
            Role::QueueWorker => &self.worker_settings,
        }
    }

    fn usual_command(&self, role: Role, url: &str) -> Command {
        let mut command = self.bare_command();
        command.args(role.command());
        command
            .env("STANCHION_LISTEN", url.trim_start_matches("http://"))
            .env(OVERLOAD_LATENCY_MS, NEVER_SLOW_MS);
        command.env(LAME_DUCK_SECONDS, "0"); // no test waits for readiness before a request

        if role != Role::QueueWorker {
            command
                .env("STANCHION_JWT_SECRET", JWT_SECRET)
                .env("STANCHION_PASS_SECRET", PASS_SECRET);
            command.env("STANCHION_GUESTS", "true");
        }

        let Some(backends) = &self.backends else {
            command.env("STANCHION_DATA_DIR", self.scratch.join("data"));
            return command;
        };
        command
            .env("STANCHION_REDIS_URL", &backends.redis_url)
            .env("STANCHION_REDIS_PREFIX", &backends.prefix);

        match role {
            Role::Gateway => {
                command.env("STANCHION_BOOKING_URL", &self.node(Role::Booking, 0).url);
            }
            Role::Booking => {
                command.env("STANCHION_DATABASE_URL", backends.database_url());
                command
                    .env("STANCHION_NATS_URL", &backends.nats_url)
                    .env("STANCHION_NATS_PREFIX", &backends.prefix);
            }
            Role::QueueWorker | Role::Embedded => {}
        }

        command
    }

    /// The binary with nothing of our own environment.
    fn bare_command(&self) -> Command {
        let mut command = match self.descriptors {
            None => Command::new(environment::binary()),
            Some(descriptors) => {
                let mut limited = Command::new("bash");
                limited
                    .args([
                        "-c",
                        &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""),
                    ])
                    .arg(environment::binary());
                limited
            }
        };

        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STANCHION_")) {
            command.env_remove(name);
        }

        command.current_dir(self.scratch.path());
        command
    }

    async fn migrate(&self) {
        let mut command = self.bare_command();
        command
            .arg("migrate")
            .env("STANCHION_DATABASE_URL", &self.backends().database.url);
        let process = Process::start("migrate", &mut command, self.scratch.path());
        let ended = process.ended().await;
        assert!(ended.success(), "migrate: {}", process.said());
    }

    /// Sets the settings with which instances of booking start from now on.
    pub fn set_booking_settings(&mut self, settings: Vec<(&'static str, String)>) {
        self.booking_settings = settings;
    }

    /// Starts a tool of the binary with nothing but these arguments.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Process {
        let mut command = self.bare_command();
        command.args(arguments);
        Process::start(name, &mut command, self.scratch.path())
    }

    /// Carries out `stanchion handover …` and answers what it says.
    pub async fn hand_over(&self, arguments: &[&str]) -> String {
        let backends = self.backends();
        let mut command = self.bare_command();
        command
            .arg("handover")
            .args(arguments)
            .env("STANCHION_DATABASE_URL", &backends.database.url);
        command
            .env("STANCHION_REDIS_URL", &backends.redis_url)
            .env("STANCHION_REDIS_PREFIX", &backends.prefix);
        let process = Process::start("handover", &mut command, self.scratch.path());
        let ended = process.ended().await;

        assert!(
            ended.success(),
            "handover {arguments:?}: {}",
            process.said()
        );
        process.said()
    }

    fn node(&self, role: Role, at: usize) -> &Node {
        let nodes: Vec<&Node> = self
            .nodes
            .iter()
            .filter(|node| node.role.serves(role))
            .collect();
        nodes[at % nodes.len()]
    }

    /// Is it one process?
    pub fn is_embedded(&self) -> bool {
        self.backends.is_none()
    }

    /// How many gateways there are.
    pub fn gateways(&self) -> usize {
        self.nodes
            .iter()
            .filter(|node| node.role.serves(Role::Gateway))
            .count()
    }

    /// A gateway's URL; counts round, so that clients can be spread by their number.
    pub fn gateway_url(&self, at: usize) -> &str {
        &self.node(Role::Gateway, at).url
    }

    /// The URL of one process of a role; counts round.
    pub fn url(&self, role: Role, at: usize) -> &str {
        &self.node(role, at).url
    }

    /// What one process of a role has logged so far.
    pub fn log(&self, role: Role, at: usize) -> String {
        self.node(role, at).process.said()
    }

    /// A gateway; counts round.
    pub fn gateway(&self, at: usize) -> Rest {
        Rest::new(&self.http, self.gateway_url(at))
    }

    /// An instance of booking; counts round.
    pub fn booking(&self, at: usize) -> Rest {
        Rest::new(&self.http, &self.node(Role::Booking, at).url)
    }

    /// One process of a role; counts round.
    pub fn process(&self, role: Role, at: usize) -> Rest {
        Rest::new(&self.http, self.url(role, at))
    }

    /// Booking, as an operator.
    pub fn operator(&self) -> Rest {
        self.booking(0).with_token(&tokens::operator())
    }

    /// The servers that it runs on.
    pub fn backends(&self) -> &Backends {
        self.backends.as_ref().expect("this stack runs on servers")
    }

    /// The process id of one process of a role.
    pub fn pid(&self, role: Role, at: usize) -> u32 {
        self.node(role, at).process.pid()
    }

    /// The servers that it runs on, to be stopped and started.
    pub fn backends_mut(&mut self) -> &mut Backends {
        self.backends.as_mut().expect("this stack runs on servers")
    }

    /// Kills its own Redis, and restarts it from the last snapshot.
    pub async fn roll_redis_back(&mut self) {
        self.backends_mut()
            .redis_server()
            .restart_from_snapshot()
            .await;
    }

    /// Sends a signal to one process of a role.
    pub fn signal(&self, role: Role, at: usize, signal: Signal) {
        self.node(role, at).process.signal(signal);
    }

    /// Waits for the end of one process of a role.
    pub async fn ended(&self, role: Role, at: usize) -> ExitStatus {
        self.node(role, at).process.ended().await
    }

    /// Ends one process of a role by a signal, and restarts it at the same port.
    pub async fn restart_process(&mut self, role: Role, at: usize, signal: Signal) {
        self.signal(role, at, signal);
        self.restart_after_exit(role, at).await;
    }

    /// Restarts one process of a role at the same port, once it has ended.
    pub async fn restart_after_exit(&mut self, role: Role, at: usize) {
        self.ended(role, at).await;
        let url = self.node(role, at).url.clone();
        let at = self
            .nodes
            .iter()
            .position(|node| node.url == url)
            .expect("the node is one of ours");

        let node = self.start_at(role, &format!("restarted-{at}"), url).await;
        self.nodes[at] = node.expect("its port is free again");
    }

    /// Ends the one process by a signal, and restarts it on its data.
    pub async fn restart(&mut self, signal: Signal) {
        self.signal(Role::Embedded, 0, signal);
        self.ended(Role::Embedded, 0).await;
        self.start_again().await;
    }

    /// Restarts the one process on its data, after its end.
    pub async fn start_again(&mut self) {
        self.nodes.clear();
        let node = self.start(Role::Embedded).await;
        self.nodes.push(node);
    }

    /// The folder that the embedded default keeps its data in.
    pub fn data_directory(&self) -> std::path::PathBuf {
        self.scratch.join("data")
    }
}

/// A name for one stack: good as a database, a key, a subject and a folder.
fn name() -> String {
    format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..16])
}
