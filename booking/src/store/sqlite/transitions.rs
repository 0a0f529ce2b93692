//! Confirming, cancelling and expiring: a conditional update decides, and only rows it changed move
//! seats.

use sqlx::Sqlite;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use super::{SqliteStore, insert::append_outbox};
use crate::{
    model::booking::{Booking, Status},
    store::{
        AsOf, StoreError, Transition, TransitionOutcome, TransitionRequest,
        connection::Transaction,
        row::BookingRow,
        sql::{self, booking_columns},
    },
};

const CONFIRM: &str = concat!(
    "UPDATE bookings SET status = 'confirmed', confirmed_at_ms = $3
    WHERE booking_id = $1 AND user_id = $2 AND status = 'reserved' AND expires_at_ms > $3 RETURNING ",
    booking_columns!()
);

const CANCEL: &str = concat!(
    "UPDATE bookings SET status = 'cancelled'
    WHERE booking_id = $1 AND user_id = $2 AND status = 'reserved' AND expires_at_ms > $3 RETURNING ",
    booking_columns!()
);

const DUE: &str = "SELECT booking_id FROM bookings WHERE status = 'reserved' AND expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2";

const EXPIRE_ONE: &str = concat!(
    "UPDATE bookings SET status = 'expired' WHERE booking_id = $1 RETURNING ",
    booking_columns!()
);

const MOVE_SEATS: &str =
    "UPDATE zones SET held = held - $2, confirmed = confirmed + $3 WHERE zone_id = $1";

impl SqliteStore {
    pub(super) async fn apply_transition_batch(
        &self,
        batch: &[TransitionRequest],
        as_of: AsOf,
    ) -> Result<Vec<TransitionOutcome>, StoreError> {
        let mut transaction = self.begin().await?;
        let now = self.now(as_of);
        let mut rulings = Vec::with_capacity(batch.len());
        for request in batch {
            rulings.push(apply(&mut transaction, request, now).await?);
        }

        let changed = rulings.iter().filter_map(|ruling| match ruling {
            TransitionOutcome::Changed(booking) => Some(booking.message()),
            _ => None,
        });

        append_outbox(&mut transaction, &changed.collect::<Vec<_>>(), now.millis()).await?;
        transaction.commit().await?;
        Ok(rulings)
    }

    pub(super) async fn expire_batch(
        &self,
        as_of: AsOf,
        limit: u32,
    ) -> Result<Vec<Booking>, StoreError> {
        let mut transaction = self.begin().await?;
        let now = self.now(as_of);
        let due = sqlx::query_scalar::<_, Uuid>(DUE)
            .bind(now.millis())
            .bind(i64::from(limit));
        let mut expired = Vec::new();
        for booking in due.fetch_all(&mut *transaction).await? {
            let row = sqlx::query_as::<_, BookingRow>(EXPIRE_ONE)
                .bind(booking)
                .fetch_one(&mut *transaction)
                .await?;
            let booking = row.try_into()?;
            move_seats(&mut transaction, &booking).await?;
            expired.push(booking);
        }

        append_outbox(
            &mut transaction,
            &expired.iter().map(Booking::message).collect::<Vec<_>>(),
            now.millis(),
        )
        .await?;
        transaction.commit().await?;
        Ok(expired)
    }
}

async fn apply(
    transaction: &mut Transaction<Sqlite>,
    request: &TransitionRequest,
    now: Timestamp,
) -> Result<TransitionOutcome, StoreError> {
    let statement = match request.transition {
        Transition::Confirm => CONFIRM,
        Transition::Cancel => CANCEL,
    };

    let id = request.booking_id.uuid();
    let change = sqlx::query_as::<_, BookingRow>(statement)
        .bind(id)
        .bind(request.user.as_str())
        .bind(now.millis());
    if let Some(row) = change.fetch_optional(&mut **transaction).await? {
        let booking = row.try_into()?;
        move_seats(transaction, &booking).await?;
        return Ok(TransitionOutcome::Changed(booking));
    }

    let found = sqlx::query_as::<_, BookingRow>(sql::BOOKING)
        .bind(id)
        .fetch_optional(&mut **transaction)
        .await?;
    let found: Option<Booking> = found.map(TryInto::try_into).transpose()?;
    Ok(found
        .filter(|booking| booking.user == request.user)
        .map_or(TransitionOutcome::NotFound, TransitionOutcome::Unchanged))
}

async fn move_seats(
    transaction: &mut Transaction<Sqlite>,
    booking: &Booking,
) -> Result<(), StoreError> {
    let seats = i64::from(booking.quantity);
    let confirmed = if booking.status == Status::Confirmed {
        seats
    } else {
        0
    };

    let count = sqlx::query(MOVE_SEATS)
        .bind(booking.zone_id.uuid())
        .bind(seats)
        .bind(confirmed);
    count.execute(&mut **transaction).await?;
    Ok(())
}
