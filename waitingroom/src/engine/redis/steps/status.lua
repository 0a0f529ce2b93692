-- The state of the line.

if not recall('sequence', 'head', 'seats_left', unpack(SETTINGS)) then return false end
return { settings(), meta.epoch, meta.sequence, meta.head, total(), redis.call('ZCARD', ACTIVE), meta.seats_left }
