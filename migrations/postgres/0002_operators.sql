-- How an event's pages look, and what operators did.

-- JSON, so that a new trait needs no migration.
ALTER TABLE events ADD COLUMN appearance TEXT NOT NULL DEFAULT '{}';

CREATE TABLE audit (
    audit_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms    BIGINT NOT NULL,
    operator TEXT NOT NULL,
    -- No reference: what was done stays known whatever becomes of the event.
    event_id UUID,
    action   TEXT NOT NULL,
    -- JSON: what the action touched, before and after.
    was      TEXT,
    became   TEXT
);
CREATE INDEX audit_by_event ON audit (event_id, audit_id);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
