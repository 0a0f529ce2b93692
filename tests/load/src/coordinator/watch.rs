//! The resources that server and workers use over the run.

use tokio::time::Instant;

use crate::{
    report::{Phase, Used},
    tally::Counts,
    usage::{self, Part, Usage},
};

/// See the module's documentation.
pub struct Watch {
    server: Vec<u32>,
    stores: Vec<u32>,
    workers: Vec<u32>,
    /// CPU time of server processes that are gone, in milliseconds.
    gone_cpu_ms: u64,
    before: Usage,
    latest: Usage,
    workers_latest: Usage,
    workers_peak_kib: u64,
    peak: Usage,
    peak_connected: u64,
    after: Usage,
    phase: Option<(Vec<Part>, Usage, u64, Instant)>,
    measured: Option<Phase>,
}

impl Watch {
    /// A watch on these server processes, and on those of what they store in.
    pub fn new(server: Vec<u32>, stores: Vec<u32>) -> Self {
        let now = usage::of(&server);
        Self {
            server,
            stores,
            workers: Vec::new(),
            gone_cpu_ms: 0,
            before: now,
            latest: now,
            workers_latest: Usage::default(),
            workers_peak_kib: 0,
            peak: now,
            peak_connected: 0,
            after: now,
            phase: None,
            measured: None,
        }
    }

    /// The users are about to begin.
    pub fn begin(&mut self, workers: Vec<u32>) {
        self.workers = workers;
        self.before = usage::of(&self.server);
        self.peak = self.before;
    }

    /// Samples all processes.
    pub fn look(&mut self, counts: &Counts) {
        let now = usage::of(&self.server);
        self.latest = Usage {
            cpu_ms: now.cpu_ms + self.gone_cpu_ms,
            ..now
        };
        self.peak.rss_kib = self.peak.rss_kib.max(now.rss_kib);
        self.peak.descriptors = self.peak.descriptors.max(now.descriptors);
        self.peak_connected = self.peak_connected.max(counts.connected);

        let workers = usage::of(&self.workers);
        self.workers_peak_kib = self.workers_peak_kib.max(workers.rss_kib);
        self.workers_latest.cpu_ms = self.workers_latest.cpu_ms.max(workers.cpu_ms);
    }

    /// The resources that the server uses now.
    pub const fn latest(&self) -> Usage {
        self.latest
    }

    /// The measured phase begins: all users wait, or reservations begin.
    pub fn measured_phase_begins(&mut self) {
        let workers = usage::of(&self.workers).cpu_ms;
        self.phase = Some((
            self.parts(),
            usage::of(&self.server),
            workers,
            Instant::now(),
        ));
    }

    fn parts(&self) -> Vec<Part> {
        usage::parts(&[self.server.as_slice(), &self.stores].concat())
    }

    /// The phase is over.
    pub fn measured_phase_ends(&mut self) {
        if let Some((parts, then, workers, since)) = self.phase.take() {
            let now = usage::of(&self.server);
            let spent = |(now, then): (Part, Part)| Part {
                cpu_ms: now.cpu_ms.saturating_sub(then.cpu_ms),
                ..now
            };
            self.measured = Some(Phase {
                seconds: since.elapsed().as_secs_f64(),
                cpu_before_ms: then.cpu_ms.saturating_sub(self.before.cpu_ms),
                cpu_ms: now.cpu_ms.saturating_sub(then.cpu_ms),
                rss_kib: now.rss_kib,
                workers_cpu_before_ms: workers,
                workers_cpu_ms: self.workers_latest.cpu_ms.saturating_sub(workers),
                parts: self.parts().into_iter().zip(parts).map(spent).collect(),
            });
        }
    }

    /// The server is about to be stopped.
    pub fn server_goes(&mut self) {
        self.gone_cpu_ms += usage::of(&self.server).cpu_ms;
    }

    /// Another process serves; `None` if the watched ones go on.
    pub fn server_comes(&mut self, pid: Option<u32>) {
        match pid {
            Some(pid) => self.server = vec![pid],
            None => self.gone_cpu_ms = 0,
        }
    }

    /// All users are gone.
    pub fn end(&mut self) {
        self.measured_phase_ends();
        self.after = usage::of(&self.server);
    }

    /// The samples; `None` if no server process is known.
    pub fn report(&self) -> Option<Used> {
        (!self.server.is_empty()).then(|| Used {
            before: self.before,
            peak_rss_kib: self.peak.rss_kib,
            peak_descriptors: self.peak.descriptors,
            peak_connected: self.peak_connected,
            cpu_ms: self.latest.cpu_ms.saturating_sub(self.before.cpu_ms),
            after: self.after,
            measured: self.measured.clone(),
            workers_cpu_ms: self.workers_latest.cpu_ms,
            workers_peak_kib: self.workers_peak_kib,
        })
    }
}
