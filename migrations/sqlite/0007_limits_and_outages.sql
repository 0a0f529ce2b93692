-- One row, written twice a second: whether the database can be written, and since when it could not. One connection writes here, so
-- that the seats of a user are counted by a look.
CREATE TABLE heartbeat (
    only_row     INTEGER PRIMARY KEY DEFAULT 1 CONSTRAINT heartbeat_one_row CHECK (only_row = 1),
    -- When it was last written, by the database's clock.
    beat_at_ms   INTEGER NOT NULL,
    -- A span in which nobody could write, until all holds have got it back.
    owed_from_ms INTEGER,
    owed_to_ms   INTEGER
);
INSERT INTO heartbeat (beat_at_ms) VALUES (0);

-- By how much outages have prolonged a hold, and up to which moment it has got time back.
ALTER TABLE bookings ADD COLUMN prolonged_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bookings ADD COLUMN prolonged_to_ms INTEGER NOT NULL DEFAULT 0;
