//! The heart of Stanchion: the line, the passes and the seats of an event as one small state machine, the engines that
//! hold it, the wire that speaks of it, and what every role shares.

pub mod absence;
pub mod clock;
pub mod engine;
pub mod ids;
pub mod line;
pub mod rate;
pub mod seats;
