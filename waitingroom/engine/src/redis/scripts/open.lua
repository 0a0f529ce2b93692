-- Opens the event's queue unless it is open. Answers the epoch in force. A queue of which the last writes
-- may be missing is opened again, above all numbers it has given out.
-- ARGV: now, epoch, sequence, head, release_from, the runs of numbers up to the head that wait and of those whose pass had reached
-- nobody, the mark that it was frozen with (or nothing), the gateways that are awaited, then the settings in the order of settings.lua.
--
-- One that carries the mark has lost nothing, wherever it is: it stays frozen, and can go on.
--
-- What it remembers of who was served may be younger than what the caller knows; the caller's errs towards the users.

local now = clamp_clock(tonumber(ARGV[1]))
local values = { select(10, unpack(ARGV)) }
local exists = load_meta('server', 'server_seen', 'sequence', 'frozen')
local is_intact = exists and is_same_server()
if exists and not is_intact and ARGV[8] ~= '' and meta.frozen == ARGV[8] then
  begin_writing()
  redis.call('HSET', META, 'server', server_run_id(), 'server_seen', 0, 'frozen', HANDED_OVER)
elseif not is_intact then
  local sequence, head = tonumber(ARGV[3]), tonumber(ARGV[4])
  -- As long after `now` as the caller says.
  local release_from = tonumber(ARGV[5]) - tonumber(ARGV[1]) + now
  if exists then
    sequence = math.max(sequence, tonumber(meta.sequence) + SEQUENCE_RESERVE)
    release_from = math.max(release_from, now + RECOVERY_WINDOW_MS)
    delete_event()
  end
  redis.call('HSET', META, 'epoch', ARGV[2], 'server', server_run_id(), 'server_seen', 0, 'clock', exact(now),
    'opening_sequence', exact(sequence), 'opening_head', exact(head), 'sequence', exact(sequence), 'head', exact(head),
    'release_from', exact(release_from), 'counting_until', exact(release_from), 'tokens', values[3], 'tokens_at', exact(now),
    'published', 0, 'seats_left', 0, 'sync_until', 0, 'released', 0, 'taken_back', 0, 'expired', 0, 'dropped', 0, 'left', 0, 'leapt', 0,
    'reseated', 0, 'returned_before', save_earlier_numbers(ARGV[6], ARGV[7], head, sequence))
  local awaited = {}
  for node in string.gmatch(ARGV[9], '%S+') do awaited[#awaited + 1] = node end
  if #awaited > 0 and release_from > now then
    call_in_chunks('SADD', AWAITED_NODES, awaited)
    redis.call('PEXPIRE', AWAITED_NODES, digits(release_from - now + CLOCK_SLACK_MS))
  end
  configure(values)
  meta.epoch = ARGV[2]
end
return meta.epoch
