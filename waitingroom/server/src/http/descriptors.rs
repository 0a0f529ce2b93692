//! What is done when a process has no file descriptor left to accept a connection with.

use std::{fs::File, io};

/// Descriptors held for nothing, so that some connections can still be accepted when others have
/// taken all the rest.
#[derive(Debug)]
pub(super) struct DescriptorReserve {
    held: Vec<File>,
    size: usize,
}

impl DescriptorReserve {
    /// Takes so many, or as many as there are.
    pub(super) fn new(size: usize) -> Self {
        let mut reserve = Self {
            held: Vec::with_capacity(size),
            size,
        };
        reserve.refill();
        reserve
    }

    /// Takes back what was lent.
    pub(super) fn refill(&mut self) {
        while !self.is_whole()
            && let Ok(file) = File::open("/dev/null")
        {
            self.held.push(file);
        }
    }

    /// Is nothing of it lent?
    pub(super) fn is_whole(&self) -> bool {
        self.held.len() >= self.size
    }

    /// Lends one to the next connection; false where there is none left.
    pub(super) fn lend(&mut self) -> bool {
        self.held.pop().is_some()
    }
}

/// Does this mean that the process or the system has no descriptor left?
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
