//! The worker processes.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
};

use crate::{
    plan::Plan,
    worker,
    worker_protocol::{WorkerMessage, WorkerOrder},
};

/// Messages that may wait for the coordinator; a full channel makes workers wait.
const MESSAGES_CAPACITY: usize = 64;

/// See the module's documentation.
pub struct Workers {
    workers: Vec<(Child, ChildStdin)>,
    messages: mpsc::Receiver<(usize, Result<WorkerMessage>)>,
}

impl Workers {
    /// Starts a process for each share of the plan and waits until all are ready.
    ///
    /// # Errors
    /// A process that cannot be started.
    pub async fn start(plan: &Plan) -> Result<Self> {
        let (speak, messages) = mpsc::channel(MESSAGES_CAPACITY);
        let mut workers = Self {
            workers: Vec::new(),
            messages,
        };

        for process in 0..plan.processes {
            let (child, mut input, output) = start()?;
            let plan = Plan {
                process,
                ..plan.clone()
            };
            write(&mut input, &WorkerOrder::Plan(Box::new(plan))).await?;
            workers.workers.push((child, input));
            tokio::spawn(listen(process, output, speak.clone()));
        }

        for _ in 0..plan.processes {
            match workers.next_message().await {
                (_, Ok(WorkerMessage::Ready)) => {}
                (_, message) => bail!("a worker is not ready: {message:?}"),
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

    /// The next message of any worker.
    pub async fn next_message(&mut self) -> (usize, Result<WorkerMessage>) {
        match self.messages.recv().await {
            Some(message) => message,
            None => std::future::pending().await, // all have ended, and have said so
        }
    }

    /// Sends an order to all workers.
    ///
    /// # Errors
    /// A worker that has ended.
    pub async fn broadcast(&mut self, order: &WorkerOrder) -> Result<()> {
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

async fn write(input: &mut ChildStdin, order: &WorkerOrder) -> Result<()> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    input.write_all(&line).await.context("a worker has ended")
}

/// Forwards the messages of a worker, up to the last one.
async fn listen(
    worker: usize,
    output: ChildStdout,
    speak: mpsc::Sender<(usize, Result<WorkerMessage>)>,
) {
    let mut lines = BufReader::new(output).lines();
    loop {
        let message = match lines.next_line().await {
            Ok(Some(line)) => serde_json::from_str(&line).context("a worker's report"),
            Ok(None) => Err(anyhow::anyhow!("a worker ended before its work was done")),
            Err(error) => Err(error.into()),
        };
        let last = matches!(message, Err(_) | Ok(WorkerMessage::Done(_)));
        if speak.send((worker, message)).await.is_err() || last {
            return;
        }
    }
}
