//! Handing the lines over to another Redis without a loss; see docs/decisions/0021-handover.md.
//! Booking lets them go on.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use booking::store::SharedStore;
use uuid::Uuid;
use waitingroom_domain::clock::Clock;
use waitingroom_engine::{EngineError, SharedEngine};

use super::print_line;
use crate::{
    cli::Handover,
    config::Settings,
    roles::{Backends, servers},
};

/// Pause between two looks at the lines.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Longest wait for lines that need not stand still any longer.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);

/// Carries out `handover …`.
pub async fn run(settings: &Settings, handover: &Handover) -> Result<()> {
    if settings.database_url.is_none() {
        bail!(
            "there is nothing to hand over: the embedded default keeps its lines in its own memory"
        );
    }

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

/// The mark is in the database before it is in Redis: a line that carries it is known.
async fn begin(store: &SharedStore, engine: &SharedEngine, time: Duration) -> Result<()> {
    let (mark, until) = (
        Uuid::new_v4().simple().to_string(),
        Clock::System.now().plus(time),
    );
    let mut lines = 0;

    for event in store.catalogue().await? {
        store.begin_handover(event.event_id, &mark, until).await?;
        match engine.freeze(event.event_id, &mark).await {
            Ok(()) => lines += 1,
            Err(EngineError::UnknownEvent) => store.end_handover(event.event_id, &mark).await?,
            Err(error) => return Err(error.into()),
        }
    }

    print_line(&format!(
        "{lines} lines stand still for at most {} s: move Redis now",
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
            return print_line("every line goes on");
        }
        if Instant::now() >= until {
            bail!("{frozen} lines do not go on");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
