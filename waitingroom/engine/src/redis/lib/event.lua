-- One event's state: its keys, its clock, its numbers. Every script starts with this file.
--
-- KEYS[1] is the event's base, `<prefix>:{<event>}`. Every other key is derived from it and carries the same hash tag, so an
-- event is in one cluster slot. A script replies nil if the event is not open. Its arguments are in `arguments`, further ones in ARGV
-- from `REST` on; protocol.rs describes them and the replies. The last value of ARGV is added by the caller: the moment, by this
-- server's clock, after which nobody waits for the reply any more.
--
--   meta        hash   settings, epoch, clock, bucket, counters
--   users       hash   user -> entry, see queue.lua
--   waiting     zset   numbers of the users who wait, present or absent: positions are ranks among them
--   returned    zset   numbers of the users whose pass was not claimed
--   ready       zset   user by number: waiting or unclaimed, and not known to be absent, or to be notified by a push
--   idle        zset   user in the queue without a connection by the moment from which they are absent
--   active      zset   user by the end of their live pass
--   unacked     zset   user by the moment when their unacknowledged pass is checked next
--   nodes       zset   node by its last heartbeat
--   revived     set    nodes that were dead, have a connection again, and have not sent a heartbeat yet
--   removed     list   numbers that left the queue and are not published yet
--   earlier     zset   runs of numbers of earlier epochs that were not served and not redeemed, see earlier_numbers.lua
--   unclaimed   zset   the same, for passes that were never delivered
--   counted     zset   the runs of `earlier` as the queue was opened
--   shown       hash   user -> the lowest position that they were sent, in a queue that was reopened after a loss
--   awaited     set    gateways that have not confirmed yet that they restored their users of the lost queue
--   push        hash   user -> the browsers that are notified of their pass, see push.lua
--   zones       hash   zone -> seats that can be reserved
--   user_seats  hash   user -> seats held and confirmed
--   holds       hash   booking -> hold, see seats.lua
--   uncommitted zset   booking by the moment of its hold: its commit is not reported yet
--   due         zset   booking by the end of its hold: the database is asked about it then
--   journal     hash   booking -> settlement since the sync began
--   load:<name>:...    zones, users, holds, due and uncommitted of an inventory that is being loaded
--   memory:<epoch>:<bucket> hashes that expire, see dedup.lua

local base = KEYS[1] .. ':'
local META, USERS, WAITING, UNCLAIMED = base .. 'meta', base .. 'users', base .. 'waiting', base .. 'returned'
local READY, ABSENT_SINCE, ACTIVE, UNACKNOWLEDGED = base .. 'ready', base .. 'idle', base .. 'active', base .. 'unacked'
local NODES, RETURNING_NODES, REMOVED = base .. 'nodes', base .. 'revived', base .. 'removed'
local EARLIER_WAITING, EARLIER_UNCLAIMED, EARLIER_RUNS = base .. 'earlier', base .. 'unclaimed', base .. 'counted'
local LAST_POSITIONS, AWAITED_NODES, PUSH = base .. 'shown', base .. 'awaited', base .. 'push'
local ZONES, USER_SEATS, HOLDS = base .. 'zones', base .. 'user_seats', base .. 'holds'
local UNCOMMITTED, HOLD_ENDS, JOURNAL = base .. 'uncommitted', base .. 'due', base .. 'journal'

local deadline = tonumber(table.remove(ARGV))
-- The mark of a frozen queue that was found whole on another server.
local HANDED_OVER = 'handed over'

local meta = {}

-- Reads fields of the event's state, as text; false where the event is not open.
local function load_meta(...)
  local values = redis.call('HMGET', META, 'epoch', ...)
  if not values[1] then return false end
  meta.epoch = values[1]
  for i = 1, select('#', ...) do meta[select(i, ...)] = values[i + 1] end
  return true
end

-- Redis' own clock, asked once a step.
local server_ms
local function server_time()
  if not server_ms then
    local time = redis.call('TIME')
    server_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return server_ms
end

if server_time() > deadline then return redis.error_reply('LATE ' .. string.format('%d', server_ms)) end

-- Redis refuses to begin with what takes memory where it has none left; once a step has written something, the rest is taken. So a step
-- that is to be carried out also then begins with what takes none, and knows whether to take up anything new.
local is_full = false
local function begin_writing()
  redis.call('HDEL', META, '')
end

-- No caller's clock is believed that is further ahead of Redis' own than this.
local function clamp_clock(now)
  return math.min(now, server_time() + CLOCK_SLACK_MS)
end

-- Ends a step that would change a queue that is frozen. Needs `frozen`.
local function check_not_frozen()
  if meta.frozen then error('FROZEN the line is being handed over') end
end

-- The clock went on by `gap` at once: no action could arrive in between. Users could not show presence, and passes get the time back, unless their clock
-- is stopped already.
local function on_clock_jump(gap, now)
  local stood, since = unpack(redis.call('HMGET', META, 'stood', 'stood_since'))
  redis.call('HSET', META, 'leapt', now)
  meta.leapt = now
  if tonumber(since or 0) > 0 then return end
  meta.stood, meta.told_again = tonumber(stood or 0) + math.min(gap, MAX_PASS_CLOCK_STOP_MS), '0'
  redis.call('HSET', META, 'stood', string.format('%.17g', meta.stood), 'told_again', 0)
end

-- Like load_meta, and moves the event's clock to `now`. Answers the clock, which never runs backwards.
local function advance(now, ...)
  if not load_meta('clock', 'frozen', ...) then return false end
  check_not_frozen()
  local clock = tonumber(meta.clock)
  now = math.max(clamp_clock(now), clock)
  local written = redis.pcall('HSET', META, 'clock', now)
  if type(written) == 'table' and written.err then
    is_full = string.find(written.err, 'OOM', 1, true) and true
    begin_writing()
    redis.call('HSET', META, 'clock', now)
  end
  if now - clock > CLOCK_JUMP_THRESHOLD_MS then on_clock_jump(now - clock, now) end
  return now
end

-- The id of this Redis server: a new one after every start and after a failover.
local function server_run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- Is this the Redis server that the queue was opened on? Another one may lack the last writes: what its disk or its replica had not got. Needs
-- `server` and `server_seen`. Looked up again after a time in which no Redis starts: asking costs as much as a small step.
local function is_same_server()
  local time = server_time()
  local seen = tonumber(meta.server_seen)
  if seen and time >= seen and time - seen < SERVER_ID_CACHE_MS then return true end
  if meta.server ~= server_run_id() then return false end
  begin_writing()
  redis.call('HSET', META, 'server_seen', time)
  return true
end

-- Deletes the event. The records of its redeemed passes and attempts belong to its epoch and expire.
local function delete_event()
  redis.call('UNLINK', META, USERS, WAITING, UNCLAIMED, READY, ABSENT_SINCE, ACTIVE, UNACKNOWLEDGED, NODES, RETURNING_NODES, REMOVED, EARLIER_WAITING,
    EARLIER_UNCLAIMED, EARLIER_RUNS, LAST_POSITIONS, AWAITED_NODES, PUSH, ZONES, USER_SEATS, HOLDS, UNCOMMITTED, HOLD_ENDS, JOURNAL)
end

-- A number as text without loss; Lua's own conversion keeps 14 digits.
local function exact(number)
  return string.format('%.17g', number)
end

-- A whole number below 2^53 as text. As a number, it would be turned into text with seventeen digits for every command.
local function digits(number)
  return string.format('%d', number)
end

-- One command with any number of values, in pairs or alone; Lua cannot pass more than some thousand at once.
local function call_in_chunks(command, key, values)
  for first = 1, #values, 4000 do
    redis.call(command, key, unpack(values, first, math.min(first + 3999, #values)))
  end
end
