-- The seats that a user has of an event, so that the statement that stores a booking can refuse what is beyond the limit. Never
-- fewer than they have: what was cancelled or expired is taken off when somebody would be refused because of it, so that neither
-- costs more than before.
CREATE TABLE user_seats (
    event_id   UUID NOT NULL,
    user_id    TEXT NOT NULL,
    seats      INTEGER NOT NULL,
    -- The event's, when it was last counted.
    seat_limit INTEGER NOT NULL,
    CONSTRAINT user_seats_pkey PRIMARY KEY (event_id, user_id),
    CONSTRAINT user_seats_limit CHECK (seats <= seat_limit)
) WITH (fillfactor = 90);

INSERT INTO user_seats (event_id, user_id, seats, seat_limit)
SELECT bookings.event_id, user_id, LEAST(sum(quantity), max_seats_per_user), max_seats_per_user
FROM bookings JOIN events ON events.event_id = bookings.event_id
WHERE status IN ('reserved', 'confirmed') GROUP BY bookings.event_id, user_id, max_seats_per_user;

-- One row, written twice a second by each instance: whether the database can be written, and since when it could not.
CREATE TABLE heartbeat (
    only_row     BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT heartbeat_one_row CHECK (only_row),
    -- When it was last written, by the database's clock.
    beat_at_ms   BIGINT NOT NULL,
    -- A span in which nobody could write, until all holds have got it back.
    owed_from_ms BIGINT,
    owed_to_ms   BIGINT
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
INSERT INTO heartbeat (beat_at_ms) VALUES (0);

-- By how much outages have prolonged a hold, and up to which moment it has got time back.
ALTER TABLE bookings ADD COLUMN prolonged_ms BIGINT NOT NULL DEFAULT 0, ADD COLUMN prolonged_to_ms BIGINT NOT NULL DEFAULT 0;
