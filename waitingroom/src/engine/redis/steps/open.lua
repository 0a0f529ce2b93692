-- Begins the event's line unless it is open; takes the settings over. Answers the epoch in force.
-- ARGV: now, epoch, sequence, head, release_from, then the settings in the order of settings.lua.

local values = { select(6, unpack(ARGV)) }
if not recall() then
  redis.call('HSET', META, 'epoch', ARGV[2], 'clock', ARGV[1], 'opening_sequence', ARGV[3], 'opening_head', ARGV[4],
    'sequence', ARGV[3], 'head', ARGV[4], 'release_from', ARGV[5], 'tokens', values[3], 'tokens_at', ARGV[1],
    'published', 0, 'seats_left', 0, 'sync_until', 0)
  meta.epoch = ARGV[2]
end
configure(values)
return meta.epoch
