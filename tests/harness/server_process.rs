//! A server process of one test, which can be stopped and restarted on its data.

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    ports,
    process::{Process, Signal},
    wait::{TEST_TIMEOUT, within},
};

/// A port may be taken in the moment between choosing and using it.
const STARTS: usize = 5;

/// A program that runs as a server.
pub trait Program {
    /// The name of its log and its data.
    const NAME: &'static str;
    /// The signal that ends it and its children with the test.
    const END: Signal;

    /// Makes the files that it starts on; once.
    fn prepare(_folder: &Path) {}

    /// Serves on this port, with its data in the folder.
    fn command(folder: &Path, port: u16) -> Command;

    /// Its URL.
    fn url(port: u16) -> String;

    /// Whether it answers there.
    fn answers(url: &str) -> impl Future<Output = bool> + Send;
}

/// See the module's documentation. Ends when dropped.
#[derive(Debug)]
pub struct ServerProcess<P: Program> {
    /// Its URL.
    pub url: String,
    port: u16,
    folder: PathBuf,
    process: Process,
    program: PhantomData<P>,
}

impl<P: Program> ServerProcess<P> {
    /// Starts one, with its data and its log in the folder.
    pub async fn start(folder: &Path) -> Self {
        P::prepare(folder);

        for _ in 0..STARTS {
            if let Some(started) = Self::attempt(folder, ports::free()).await {
                return started;
            }
        }

        panic!(
            "{0} did not start; its log is {0}.log in {1}",
            P::NAME,
            folder.display()
        )
    }

    /// Ends it as the signal does.
    pub async fn stop(&self, signal: Signal) {
        self.process.signal(signal);
        self.process.ended().await;
    }

    /// Sends a signal, for example to stop it for a while.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Restarts it at the same port, on its data.
    pub async fn start_again(&mut self) {
        assert!(self.try_again().await, "the port is free again");
    }

    /// The same if the remains of a killed server may still be in the way; returns whether it
    /// serves.
    pub async fn try_again(&mut self) -> bool {
        let Some(started) = Self::attempt(&self.folder, self.port).await else {
            return false;
        };
        *self = started;
        true
    }

    /// The folder of its data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    async fn attempt(folder: &Path, port: u16) -> Option<Self> {
        let process = Process::start(P::NAME, &mut P::command(folder, port), folder);
        let url = P::url(port);
        let up = within(
            TEST_TIMEOUT,
            &format!("an answer of {}", P::NAME),
            || async {
                match process.exit() {
                    Some(_) => Some(false),
                    None => P::answers(&url).await.then_some(true),
                }
            },
        )
        .await;

        up.then(|| Self {
            url,
            port,
            folder: folder.to_owned(),
            process,
            program: PhantomData,
        })
    }
}

impl<P: Program> Drop for ServerProcess<P> {
    fn drop(&mut self) {
        if self.process.exit().is_none() {
            self.process.signal(P::END);
        }
    }
}
