//! One guest of the crowd: joins, waits, looks at the seats, gives the turn back.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use rand::Rng;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use waitingroom_domain::ids::EventId;

use super::api::{Api, Place, Refusal};

/// Time between two polls; each guest's differ, so that polls spread.
const POLL_MS: std::ops::Range<u64> = 700..1_300;
/// Time for which a guest looks at the seats.
const TURN_MS: std::ops::Range<u64> = 2_000..6_000;
/// How long a server may refuse a guest for the moment before the crowd gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum wait for a place to be given back.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// See the module's documentation.
pub struct Guest {
    /// Its number in the crowd.
    pub index: usize,
    pub api: Arc<Api>,
    pub event: EventId,
    /// How many turns it takes; without end if nothing is said.
    pub turns: Option<u32>,
    pub updates: mpsc::Sender<Update>,
}

/// What a guest does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// In line at this position.
    Waits { position: u64 },
    /// It is its turn.
    HasTurn,
    /// It has no place: before, between two turns, at the end.
    IsAway,
    /// It was refused for now; for the reason, see the update.
    IsRefused,
}

/// A change of what a guest does.
#[derive(Debug)]
pub struct Update {
    pub guest: usize,
    pub activity: Activity,
    /// Why it is refused.
    pub reason: Option<String>,
}

/// What a guest has at the server.
#[derive(Default)]
struct Held {
    token: Option<String>,
    may_have_place: bool,
}

impl Guest {
    /// Lives until its turns are taken or the crowd is stopped, and leaves no place behind.
    pub async fn run(self, arrives: Instant, mut stopped: watch::Receiver<bool>) -> Result<()> {
        let mut held = Held::default();
        let lived = tokio::select! {
            lived = self.live(arrives, &mut held) => lived,
            () = until_stopped(&mut stopped) => Ok(()),
        };

        if let (Some(token), true) = (&held.token, held.may_have_place) {
            // The server drops an absent guest by itself if this fails.
            let _ = timeout(LEAVE_TIMEOUT, self.api.leave(token, self.event)).await;
        }
        self.tell(Activity::IsAway).await;
        lived
    }

    async fn live(&self, arrives: Instant, held: &mut Held) -> Result<()> {
        sleep_until(arrives).await;
        let mut taken = 0;
        while self.turns.is_none_or(|turns| taken < turns) {
            self.join(held).await?;
            if self.wait_for_turn(held).await? {
                self.tell(Activity::HasTurn).await;
                sleep(random(TURN_MS)).await;
                taken += 1;
            }
            self.leave(held).await?;
        }
        Ok(())
    }

    /// Takes a place, as a new guest at first.
    async fn join(&self, held: &mut Held) -> Result<()> {
        let began = Instant::now();
        loop {
            let token = match held.token.clone() {
                Some(token) => Ok(token),
                None => self.api.guest(None).await,
            };
            let refusal = match token {
                Ok(token) => {
                    held.token = Some(token.clone());
                    held.may_have_place = true;
                    match self.api.join(&token, self.event).await {
                        Ok(place) => {
                            self.tell_place(place).await;
                            return Ok(());
                        }
                        Err(Refusal::GuestTooOld) => match self.api.guest(Some(&token)).await {
                            Ok(renewed) => {
                                held.token = Some(renewed);
                                continue;
                            }
                            Err(refusal) => refusal,
                        },
                        Err(refusal) => refusal,
                    }
                }
                Err(refusal) => refusal,
            };
            self.bear(refusal, began).await?;
        }
    }

    /// Polls until it is the guest's turn; false if the place is gone.
    async fn wait_for_turn(&self, held: &Held) -> Result<bool> {
        let token = held.token.as_deref().unwrap_or_default();
        let mut answered = Instant::now();
        loop {
            match self.api.position(token, self.event).await {
                Ok(place) if place.is_ready => return Ok(true),
                Ok(place) => {
                    answered = Instant::now();
                    self.tell_place(place).await;
                    sleep(random(POLL_MS)).await;
                }
                Err(Refusal::NotInQueue) => return Ok(false),
                Err(refusal) => self.bear(refusal, answered).await?,
            }
        }
    }

    async fn leave(&self, held: &mut Held) -> Result<()> {
        let token = held.token.as_deref().unwrap_or_default();
        let began = Instant::now();
        loop {
            match self.api.leave(token, self.event).await {
                Ok(()) => break,
                Err(refusal) => self.bear(refusal, began).await?,
            }
        }
        held.may_have_place = false;
        self.tell(Activity::IsAway).await;
        Ok(())
    }

    /// Waits as long as the server says, unless that is of no use.
    async fn bear(&self, refusal: Refusal, since: Instant) -> Result<()> {
        match refusal {
            Refusal::Later(pause, reason) if since.elapsed() < PATIENCE => {
                let update = Update {
                    guest: self.index,
                    activity: Activity::IsRefused,
                    reason: Some(reason),
                };
                let _ = self.updates.send(update).await; // nobody counts any more
                sleep(pause + random(POLL_MS)).await;
                Ok(())
            }
            refusal => bail!("{refusal}"),
        }
    }

    async fn tell_place(&self, place: Place) {
        let position = place.position;
        self.tell(Activity::Waits { position }).await;
    }

    async fn tell(&self, activity: Activity) {
        let update = Update {
            guest: self.index,
            activity,
            reason: None,
        };
        let _ = self.updates.send(update).await; // nobody counts any more
    }
}

/// Returns when the crowd ends, or who leads it is gone.
async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn random(milliseconds: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rand::rng().random_range(milliseconds))
}
