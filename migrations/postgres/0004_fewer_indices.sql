-- A user has a few bookings at most: the unique index on (user_id, idempotency_key) finds them as well.
DROP INDEX bookings_by_user;
