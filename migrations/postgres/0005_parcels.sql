-- The outbox keeps the messages of a transaction in one row: a message a line, its id, topic and payload separated by tabs. A row
-- for each message made a reservation a third dearer.
ALTER TABLE outbox RENAME TO outbox_before;
ALTER TABLE outbox_before RENAME CONSTRAINT outbox_pkey TO outbox_before_pkey;

CREATE TABLE outbox (
    outbox_id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    messages       TEXT NOT NULL,
    -- How many.
    size           INTEGER NOT NULL CONSTRAINT outbox_size CHECK (size > 0),
    created_at_ms  BIGINT NOT NULL,
    -- Which relay is publishing the row, and until when the others leave it alone.
    lease_owner    UUID,
    lease_until_ms BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- It is read once and removed: not worth compressing.
ALTER TABLE outbox ALTER COLUMN messages SET STORAGE EXTERNAL;

INSERT INTO outbox (messages, size, created_at_ms)
SELECT message_id || E'\t' || topic || E'\t' || payload || E'\n', 1, created_at_ms FROM outbox_before ORDER BY outbox_id;

DROP TABLE outbox_before;
