//! Models of what happens between the processes of an installation, small enough that a checker can
//! try every order of events: messages that are delayed, steps that run late, crashes, losses.
//!
//! Each model has switches for the rules that keep a promise. Its tests show that with all of them
//! no promise is broken in any reachable state, and that without one of them the checker finds the
//! broken promise: the rule is needed, and the model would see that it is missing. The models say
//! what the code must do; that the code does it is shown by the tests against real servers, and
//! `docs/reliability.md` names both for each promise.

pub mod hold;
pub mod place;
pub mod reservation;

#[cfg(test)]
mod exhaustive;
