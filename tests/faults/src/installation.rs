//! An installation of one run: two gateways, two instances of booking, two workers, their servers,
//! and an edge between any two of them. Or one process that runs everything.

mod bus;
mod database;
mod member;
mod stores;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng, rngs::StdRng};
use stanchion_audit::collect;
use stanchion_tests::scratch::Scratch;
use uuid::Uuid;

pub use self::{
    bus::NatsKind,
    database::PostgresKind,
    member::{Kind, Member},
    stores::{RedisKind, Stores, StoresShape},
};
use crate::{edge::Edge, pgbouncer::Pooling};

/// First part of keys and subjects: the default.
pub const PREFIX: &str = "stanchion";

/// What an installation is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// One process with everything, on its data folder.
    pub embedded: bool,
    /// The servers below.
    pub stores: StoresShape,
    /// The first process of this kind may open this many descriptors.
    pub descriptors: Option<(Kind, u32)>,
    /// The data lie on a disk of this size of their own; needs root.
    pub small_disk_mib: Option<u32>,
    /// Booking reaches PostgreSQL through PgBouncer.
    pub pgbouncer: Option<Pooling>,
    /// Everybody waits on a WebSocket and is led past a gateway that refuses, as by a balancer; so
    /// many, unless another number is given.
    pub big_crowd: Option<u32>,
}

/// See the module's documentation. Everything ends when it is dropped.
pub struct Installation {
    // Dropped in this order: the processes before what they work on.
    /// The processes.
    pub members: Vec<Member>,
    edges: BTreeMap<String, Edge>,
    /// The servers; `None` if it is one process.
    pub stores: Option<Stores>,
    /// Its users wait on WebSockets, behind a balancer.
    pub is_balanced: bool,
    /// A disk of its own.
    pub disk: Option<crate::disk::SmallDisk>,
    scratch: Scratch,
}

impl Installation {
    /// Starts everything.
    ///
    /// # Errors
    /// A part that does not start.
    pub async fn start(shape: Shape, seed: u64) -> Result<Self> {
        let scratch = Scratch::new(&format!(
            "faults-{}",
            &Uuid::new_v4().simple().to_string()[..12]
        ));
        let disk = shape
            .small_disk_mib
            .map(|mib| crate::disk::SmallDisk::mount(&scratch.join("small"), mib))
            .transpose()?;
        let data = disk
            .as_ref()
            .map_or_else(|| scratch.path().to_owned(), |disk| disk.path.clone());
        let stores = if shape.embedded {
            None
        } else {
            Some(Stores::start(shape, scratch.path(), &data).await?)
        };

        let is_balanced = shape.big_crowd.is_some();
        let mut installation = Self {
            members: Vec::new(),
            edges: BTreeMap::new(),
            stores,
            is_balanced,
            disk,
            scratch,
        };

        if shape.embedded {
            installation.embed(data)?;
        } else {
            installation
                .connect(&shape, &mut StdRng::seed_from_u64(seed))
                .await?;
        }

        for at in 0..installation.members.len() {
            installation.members[at].start().await?;
        }

        Ok(installation)
    }

    fn embed(&mut self, data: PathBuf) -> Result<()> {
        let mut member = Member::new(Kind::Embedded, 1, self.scratch.path());
        member.set(
            "STANCHION_DATA_DIR",
            data.join("data")
                .to_str()
                .context("a folder's name is text")?,
        );
        self.members.push(member);

        Ok(())
    }

    async fn connect(&mut self, shape: &Shape, random: &mut StdRng) -> Result<()> {
        let stores = self.stores.as_ref().context("it runs on servers")?;
        let (redis, postgres, nats) = (
            stores.redis_port(),
            stores.postgres.port(),
            stores.nats.port(),
        );

        let kinds = [Kind::Booking, Kind::Worker, Kind::Gateway];
        for (kind, at) in kinds.into_iter().flat_map(|kind| [(kind, 1), (kind, 2)]) {
            let mut member = Member::new(kind, at, self.scratch.path());
            match redis {
                Some(redis) => {
                    let edge = Edge::to(&[redis], random.random()).await?;
                    member.set(
                        "STANCHION_REDIS_URL",
                        &format!("redis://127.0.0.1:{}", edge.port),
                    );
                    self.edges.insert(format!("{}-redis", member.name), edge);
                }
                None => member.set("STANCHION_REDIS_URL", stores.redis_url()),
            }
            if kind == Kind::Booking {
                let database = Edge::to(&[postgres], random.random()).await?;
                member.set(
                    "STANCHION_DATABASE_URL",
                    &stores.database_url(database.port),
                );
                self.edges
                    .insert(format!("{}-postgres", member.name), database);
                match nats {
                    Some(nats) => {
                        let bus = Edge::to(&[nats], random.random()).await?;
                        member.set(
                            "STANCHION_NATS_URL",
                            &format!("nats://127.0.0.1:{}", bus.port),
                        );
                        self.edges.insert(format!("{}-nats", member.name), bus);
                    }
                    None => {
                        member.set("STANCHION_NATS_URL", &stores.nats.url());
                        member.set("STANCHION_NATS_REPLICAS", "3");
                    }
                }
            }
            if at == 1 {
                member.descriptors = shape
                    .descriptors
                    .filter(|(limited, _)| *limited == kind)
                    .map(|(_, limit)| limit);
            }
            self.members.push(member);
        }

        let bookings: Vec<u16> = self.of(Kind::Booking).map(|member| member.port).collect();
        let balancer = Edge::to(&bookings, random.random()).await?;
        let url = format!("http://127.0.0.1:{}", balancer.port);

        self.edges.insert("gateways-booking".to_owned(), balancer);

        for member in self
            .members
            .iter_mut()
            .filter(|member| member.kind == Kind::Gateway)
        {
            member.set("STANCHION_BOOKING_URL", &url);
        }

        Ok(())
    }

    /// The processes that serve as this.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(move |member| member.kind == kind || member.kind == Kind::Embedded)
    }

    /// URLs of the processes that serve as this.
    pub fn urls(&self, kind: Kind) -> Vec<String> {
        self.of(kind).map(Member::url).collect()
    }

    /// A process by its name.
    pub fn member(&mut self, name: &str) -> &mut Member {
        let found = self.members.iter_mut().find(|member| member.name == name);
        found.unwrap_or_else(|| panic!("there is no process {name}"))
    }

    /// Names of the processes of this kind.
    pub fn names(&self, kind: Kind) -> Vec<String> {
        self.of(kind).map(|member| member.name.clone()).collect()
    }

    /// The edge between a process and a server, or between the gateways and booking.
    pub fn edge(&self, name: &str) -> &Edge {
        self.edges
            .get(name)
            .unwrap_or_else(|| panic!("there is no edge {name}"))
    }

    /// The names of all edges.
    pub fn edges(&self) -> Vec<String> {
        self.edges.keys().cloned().collect()
    }

    /// Names of the edges from processes of this kind to a server.
    pub fn edges_of(&self, kind: Kind, server: &str) -> Vec<String> {
        self.names(kind)
            .iter()
            .map(|name| format!("{name}-{server}"))
            .collect()
    }

    /// The servers.
    pub fn stores(&mut self) -> &mut Stores {
        self.stores
            .as_mut()
            .expect("this scenario's installation runs on servers")
    }

    /// What the stores hold of these events: database, engine, stream.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn look(
        &self,
        http: &reqwest::Client,
        events: &[Uuid],
    ) -> Result<(stanchion_audit::Database, Option<stanchion_audit::Engine>)> {
        match &self.stores {
            Some(stores) => {
                let database = collect::database::postgres(&stores.postgres.url()).await?;
                let engine = collect::engine::redis(&stores.redis_now(), PREFIX, events).await?;
                Ok((database, Some(engine)))
            }
            None => {
                let member = self.members.first().context("a process")?;
                let operator = stanchion_tests::tokens::operator();
                let engine =
                    collect::embedded::engine(http, &member.url(), &operator, None).await?;
                let database = collect::database::sqlite(&member.database_file()?).await?;
                Ok((database, Some(engine)))
            }
        }
    }

    /// The messages; `None` if there is no bus.
    ///
    /// # Errors
    /// A bus that does not answer.
    pub async fn stream(&self) -> Result<Option<stanchion_audit::Stream>> {
        match &self.stores {
            Some(stores) => Ok(Some(
                collect::stream::nats(&stores.nats.url(), PREFIX).await?,
            )),
            None => Ok(None),
        }
    }

    /// Lets all processes end in order, at most for this long.
    pub async fn end(&mut self, patience: Duration) {
        for member in &self.members {
            member.ask_to_end();
        }
        for member in &mut self.members {
            member.has_ended(patience).await;
        }
    }
}
