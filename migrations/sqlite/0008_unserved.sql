-- Which numbers at or below a line's head have not had their pass, as of `line_head`; see booking's store/row.rs for its form. Nothing where it was
-- never written.
ALTER TABLE events ADD COLUMN line_unserved BLOB;

-- The mark of a line that stands still to be handed over to another Redis, and until when; see docs/decisions/0021-handover.md.
ALTER TABLE events ADD COLUMN handover_mark TEXT;
ALTER TABLE events ADD COLUMN handover_until_ms INTEGER NOT NULL DEFAULT 0;
