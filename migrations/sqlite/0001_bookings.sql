-- The catalogue, the bookings and the outbox. Times are Unix milliseconds, money is minor units of a currency.

-- One row, raised with every change of the catalogue, so that each instance knows when to read it again.
CREATE TABLE catalogue (
    only_row INTEGER PRIMARY KEY DEFAULT 1 CONSTRAINT catalogue_one_row CHECK (only_row = 1),
    revision INTEGER NOT NULL
);
INSERT INTO catalogue (revision) VALUES (1);

CREATE TABLE events (
    event_id            BLOB PRIMARY KEY,
    name                TEXT NOT NULL,
    currency            TEXT NOT NULL,
    max_seats_per_user  INTEGER NOT NULL CONSTRAINT events_user_limit CHECK (max_seats_per_user > 0),
    hold_seconds        INTEGER NOT NULL CONSTRAINT events_hold CHECK (hold_seconds > 0),
    queue_settings      TEXT NOT NULL,
    created_at_ms       INTEGER NOT NULL,
    -- How far the line had come when the engine was last asked: a new incarnation goes on from here.
    line_sequence       INTEGER NOT NULL DEFAULT 0,
    line_head           INTEGER NOT NULL DEFAULT 0,
    -- Only one instance at a time rebuilds the engine's seats of an event.
    sync_lease_until_ms INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE shows (
    show_id      BLOB PRIMARY KEY,
    event_id     BLOB NOT NULL CONSTRAINT shows_event REFERENCES events,
    name         TEXT NOT NULL,
    starts_at_ms INTEGER,
    ordinal      INTEGER NOT NULL
);
CREATE INDEX shows_by_event ON shows (event_id, ordinal);

CREATE TABLE zones (
    zone_id    BLOB PRIMARY KEY,
    show_id    BLOB NOT NULL CONSTRAINT zones_show REFERENCES shows,
    event_id   BLOB NOT NULL CONSTRAINT zones_event REFERENCES events,
    name       TEXT NOT NULL,
    unit_price INTEGER NOT NULL CONSTRAINT zones_price CHECK (unit_price >= 0),
    capacity   INTEGER NOT NULL,
    held       INTEGER NOT NULL DEFAULT 0,
    confirmed  INTEGER NOT NULL DEFAULT 0,
    ordinal    INTEGER NOT NULL,
    CONSTRAINT zones_not_oversold CHECK (held >= 0 AND confirmed >= 0 AND held + confirmed <= capacity)
);
CREATE INDEX zones_by_event ON zones (event_id, ordinal);

CREATE TABLE bookings (
    booking_id              BLOB PRIMARY KEY,
    event_id                BLOB NOT NULL,
    show_id                 BLOB NOT NULL,
    zone_id                 BLOB NOT NULL CONSTRAINT bookings_zone REFERENCES zones,
    user_id                 TEXT NOT NULL,
    quantity                INTEGER NOT NULL CONSTRAINT bookings_quantity CHECK (quantity BETWEEN 1 AND 10),
    unit_price              INTEGER NOT NULL,
    currency                TEXT NOT NULL,
    status                  TEXT NOT NULL
        CONSTRAINT bookings_status CHECK (status IN ('reserved', 'confirmed', 'cancelled', 'expired')),
    pass_jti                TEXT NOT NULL CONSTRAINT bookings_pass_jti UNIQUE,
    idempotency_key         TEXT,
    idempotency_fingerprint TEXT,
    created_at_ms           INTEGER NOT NULL,
    expires_at_ms           INTEGER NOT NULL,
    confirmed_at_ms         INTEGER,
    CONSTRAINT bookings_idempotency_key UNIQUE (user_id, idempotency_key)
);
CREATE INDEX bookings_due ON bookings (expires_at_ms) WHERE status = 'reserved';
CREATE INDEX bookings_by_user ON bookings (user_id, created_at_ms DESC, booking_id DESC);
CREATE INDEX bookings_live ON bookings (event_id) WHERE status IN ('reserved', 'confirmed');
CREATE INDEX bookings_keys ON bookings (created_at_ms) WHERE idempotency_key IS NOT NULL;

CREATE TABLE outbox (
    outbox_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id     TEXT NOT NULL,
    topic          TEXT NOT NULL,
    payload        TEXT NOT NULL,
    created_at_ms  INTEGER NOT NULL,
    -- Which relay is publishing the row, and until when the others leave it alone.
    lease_owner    BLOB,
    lease_until_ms INTEGER NOT NULL DEFAULT 0
);
