-- The statement that stores a batch joins the zones itself: a look for each row, with a lock on a row that everybody wants, told
-- nothing more.
ALTER TABLE bookings DROP CONSTRAINT bookings_zone;

-- A message is leased once and removed: with room on its page, the lease touches no index.
ALTER TABLE outbox SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
