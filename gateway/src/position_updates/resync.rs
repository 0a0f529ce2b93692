//! Whether a task reads all places of a room again: one at a time, and once more if that was asked
//! for meanwhile.

use parking_lot::Mutex;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Resync(Mutex<ResyncState>);

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum ResyncState {
    #[default]
    Idle,
    Running,
    /// Running, and asked for again since it began.
    RunningAndRequested,
}

impl Resync {
    /// Claims the resync; false if one is running, which then begins once more.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.0.lock();
        let begins = *state == ResyncState::Idle;
        *state = if begins {
            ResyncState::Running
        } else {
            ResyncState::RunningAndRequested
        };
        begins
    }

    /// Ends the resync; false if it has to begin once more.
    pub(super) fn end(&self) -> bool {
        let mut state = self.0.lock();
        let ends = *state != ResyncState::RunningAndRequested;
        *state = if ends {
            ResyncState::Idle
        } else {
            ResyncState::Running
        };
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_once_more_when_requested_while_running() {
        let resync = Resync::default();
        assert!(resync.begin());
        assert!(!resync.begin() && !resync.begin());

        assert!(!resync.end(), "once more, for both requests");
        assert!(resync.end());
        assert!(resync.begin());
    }
}
