-- How an event's pages look, and what operators did.

-- JSON, so that a new trait needs no migration.
ALTER TABLE events ADD COLUMN appearance TEXT NOT NULL DEFAULT '{}';

CREATE TABLE audit (
    audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    operator TEXT NOT NULL,
    -- No reference: what was done stays known whatever becomes of the event.
    event_id BLOB,
    action   TEXT NOT NULL,
    -- JSON: what the action touched, before and after.
    was      TEXT,
    became   TEXT
);
CREATE INDEX audit_by_event ON audit (event_id, audit_id);

CREATE TRIGGER audit_keeps_its_rows BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_keeps_its_words BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
