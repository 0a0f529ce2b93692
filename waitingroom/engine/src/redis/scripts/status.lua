-- The state of the queue.

if not load_meta('server', 'server_seen', 'sequence', 'head', 'seats_left', 'share', 'clock', 'opening_sequence', 'reseated', 'counting_until', 'frozen', 'released', 'taken_back', 'expired', 'dropped',
  'left', unpack(SETTINGS)) or not is_same_server() then return false end
-- Each new place took the next number, or an earlier epoch's.
local joined = tonumber(meta.sequence) - tonumber(meta.opening_sequence) + tonumber(meta.reseated or 0)
return { current_settings(), meta.share or '1', meta.epoch, meta.sequence, meta.head, total(), redis.call('ZCARD', ACTIVE), meta.seats_left,
  redis.call('ZCOUNT', ABSENT_SINCE, '-inf', meta.clock), exact(joined), meta.released or 0, meta.taken_back or 0,
  meta.expired or 0, meta.dropped or 0, meta.left or 0, tonumber(meta.clock) < tonumber(meta.counting_until or 0) and 1 or 0,
  redis.call('EXISTS', ZONES), meta.frozen == HANDED_OVER and 2 or meta.frozen and 1 or 0 }
