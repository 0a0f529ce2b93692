//! Confirming, cancelling and expiring: a conditional update decides, and only rows it changed move
//! seats.

use sqlx::Sqlite;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use super::outbox;
use crate::{
    model::booking::{Booking, Status},
    store::{
        StoreError, Transition, TransitionOutcome, TransitionRequest,
        connection::Transaction,
        row::BookingRow,
        sql::{BOOKING, booking_columns},
        statement::statement,
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

pub(super) async fn apply_batch(
    transaction: &mut Transaction<Sqlite>,
    batch: &[TransitionRequest],
    now: Timestamp,
) -> Result<Vec<TransitionOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for request in batch {
        outcomes.push(apply(transaction, request, now).await?);
    }

    let changed = outcomes.iter().filter_map(|outcome| match outcome {
        TransitionOutcome::Changed(booking) => Some(booking.message()),
        _ => None,
    });
    let messages: Vec<_> = changed.collect();
    outbox::append(transaction, &messages, now.millis()).await?;

    Ok(outcomes)
}

pub(super) async fn expire_due(
    transaction: &mut Transaction<Sqlite>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Booking>, StoreError> {
    let due = statement(DUE).bind(now.millis()).bind(i64::from(limit));
    let mut expired = Vec::new();
    for (booking,) in transaction.fetch_all::<(Uuid,)>(due).await? {
        let expire = statement(EXPIRE_ONE).bind(booking);
        let booking = transaction
            .fetch_one::<BookingRow>(expire)
            .await?
            .try_into()?;
        move_seats(transaction, &booking).await?;
        expired.push(booking);
    }

    let messages: Vec<_> = expired.iter().map(Booking::message).collect();
    outbox::append(transaction, &messages, now.millis()).await?;

    Ok(expired)
}

async fn apply(
    transaction: &mut Transaction<Sqlite>,
    request: &TransitionRequest,
    now: Timestamp,
) -> Result<TransitionOutcome, StoreError> {
    let text = match request.transition {
        Transition::Confirm => CONFIRM,
        Transition::Cancel => CANCEL,
    };

    let id = request.booking_id.uuid();
    let change = statement(text)
        .bind(id)
        .bind(request.user.as_str())
        .bind(now.millis());
    if let Some(row) = transaction.fetch_optional::<BookingRow>(change).await? {
        let booking = row.try_into()?;
        move_seats(transaction, &booking).await?;
        return Ok(TransitionOutcome::Changed(booking));
    }

    let found = statement(BOOKING).bind(id);
    let found = transaction.fetch_optional::<BookingRow>(found).await?;
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

    let count = statement(MOVE_SEATS)
        .bind(booking.zone_id.uuid())
        .bind(seats)
        .bind(confirmed);
    transaction.execute(count).await.map(drop)
}
