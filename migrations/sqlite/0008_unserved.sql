-- Which numbers at or below a line's head have not had their pass, as of `line_head`; see booking's store/row.rs for its form. Nothing where it was
-- never written.
ALTER TABLE events ADD COLUMN line_unserved BLOB;
