-- The outbox keeps the messages of a transaction in one row: a message a line, its id, topic and payload separated by tabs.
ALTER TABLE outbox RENAME TO outbox_before;

CREATE TABLE outbox (
    outbox_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    messages       TEXT NOT NULL,
    -- How many.
    size           INTEGER NOT NULL CONSTRAINT outbox_size CHECK (size > 0),
    created_at_ms  INTEGER NOT NULL,
    -- Which relay is publishing the row, and until when the others leave it alone.
    lease_owner    BLOB,
    lease_until_ms INTEGER NOT NULL DEFAULT 0
);

INSERT INTO outbox (messages, size, created_at_ms)
SELECT message_id || char(9) || topic || char(9) || payload || char(10), 1, created_at_ms FROM outbox_before ORDER BY outbox_id;

DROP TABLE outbox_before;
