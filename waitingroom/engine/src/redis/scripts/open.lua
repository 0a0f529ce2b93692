-- Opens the event's queue unless it is open. Answers the epoch in force. A queue of which the last writes
-- may be missing is opened again, above all numbers it has given out.
--
-- One that carries the mark has lost nothing, wherever it is: it stays frozen, and can go on.
--
-- What it remembers of who was served may be younger than what the caller knows; the caller's errs towards the users.

local now = clamp_clock(tonumber(arguments.now))
local settings = { unpack(ARGV, REST) }
local exists = load_meta('server', 'server_seen', 'sequence', 'frozen')
local is_intact = exists and is_same_server()
if exists and not is_intact and arguments.mark ~= '' and meta.frozen == arguments.mark then
  begin_writing()
  redis.call('HSET', META, 'server', server_run_id(), 'server_seen', 0, 'frozen', HANDED_OVER)
elseif not is_intact then
  local sequence, head = tonumber(arguments.sequence), tonumber(arguments.head)
  -- As long after `now` as the caller says.
  local release_from = tonumber(arguments.release_from) - tonumber(arguments.now) + now
  if exists then
    sequence = math.max(sequence, tonumber(meta.sequence) + SEQUENCE_RESERVE)
    release_from = math.max(release_from, now + RECOVERY_WINDOW_MS)
    delete_event()
  end
  redis.call('HSET', META, 'epoch', arguments.epoch, 'server', server_run_id(), 'server_seen', 0, 'clock', exact(now),
    'opening_sequence', exact(sequence), 'opening_head', exact(head), 'sequence', exact(sequence), 'head', exact(head),
    'release_from', exact(release_from), 'counting_until', exact(release_from), 'tokens', given_setting(settings, 'burst'), 'tokens_at', exact(now),
    'published', 0, 'seats_left', 0, 'sync_until', 0, 'leapt', 0, 'reseated', 0, 'returned_before', save_earlier_numbers(arguments.waiting, arguments.unclaimed, head, sequence))
  local awaited = {}
  for node in string.gmatch(arguments.awaited_nodes, '%S+') do awaited[#awaited + 1] = node end
  if #awaited > 0 and release_from > now then
    call_in_chunks('SADD', AWAITED_NODES, awaited)
    redis.call('PEXPIRE', AWAITED_NODES, digits(release_from - now + CLOCK_SLACK_MS))
  end
  for _, name in ipairs(STORED_COUNTERS) do redis.call('HSET', META, name, 0) end
  configure(settings)
  meta.epoch = arguments.epoch
end
return meta.epoch
