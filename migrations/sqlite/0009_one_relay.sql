-- Which booking process publishes the outbox, and until when the others leave it alone: one at a time, so that the stream keeps the
-- order of a booking's messages.
CREATE TABLE relay_lease (
    only_row INTEGER PRIMARY KEY DEFAULT 1 CONSTRAINT relay_lease_one_row CHECK (only_row = 1),
    owner    BLOB,
    until_ms INTEGER NOT NULL DEFAULT 0
);

INSERT INTO relay_lease DEFAULT VALUES;
