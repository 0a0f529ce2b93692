-- For the statement that stores bookings: violates a limit where one of these users would have more seats of an event than one user
-- may. Users wait for each other by their names, and are counted when it is their turn: in a function that is volatile, each
-- query sees what was committed before it, and so what whoever had the turn before has stored. Looks users up by the index that begins
-- with them; a plan that was made while the table was small would read all of it for ever.
CREATE FUNCTION claim_seats(of_events UUID[], users TEXT[], seats INTEGER[]) RETURNS INTEGER LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(turn) FROM (
        SELECT DISTINCT hashtextextended(claim.user_id, hashtextextended(claim.event_id::text, 7)) AS turn
        FROM unnest(of_events, users) AS claim (event_id, user_id) ORDER BY turn
    ) AS turns;
    PERFORM 1 FROM unnest(of_events, users, seats) AS claim (event_id, user_id, wanted)
    JOIN events ON events.event_id = claim.event_id
    WHERE claim.wanted + (
        SELECT COALESCE(sum(quantity) FILTER (WHERE bookings.event_id = claim.event_id
            AND status IN ('reserved', 'confirmed')), 0)
        FROM bookings WHERE bookings.user_id = claim.user_id
    ) > max_seats_per_user;
    IF FOUND THEN
        RAISE EXCEPTION 'user_seats_limit' USING ERRCODE = 'check_violation', CONSTRAINT = 'user_seats_limit';
    END IF;
    RETURN 0;
END
$$;

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
