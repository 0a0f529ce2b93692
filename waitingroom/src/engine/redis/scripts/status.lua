-- The state of the queue.

local fields = { 'server', 'server_seen', 'sequence', 'head', 'seats_left', 'share', 'clock', 'opening_sequence', 'reseated', 'counting_until',
  'frozen' }
if not load_meta(unpack(names(fields, STORED_COUNTERS, SETTINGS))) or not is_same_server() then return false end
-- Each new place took the next number, or an earlier epoch's.
local joined = tonumber(meta.sequence) - tonumber(meta.opening_sequence) + tonumber(meta.reseated or 0)
local counters = current_counters()
counters[#counters + 1], counters[#counters + 2] = 'joined', exact(joined)
return { current_settings(), meta.share or '1', meta.epoch, meta.sequence, meta.head, total(), redis.call('ZCARD', ACTIVE), meta.seats_left,
  redis.call('ZCOUNT', ABSENT_SINCE, '-inf', meta.clock), counters, tonumber(meta.clock) < tonumber(meta.counting_until or 0) and 1 or 0,
  redis.call('EXISTS', ZONES), meta.frozen == HANDED_OVER and 2 or meta.frozen and 1 or 0 }
