//! Every metric of booking.

use waitingroom_domain::define_metrics;

define_metrics! {
    COMMIT_QUEUE_LENGTH: gauge "stanchion_booking_commit_queue_length" (was "stanchion_booking_commit_waiting") [] = "Reservations that wait for the group commit.";
    HOLD_BATCH_SIZE: histogram "stanchion_booking_hold_batch_size" [] = "Reservations in one call of the seat engine.";
    HOLD_DURATION: histogram "stanchion_booking_hold_duration_seconds" (was "stanchion_booking_hold_seconds") [] = "Seconds that one call of the seat engine takes.";
    COMMIT_BATCH_SIZE: histogram "stanchion_booking_commit_batch_size" [] = "Reservations in one transaction.";
    COMMIT_DURATION: histogram "stanchion_booking_commit_duration_seconds" (was "stanchion_booking_commit_seconds") [] = "Seconds that one transaction takes.";
    DATABASE_CLOCK_AHEAD: gauge "stanchion_booking_database_clock_ahead_seconds" [] = "Seconds by which the clock of the database is ahead of this process.";
    INVENTORY_DRIFT: gauge "stanchion_inventory_drift_seats" ["event"] = "Seats by which engine and database differ.";
    INVENTORY_CORRECTIONS: counter "stanchion_inventory_corrections_total" ["event"] = "Rebuilds of the seats because engine and database differed.";
    BOOKINGS_EXPIRED: counter "stanchion_booking_expired_total" [] = "Unpaid bookings that expired.";
    SSE_SUBSCRIBERS: gauge "stanchion_sse_subscribers" (was "stanchion_feed_readers") ["feed"] = "Open streams of server-sent events.";
    GATEWAYS_KNOWN: gauge "stanchion_gateways_known" [] = "Gateways that booking waits for after a loss of the queue.";
    GUESTS_REJECTED: counter "stanchion_guests_rejected_total" (was "stanchion_guests_refused_total") ["reason"] = "Guests that were rejected because an address or network has too many.";
    RECOVERY_ATTEMPTS: counter "stanchion_booking_recovery_attempts_total" ["outcome"] = "Recovery codes that were tried: found, unknown, or limited because too many of an address were unknown.";
    OUTAGES: counter "stanchion_booking_outages_total" [] = "Times in which nothing could be written to the database.";
    OUTAGE_SECONDS: counter "stanchion_booking_outage_seconds_total" [] = "Seconds in which nothing could be written to the database.";
    HOLDS_PROLONGED: counter "stanchion_booking_holds_prolonged_total" [] = "Holds that got the time of an outage back.";
    COMMITS_UNDER_WAY: counter "stanchion_booking_commits_under_way_total" [] = "Stale holds that were kept because their commit may still come.";
    STALE_HOLDS: counter "stanchion_booking_stale_holds_total" [] = "Holds of the engine whose outcome was read from the database.";
    OUTBOX_PUBLISHED: counter "stanchion_outbox_published_total" [] = "Messages that the bus acknowledged.";
    OUTBOX_PENDING: gauge "stanchion_outbox_pending_messages" (was "stanchion_outbox_waiting") [] = "Messages that the bus does not have yet.";
    OUTBOX_LAG: gauge "stanchion_outbox_lag_seconds" [] = "Age in seconds of the oldest message that the bus does not have yet.";
    RESERVE_DURATION: histogram "stanchion_booking_reserve_duration_seconds" (was "stanchion_booking_reserve_seconds") ["outcome"] = "Seconds from a reservation to its answer.";
    TASK_FAILURES: counter "stanchion_booking_task_failures_total" ["task"] = "Iterations of background tasks that failed and are tried again.";
    SETTLEMENT_FAILURES: counter "stanchion_booking_settlement_failures_total" (was "stanchion_booking_settlements_missed_total") [] = "Settlements that did not reach the engine at the first attempt.";
    SETTLEMENTS_PENDING: gauge "stanchion_booking_settlements_pending" (was "stanchion_booking_settlements_waiting") [] = "Settlements that wait for the engine.";
    LOCKED_ZONES: counter "stanchion_booking_locked_zones_total" [] = "Batches that left out a zone because another session held its row.";
}
