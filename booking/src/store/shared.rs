//! The queries that both databases run, each written once.
//!
//! A backend gives its connections and its dialect, and does itself the steps for which the
//! databases have different means: [`Backend`] lists them. The traits of the store are implemented
//! here, for every backend. Each of their methods ends within [`STEP_TIMEOUT`].

use std::{collections::HashMap, time::Duration};

use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, UserId},
};

use super::{
    AsOf, HoldResolution, InsertOutcome, StoreError, TransitionOutcome, TransitionRequest,
    connection::{Connections, Transaction},
    dialect::Dialect,
    error::with_store_timeout,
    row::{OutboxBatchRow, UserSeatsRow},
};
use crate::model::booking::{Booking, NewBooking};

mod audit;
mod bookings;
mod events;
mod inventory;
mod outbox;

/// Longest wait for one step.
const STEP_TIMEOUT: Duration = Duration::from_millis(3_500);

pub(super) async fn with_timeout<T>(
    step: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    with_store_timeout(STEP_TIMEOUT, step).await
}

/// A database as the store uses it: its connections, and the steps that are its own.
pub(super) trait Backend: Send + Sync + 'static {
    type Database: Dialect;

    /// Connections for changes.
    fn writer(&self) -> &Connections<Self::Database>;

    /// Connections for reads of catalogue, inventory, outbox and audit.
    fn reader(&self) -> &Connections<Self::Database>;

    /// Connections for what users read of their bookings.
    fn user_reader(&self) -> &Connections<Self::Database>;

    fn database_time(&self) -> impl Future<Output = Result<Timestamp, StoreError>> + Send;

    fn insert_batch(
        &self,
        batch: &[NewBooking],
    ) -> impl Future<Output = Result<Vec<InsertOutcome>, StoreError>> + Send;

    fn apply_transition_batch(
        &self,
        batch: &[TransitionRequest],
        as_of: AsOf,
    ) -> impl Future<Output = Result<Vec<TransitionOutcome>, StoreError>> + Send;

    fn expire_batch(
        &self,
        as_of: AsOf,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Booking>, StoreError>> + Send;

    fn resolve_batch(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> impl Future<Output = Result<HashMap<BookingId, HoldResolution>, StoreError>> + Send;

    /// The live seats of the event that these users have; no row for those without any.
    fn count_seats(
        &self,
        event: EventId,
        users: &[UserId],
    ) -> impl Future<Output = Result<Vec<UserSeatsRow>, StoreError>> + Send;

    /// Takes or renews the right to publish; no rows while another owner has it.
    fn lease_outbox(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<OutboxBatchRow>, StoreError>> + Send;

    fn delete_from_outbox(
        &self,
        batches: &[i64],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A transaction that writes.
    fn begin(
        &self,
    ) -> impl Future<Output = Result<Transaction<Self::Database>, StoreError>> + Send {
        self.writer().begin(Self::Database::BEGIN)
    }

    /// A transaction that reads as of one moment.
    fn begin_snapshot(
        &self,
    ) -> impl Future<Output = Result<Transaction<Self::Database>, StoreError>> + Send {
        self.reader().begin(Self::Database::BEGIN_SNAPSHOT)
    }
}
