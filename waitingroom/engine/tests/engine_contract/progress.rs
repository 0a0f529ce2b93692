//! Progress: all that a gateway needs to know the exact position of its users.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join_all;
use waitingroom_domain::{
    presence::Presence,
    queue::{Place, Progress, QueueSettings},
};
use waitingroom_engine::SharedEngine;

use super::sale::{Sale, quick};

pub(crate) async fn revisions_meet_across_releasers(engine: SharedEngine) {
    let sale = Arc::new(Sale::open(engine, quick()).await);
    for index in 0..40 {
        sale.join(&format!("u{index}")).await;
    }

    sale.leave("u7").await;
    let steps = (0..10).map(|_| {
        let sale = sale.clone();
        tokio::spawn(async move { sale.release_at_most(3).await.progress })
    });
    let mut told: Vec<Progress> = join_all(steps)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    told.sort_by_key(|progress| (progress.from, progress.to));
    let mut revision = 0;

    for progress in &told {
        assert_eq!(
            (progress.from, progress.to),
            (revision, revision + progress.removed.len() as u64)
        );
        revision = progress.to;
    }

    let removed: Vec<u64> = told
        .iter()
        .flat_map(|progress| progress.removed.clone())
        .collect();
    assert_eq!(
        removed,
        [8].into_iter()
            .chain((1..=31).filter(|number| *number != 8))
            .collect::<Vec<_>>()
    );

    let last = sale.release_at_most(0).await.progress;
    assert_eq!(
        (last.from, last.to, last.total, last.active, last.seats_left),
        (31, 31, 9, 30, 100)
    );
}

/// What a gateway does: the position at resume less the removals below the user's number since.
struct Projection {
    place: Place,
    removals: u64,
}

impl Projection {
    fn hear(&mut self, progress: &Progress) {
        let known = self.place.revision.saturating_sub(progress.from) as usize;
        let news = progress.removed.iter().skip(known);
        self.removals += news.filter(|number| **number < self.place.number).count() as u64;
    }

    fn position(&self) -> u64 {
        self.place.position - self.removals
    }
}

pub(crate) async fn positions_projected_from_progress_are_exact(engine: SharedEngine) {
    let sale = Sale::open(
        engine,
        QueueSettings {
            rate_per_second: 3.0,
            burst: 3,
            ..quick()
        },
    )
    .await;
    let mut gateway: HashMap<String, Projection> = HashMap::new();

    for round in 0..30_u64 {
        for index in 0..3 {
            let name = format!("u{}", round * 3 + index);
            let place = sale.join(&name).await;
            gateway.insert(name, Projection { place, removals: 0 });
        }
        // Leaving between two messages: those who join later count it already, those before learn
        // it.
        let leaver = format!("u{}", (round * 7) % (round * 3 + 3));
        if gateway.get(&leaver).is_some_and(|left| left.position() > 2) && sale.leave(&leaver).await
        {
            gateway.remove(&leaver);
        }
        if round % 3 == 0 {
            let name = format!("late{round}");
            let place = sale.join(&name).await;
            gateway.insert(name, Projection { place, removals: 0 });
        }
        sale.wait(700).await;
        sale.report("n1").await;
        let step = sale.release().await;
        for granted in &step.granted {
            gateway.remove(granted.user.as_str());
        }
        for (name, projection) in &mut gateway {
            projection.hear(&step.progress);
            let real = sale.resume(name, Presence::Poll).await.unwrap();
            assert_eq!(
                projection.position(),
                real.position,
                "{name} in round {round}"
            );
            assert_eq!(
                (real.revision, real.total),
                (step.progress.to, step.progress.total)
            );
        }
    }

    assert!(gateway.len() > 20);
}
