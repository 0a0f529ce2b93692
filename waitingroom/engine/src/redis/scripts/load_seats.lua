-- Activates a staged inventory and ends the sync. Answers 1, or 0 if it has to be called again: much was settled meanwhile, and only
-- some of it is applied to the staged inventory yet.

if not advance(tonumber(arguments.now)) then return false end
local load = arguments.load
local S_ZONES, S_USERS, S_HOLDS = staged(load, 'zones'), staged(load, 'users'), staged(load, 'holds')
local S_HOLD_ENDS, S_UNCOMMITTED = staged(load, 'due'), staged(load, 'uncommitted')

local function take_staged_seats(hold)
  local available = redis.call('HGET', S_ZONES, hold.zone)
  if available then redis.call('HSET', S_ZONES, hold.zone, math.max(tonumber(available) - hold.quantity, 0)) end
  redis.call('HINCRBY', S_USERS, hold.user, hold.quantity)
end

local function release_staged_seats(hold)
  if redis.call('HEXISTS', S_ZONES, hold.zone) == 1 then redis.call('HINCRBY', S_ZONES, hold.zone, hold.quantity) end
  local held = redis.call('HGET', S_USERS, hold.user)
  if held and tonumber(held) > hold.quantity then
    redis.call('HINCRBY', S_USERS, hold.user, -hold.quantity)
  elseif held then
    redis.call('HDEL', S_USERS, hold.user)
  end
end

-- A hold that was settled since the sync began, and that the snapshot still has.
local function end_staged_hold(booking, releases_seats)
  local packed = redis.call('HGET', S_HOLDS, booking)
  if not packed then return end
  if releases_seats then release_staged_seats(unpack_hold(packed)) end
  redis.call('HDEL', S_HOLDS, booking)
  redis.call('ZREM', S_HOLD_ENDS, booking)
end

-- A local hold that the snapshot lacks: still pending, or committed since the sync began.
local function keep_local_hold(booking, from, to)
  local packed = redis.call('HGET', HOLDS, booking)
  if not packed or redis.call('HEXISTS', S_HOLDS, booking) == 1 then return end
  local hold = unpack_hold(packed)
  take_staged_seats(hold)
  redis.call('HSET', S_HOLDS, booking, packed)
  redis.call('ZADD', to, redis.call('ZSCORE', from, booking) or hold.expires, booking)
end

-- Settlements that release seats come first: no zone goes below zero.
local function apply_settlements(settlements)
  for i = 1, #settlements, 2 do
    local settlement = settlements[i + 1]
    local is_release = settlement == SETTLEMENT.released
    if is_release or settlement == SETTLEMENT.confirmed then end_staged_hold(settlements[i], is_release) end
  end
  for i = 1, #settlements, 2 do
    if settlements[i + 1] == SETTLEMENT.committed then keep_local_hold(settlements[i], HOLD_ENDS, S_HOLD_ENDS) end
  end
end

local function apply_chunk()
  local some, names = redis.call('HRANDFIELD', JOURNAL, MAX_JOURNAL_CHUNK, 'WITHVALUES'), {}
  apply_settlements(some)
  for i = 1, #some, 2 do names[#names + 1] = some[i] end
  call_in_chunks('HDEL', JOURNAL, names)
end

local function activate(live, from)
  redis.call('UNLINK', live)
  if redis.call('EXISTS', from) == 1 then
    redis.call('RENAME', from, live)
    redis.call('PERSIST', live)
  end
end

if redis.call('HLEN', JOURNAL) > MAX_JOURNAL_CHUNK then
  apply_chunk()
  redis.call('HSET', META, 'sync_until', arguments.sync_until)
  return 0
end
apply_settlements(redis.call('HGETALL', JOURNAL))
for _, booking in ipairs(redis.call('ZRANGE', UNCOMMITTED, 0, -1)) do keep_local_hold(booking, UNCOMMITTED, S_UNCOMMITTED) end

activate(ZONES, S_ZONES)
activate(USER_SEATS, S_USERS)
activate(HOLDS, S_HOLDS)
activate(HOLD_ENDS, S_HOLD_ENDS)
activate(UNCOMMITTED, S_UNCOMMITTED)
redis.call('UNLINK', JOURNAL)
local left = 0
for _, available in ipairs(redis.call('HVALS', ZONES)) do left = left + available end
redis.call('HSET', META, 'seats_left', left, 'sync_until', 0)
return 1
