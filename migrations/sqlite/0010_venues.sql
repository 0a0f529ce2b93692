-- Where an event takes place, as far as that is known. The zone is a name of the IANA database; the times of shows stay moments.
ALTER TABLE events ADD COLUMN venue TEXT;
ALTER TABLE events ADD COLUMN city TEXT;
ALTER TABLE events ADD COLUMN time_zone TEXT;
