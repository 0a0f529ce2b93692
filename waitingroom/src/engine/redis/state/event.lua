-- One event's state: its keys, its clock, its numbers. Every step starts with this file.
--
-- KEYS[1] is the event's base, `<prefix>:{<event>}`. Every other key is derived from it and carries the same hash tag, so an
-- event is in one cluster slot. A step answers nil where the event is not open. The last value of ARGV is not the step's: it is the moment,
-- by this server's clock, after which nobody waits for the step any more.
--
--   meta        hash   settings, epoch, clock, bucket, counters
--   users       hash   user -> entry, see line.lua
--   waiting     zset   numbers of everybody who waits, present or absent: what positions are ranks in
--   returned    zset   numbers of everybody whose pass was taken back
--   ready       zset   user by number: waiting or returned, and not known to be absent
--   idle        zset   user without a connection by the moment from which they are absent
--   active      zset   user by the end of their live pass
--   unacked     zset   user by the moment when their unacknowledged pass is next looked at
--   nodes       zset   node by its last sign of life
--   revived     set    nodes that were silent for too long, have a connection again, and have not reported yet
--   removed     list   numbers that left the line and are not published yet
--   earlier     zset   runs of numbers of earlier epochs that were not served and not taken up again, see earlier.lua
--   unclaimed   zset   the same of those whose pass had reached nobody
--   counted     zset   the runs of `earlier` as the line was opened
--   shown       hash   user -> the best position that they were told, in a line that was begun again
--   awaited     set    gateways that have not said yet that their users of the lost line are back
--   zones       hash   zone -> seats that can be reserved
--   user_seats  hash   user -> seats held and confirmed
--   holds       hash   booking -> hold, see seats.lua
--   uncommitted zset   booking by the moment of its hold: its commit is not reported yet
--   due         zset   booking by the end of its hold: the database is asked about it then
--   journal     hash   booking -> settlement since the sync began
--   load:<name>:...    zones, users, holds, due and uncommitted of an inventory that is being loaded
--   memory:<epoch>:<span>    hashes that expire, see memories.lua

local base = KEYS[1] .. ':'
local META, USERS, WAITING, RETURNED = base .. 'meta', base .. 'users', base .. 'waiting', base .. 'returned'
local READY, IDLE, ACTIVE, UNACKED = base .. 'ready', base .. 'idle', base .. 'active', base .. 'unacked'
local NODES, REVIVED, REMOVED = base .. 'nodes', base .. 'revived', base .. 'removed'
local EARLIER, UNCLAIMED, COUNTED = base .. 'earlier', base .. 'unclaimed', base .. 'counted'
local SHOWN, AWAITED = base .. 'shown', base .. 'awaited'
local ZONES, USER_SEATS, HOLDS = base .. 'zones', base .. 'user_seats', base .. 'holds'
local UNCOMMITTED, DUE, JOURNAL = base .. 'uncommitted', base .. 'due', base .. 'journal'

local deadline = tonumber(table.remove(ARGV))
-- The mark of a frozen line that was found whole on another server.
local HANDED_OVER = 'handed over'

local meta = {}

-- Reads fields of the event's state, as text; false where the event is not open.
local function recall(...)
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
local function believable(now)
  return math.min(now, server_time() + CLOCK_SLACK_MS)
end

-- Ends a step that would change a line that is frozen. Needs `frozen`.
local function refuse_frozen()
  if meta.frozen then error('FROZEN the line is being handed over') end
end

-- Time went on by `gap` at once: nobody could act in between. Who was here could not show it, and passes get the time back, unless theirs
-- stands still already.
local function leap(gap, now)
  local stood, since = unpack(redis.call('HMGET', META, 'stood', 'stood_since'))
  redis.call('HSET', META, 'leapt', now)
  meta.leapt = now
  if tonumber(since or 0) > 0 then return end
  meta.stood, meta.told_again = tonumber(stood or 0) + math.min(gap, STANDSTILL_LIMIT_MS), '0'
  redis.call('HSET', META, 'stood', string.format('%.17g', meta.stood), 'told_again', 0)
end

-- Like recall, and moves the event's clock to `now`. Answers the clock, which never runs backwards.
local function advance(now, ...)
  if not recall('clock', 'frozen', ...) then return false end
  refuse_frozen()
  local clock = tonumber(meta.clock)
  now = math.max(believable(now), clock)
  local written = redis.pcall('HSET', META, 'clock', now)
  if type(written) == 'table' and written.err then
    is_full = string.find(written.err, 'OOM', 1, true) and true
    begin_writing()
    redis.call('HSET', META, 'clock', now)
  end
  if now - clock > LEAP_MS then leap(now - clock, now) end
  return now
end

-- Which Redis this is: another after every start and after a failover.
local function server()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- Is this the Redis that the line began on? Another one may lack the last writes: what its disk or its replica had not got. Needs
-- `server` and `server_seen`. Looked up again after a time in which no Redis starts: asking costs as much as a small step.
local function is_whole()
  local time = server_time()
  local seen = tonumber(meta.server_seen)
  if seen and time >= seen and time - seen < SERVER_LOOK_MS then return true end
  if meta.server ~= server() then return false end
  begin_writing()
  redis.call('HSET', META, 'server_seen', time)
  return true
end

-- Deletes the event. What remembers its burned passes and attempts is of its epoch and expires.
local function forget()
  redis.call('UNLINK', META, USERS, WAITING, RETURNED, READY, IDLE, ACTIVE, UNACKED, NODES, REVIVED, REMOVED, EARLIER,
    UNCLAIMED, COUNTED, SHOWN, AWAITED, ZONES, USER_SEATS, HOLDS, UNCOMMITTED, DUE, JOURNAL)
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
local function with_all(command, key, values)
  for first = 1, #values, 4000 do
    redis.call(command, key, unpack(values, first, math.min(first + 3999, #values)))
  end
end
