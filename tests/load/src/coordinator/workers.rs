//! The worker processes.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
};

use crate::{
    orders::{Order, Word},
    plan::Plan,
    worker,
};

/// Words that may wait for the coordinator; a full channel makes workers wait.
const WAITING: usize = 64;

/// See the module's documentation.
pub struct Workers {
    workers: Vec<(Child, ChildStdin)>,
    words: mpsc::Receiver<(usize, Result<Word>)>,
}

impl Workers {
    /// Starts a process for each share of the plan and waits until all are ready.
    ///
    /// # Errors
    /// A process that cannot be started.
    pub async fn start(plan: &Plan) -> Result<Self> {
        let (speak, words) = mpsc::channel(WAITING);
        let mut workers = Self {
            workers: Vec::new(),
            words,
        };
        for process in 0..plan.processes {
            let (child, mut input, output) = start()?;
            let plan = Plan {
                process,
                ..plan.clone()
            };
            write(&mut input, &Order::Plan(Box::new(plan))).await?;
            workers.workers.push((child, input));
            tokio::spawn(listen(process, output, speak.clone()));
        }
        for _ in 0..plan.processes {
            match workers.hear().await {
                (_, Ok(Word::Ready)) => {}
                (_, word) => bail!("a worker is not ready: {word:?}"),
            }
        }
        Ok(workers)
    }

    /// Their process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.workers
            .iter()
            .filter_map(|(child, _)| child.id())
            .collect()
    }

    /// The next word of any of them.
    pub async fn hear(&mut self) -> (usize, Result<Word>) {
        match self.words.recv().await {
            Some(word) => word,
            None => std::future::pending().await, // all have ended, and have said so
        }
    }

    /// Tells everybody.
    ///
    /// # Errors
    /// A worker that has ended.
    pub async fn tell(&mut self, order: &Order) -> Result<()> {
        for (_, input) in &mut self.workers {
            write(input, order).await?;
        }
        Ok(())
    }
}

fn start() -> Result<(Child, ChildStdin, ChildStdout)> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(worker::ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().context("cannot start a worker")?;
    let input = child.stdin.take().context("a worker's input")?;
    let output = child.stdout.take().context("a worker's output")?;
    Ok((child, input, output))
}

async fn write(input: &mut ChildStdin, order: &Order) -> Result<()> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    input.write_all(&line).await.context("a worker has ended")
}

/// Passes on what a worker says, until its last word.
async fn listen(worker: usize, output: ChildStdout, speak: mpsc::Sender<(usize, Result<Word>)>) {
    let mut lines = BufReader::new(output).lines();
    loop {
        let word = match lines.next_line().await {
            Ok(Some(line)) => serde_json::from_str(&line).context("a worker's report"),
            Ok(None) => Err(anyhow::anyhow!("a worker ended before its work was done")),
            Err(error) => Err(error.into()),
        };
        let last = matches!(word, Err(_) | Ok(Word::Done(_)));
        if speak.send((worker, word)).await.is_err() || last {
            return;
        }
    }
}
