-- The state of the queue.

local fields = { 'server', 'server_seen', 'sequence', 'head', 'seats_left', 'share', 'clock', 'opening_sequence', 'reseated', 'counting_until',
  'frozen' }
if not load_meta(unpack(names(fields, STORED_COUNTERS, SETTINGS))) or not is_same_server() then return false end
-- Each new place took the next number, or an earlier epoch's.
local joined = tonumber(meta.sequence) - tonumber(meta.opening_sequence) + tonumber(meta.reseated or 0)
local counters = current_counters()
counters[#counters + 1], counters[#counters + 2] = 'joined', exact(joined)
-- Earlier releases listed holders of passes among the absent, who are not in the queue.
local absent = math.min(redis.call('ZCOUNT', ABSENT_SINCE, '-inf', meta.clock), total())
return put_status({}, {
  settings = current_settings(), share = meta.share or '1', epoch = meta.epoch, sequence = meta.sequence, head = meta.head, total = total(),
  active = redis.call('ZCARD', ACTIVE), seats_left = meta.seats_left, absent = absent,
  counters = counters, is_rebuilding = tonumber(meta.clock) < tonumber(meta.counting_until or 0) and 1 or 0,
  seats_known = redis.call('EXISTS', ZONES),
  frozen = meta.frozen == HANDED_OVER and FROZEN.handed_over or meta.frozen and FROZEN.here or FROZEN.no,
})
