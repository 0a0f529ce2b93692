-- Codes with which a buyer gets a booking back on another device. Only a keyed digest is stored: who reads the table has no codes.
-- No reference to `bookings`: a change of a booking should not pay for it, and a code of a booking that is gone opens nothing.
CREATE TABLE recovery_codes (
    digest        BYTEA PRIMARY KEY,
    booking_id    UUID NOT NULL,
    created_at_ms BIGINT NOT NULL
);
