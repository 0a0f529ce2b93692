//! Recovery codes: who has the code of a booking sees it on any device.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, ShowId, ZoneId},
};
use waitingroom_server::{
    http::{Json, Path, SmallJson},
    openapi::problems::{InvalidBody, InvalidField, RateLimited, Unauthorized, Unavailable},
    problem::Problem,
};

use super::{
    extract::{Caller, ClientAddress},
    params,
    problems::BookingNotFound,
};
use crate::{
    model::{
        booking::{Booking, Status},
        money::Currency,
        recovery_code::RecoveryCode,
    },
    reservations::recovery::RecoveryService,
};

/// The code of a booking.
#[derive(Serialize, ToSchema)]
#[schema(as = BookingCode, example = json!({
    "booking_id": "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201",
    "code": "7K3M-QX4V-9T2B-H8WD",
    "path": "/bookings#code=7K3M-QX4V-9T2B-H8WD"
}))]
pub(super) struct CodeResponse {
    booking_id: BookingId,
    code: RecoveryCode,
    /// The page of this site that opens the booking. The code is behind `#`: browsers send it to no
    /// server.
    path: String,
}

/// A code that recovers a booking of the user
#[utoipa::path(
    post,
    path = "/api/v1/bookings/{booking_id}/code",
    operation_id = "createBookingCode",
    tag = "bookings",
    description = "The same code each time. It shows the booking on any device and without an account, and permits \
        nothing else: it confirms and cancels nothing, and does not name the user.",
    params(("booking_id" = BookingId, Path, example = "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201")),
    responses(
        (status = 200, description = "The code.", body = CodeResponse),
        Unauthorized, BookingNotFound, InvalidField, RateLimited, Unavailable
    )
)]
pub(super) async fn code(
    State(recovery): State<Arc<RecoveryService>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<CodeResponse>, Problem> {
    let booking_id = params::booking_id(&booking)?;
    let code = recovery.code(&user, booking_id).await?;
    Ok(Json(CodeResponse {
        booking_id,
        code,
        path: format!("/bookings#code={code}"),
    }))
}

/// A request for the booking of a code.
#[derive(Deserialize, ToSchema)]
#[schema(as = BookingRecovery, example = json!({ "code": "7K3M-QX4V-9T2B-H8WD" }))]
pub(super) struct RecoveryRequest {
    code: RecoveryCode,
}

/// A booking as the bearer of its code sees it: without its user.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveredBooking, example = json!({
    "booking_id": "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201",
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "show_id": "d1000000-0000-0001-0000-000000000000",
    "zone_id": "d2000000-0000-0001-0002-000000000000",
    "quantity": 2,
    "unit_price": 8900,
    "total_price": 17800,
    "currency": "EUR",
    "currency_digits": 2,
    "status": "confirmed",
    "created_at": "2026-06-01T18:00:12.345Z",
    "expires_at": "2026-06-01T18:05:12.345Z",
    "confirmed_at": "2026-06-01T18:02:40.002Z"
}))]
pub(super) struct RecoveredBooking {
    booking_id: BookingId,
    event_id: EventId,
    show_id: ShowId,
    zone_id: ZoneId,
    #[schema(minimum = 1, maximum = 10)]
    quantity: u32,
    /// In minor units.
    #[schema(minimum = 0)]
    unit_price: i64,
    /// In minor units.
    #[schema(minimum = 0)]
    total_price: i64,
    currency: Currency,
    /// Decimals of the currency's minor unit, by ISO 4217.
    #[schema(maximum = 4)]
    currency_digits: u8,
    status: Status,
    created_at: Timestamp,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    confirmed_at: Option<Timestamp>,
}

impl From<Booking> for RecoveredBooking {
    fn from(booking: Booking) -> Self {
        Self {
            booking_id: booking.booking_id,
            event_id: booking.event_id,
            show_id: booking.show_id,
            zone_id: booking.zone_id,
            quantity: booking.quantity,
            unit_price: booking.unit_price.minor,
            total_price: booking.unit_price.times(booking.quantity).minor,
            currency: booking.unit_price.currency,
            currency_digits: booking.unit_price.currency.digits(),
            status: booking.status,
            created_at: booking.created_at,
            expires_at: booking.expires_at,
            confirmed_at: booking.confirmed_at,
        }
    }
}

/// The booking of a code
#[utoipa::path(
    post,
    path = "/api/v1/bookings/recover",
    operation_id = "recoverBooking",
    tag = "bookings",
    description = "Public: the code is the permission. 30 codes that are none are allowed at once from one address, \
        then one every two seconds.",
    request_body = RecoveryRequest,
    responses(
        (status = 200, description = "The booking.", body = RecoveredBooking),
        InvalidBody, BookingNotFound, InvalidField, RateLimited, Unavailable
    ),
    security(())
)]
pub(super) async fn recover(
    State(recovery): State<Arc<RecoveryService>>,
    ClientAddress(address): ClientAddress,
    SmallJson(request): SmallJson<RecoveryRequest>,
) -> Result<Json<RecoveredBooking>, Problem> {
    let booking = recovery.booking(address, request.code).await?;
    Ok(Json(booking.into()))
}
