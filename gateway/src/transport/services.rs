//! What every connection that follows a place uses, of whichever transport.

use std::sync::Arc;

use waitingroom_domain::clock::Clock;

use crate::{
    auto_hold::AutoHoldService, booking_client::BookingClient,
    connection::heartbeat_and_drain_timer::HeartbeatWheel, place_presenter::PlacePresenter,
    queue_service::QueueService,
};

/// See the module's documentation.
pub(crate) struct ConnectionServices {
    pub(crate) queue: Arc<QueueService>,
    pub(crate) presenter: Arc<PlacePresenter>,
    pub(crate) auto_hold: Arc<AutoHoldService>,
    pub(crate) booking: Arc<BookingClient>,
    pub(crate) heartbeat_wheel: Arc<HeartbeatWheel>,
    pub(crate) clock: Clock,
}
