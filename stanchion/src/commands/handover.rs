//! Hands the queues over to another Redis without a loss; see docs/decisions/0021-handover.md.
//! Booking resumes them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use booking::store::SharedStore;
use uuid::Uuid;
use waitingroom_domain::clock::Clock;
use waitingroom_engine::{EngineError, SharedEngine};

use crate::{
    cli::Handover,
    config::Settings,
    output::print_line,
    roles::{Backends, servers},
};

/// Pause between two reads of the queues' status.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum wait for queues that may resume at once.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs `handover …`, on servers: the embedded default keeps its queues in its own memory.
pub async fn run(settings: &Settings, handover: &Handover) -> Result<()> {
    let store = servers::open_store(settings).await?;
    let backends = Backends::on_redis(settings, "tool").await?;

    match handover {
        Handover::Begin { seconds } => {
            begin(&store, backends.engine(), Duration::from_secs(*seconds)).await
        }
        Handover::Wait { seconds } => {
            wait(&store, backends.engine(), Duration::from_secs(*seconds)).await
        }
        Handover::Resume => {
            for event in store.catalogue().await? {
                store.hasten_handover(event.event_id).await?;
            }
            wait(&store, backends.engine(), RESUME_TIMEOUT).await
        }
    }
}

/// The mark is in the database before it is in Redis: a queue that carries it is known.
async fn begin(store: &SharedStore, engine: &SharedEngine, time: Duration) -> Result<()> {
    let mark = Uuid::new_v4().simple().to_string();
    let until = Clock::System.now().plus(time);
    let mut frozen = 0;

    for event in store.catalogue().await? {
        store.begin_handover(event.event_id, &mark, until).await?;
        match engine.freeze(event.event_id, &mark).await {
            Ok(()) => frozen += 1,
            Err(EngineError::UnknownEvent) => store.end_handover(event.event_id, &mark).await?,
            Err(error) => return Err(error.into()),
        }
    }

    print_line(&format!(
        "{frozen} queues are frozen for at most {} s: move Redis now",
        time.as_secs()
    ))
}

async fn wait(store: &SharedStore, engine: &SharedEngine, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    loop {
        let mut frozen = 0;
        for event in store.catalogue().await? {
            frozen += usize::from(
                !engine
                    .status(event.event_id)
                    .await
                    .is_ok_and(|status| status.frozen.is_none()),
            );
        }
        if frozen == 0 {
            return print_line("all queues have resumed");
        }
        if Instant::now() >= until {
            bail!("{frozen} queues are still frozen");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
