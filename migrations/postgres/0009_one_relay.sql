-- Which booking process publishes the outbox, and until when the others leave it alone: one at a time, so that the stream keeps the
-- order of a booking's messages. `outbox.lease_owner` and `outbox.lease_until_ms` have no use any more; the previous release reads
-- them, so a later migration drops them.
CREATE TABLE relay_lease (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT relay_lease_one_row CHECK (only_row),
    owner    UUID,
    until_ms BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

INSERT INTO relay_lease DEFAULT VALUES;
