-- Begins the event's line unless it is open. Answers the epoch in force. A line of which the last writes
-- may be missing begins anew, above everything it remembers.
-- ARGV: now, epoch, sequence, head, release_from, the runs of numbers up to the head that wait and of those whose pass had reached
-- nobody, the mark that it was frozen with (or nothing), the gateways that are awaited, then the settings in the order of settings.lua.
--
-- One that carries the mark has lost nothing, wherever it is: it stays frozen, and can go on.
--
-- What it remembers of who was served may be younger than what the caller knows; the caller's errs towards the users.

local now = believable(tonumber(ARGV[1]))
local values = { select(10, unpack(ARGV)) }
local known = recall('server', 'server_seen', 'sequence', 'frozen')
local whole = known and is_whole()
if known and not whole and ARGV[8] ~= '' and meta.frozen == ARGV[8] then
  begin_writing()
  redis.call('HSET', META, 'server', server(), 'server_seen', 0, 'frozen', HANDED_OVER)
elseif not whole then
  local sequence, head = tonumber(ARGV[3]), tonumber(ARGV[4])
  -- As long after `now` as the caller says.
  local release_from = tonumber(ARGV[5]) - tonumber(ARGV[1]) + now
  if known then
    sequence = math.max(sequence, tonumber(meta.sequence) + SEQUENCE_RESERVE)
    release_from = math.max(release_from, now + RECOVERY_MS)
    forget()
  end
  redis.call('HSET', META, 'epoch', ARGV[2], 'server', server(), 'server_seen', 0, 'clock', exact(now),
    'opening_sequence', exact(sequence), 'opening_head', exact(head), 'sequence', exact(sequence), 'head', exact(head),
    'release_from', exact(release_from), 'counting_until', exact(release_from), 'tokens', values[3], 'tokens_at', exact(now),
    'published', 0, 'seats_left', 0, 'sync_until', 0, 'released', 0, 'taken_back', 0, 'expired', 0, 'dropped', 0, 'left', 0, 'leapt', 0,
    'reseated', 0, 'returned_before', remember_earlier(ARGV[6], ARGV[7], head, sequence))
  local awaited = {}
  for node in string.gmatch(ARGV[9], '%S+') do awaited[#awaited + 1] = node end
  if #awaited > 0 and release_from > now then
    with_all('SADD', AWAITED, awaited)
    redis.call('PEXPIRE', AWAITED, digits(release_from - now + CLOCK_SLACK_MS))
  end
  configure(values)
  meta.epoch = ARGV[2]
end
return meta.epoch
