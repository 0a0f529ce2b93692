-- A row that takes the place of a booking which is not there, so that none can come there any more: see
-- docs/decisions/0018. It belongs to nobody ('' is no user), has no seats and tells nothing. Rows that are there have one of the
-- statuses of before: they need not be looked at again.
ALTER TABLE bookings DROP CONSTRAINT bookings_status;
ALTER TABLE bookings ADD CONSTRAINT bookings_status
    CHECK (status IN ('reserved', 'confirmed', 'cancelled', 'expired', 'void')) NOT VALID;
