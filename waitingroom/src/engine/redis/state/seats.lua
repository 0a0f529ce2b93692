-- The seats: zones, holds, and the two memories that make a retry safe (burned passes, idempotency attempts).
--
-- A hold is packed as `user <tab> zone <tab> quantity <tab> expires <tab> pass <tab> attempt`; the attempt is the digest of
-- the user and their idempotency key, or empty.
--
-- A memory is `end <tab> booking <tab> fingerprint` in a key of its own. Whether it has ended is asked of the caller's clock;
-- that Redis expires it, a little later by its own, only clears it away. Memories belong to an epoch: they need not be removed
-- with it.

local function hold_from(packed)
  local user, zone, quantity, expires, pass, attempt =
    string.match(packed, '^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$')
  return { user = user, zone = zone, quantity = tonumber(quantity), expires = expires, pass = pass, attempt = attempt }
end

local function burned_key(pass)
  return base .. 'burned:' .. meta.epoch .. ':' .. pass
end

local function attempt_key(digest)
  return base .. 'attempt:' .. meta.epoch .. ':' .. digest
end

local function remember(key, ends, now, booking, fingerprint)
  local left = tonumber(ends) - now
  if left <= 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, ends .. '\t' .. booking .. '\t' .. fingerprint, 'PX', left + CLOCK_SLACK_MS)
  end
end

-- The booking and the fingerprint of a memory that has not ended.
local function remembered(key, now)
  local value = redis.call('GET', key)
  if not value then return nil end
  local ends, booking, fingerprint = string.match(value, '^([^\t]*)\t([^\t]*)\t(.*)$')
  if tonumber(ends) <= now then return nil end
  return booking, fingerprint
end

-- Moves seats out of a zone (negative: into it). A zone that is gone is left alone; none goes below zero.
local function move_seats(zone, quantity)
  local available = redis.call('HGET', ZONES, zone)
  if not available then return end
  local moved = math.min(tonumber(available), quantity)
  redis.call('HINCRBY', ZONES, zone, -moved)
  redis.call('HINCRBY', META, 'seats_left', -moved)
end

local function take(hold)
  move_seats(hold.zone, hold.quantity)
  redis.call('HINCRBY', USER_SEATS, hold.user, hold.quantity)
end

local function give_back(hold)
  move_seats(hold.zone, -hold.quantity)
  local held = redis.call('HGET', USER_SEATS, hold.user)
  if not held then return end
  if tonumber(held) <= hold.quantity then
    redis.call('HDEL', USER_SEATS, hold.user)
  else
    redis.call('HINCRBY', USER_SEATS, hold.user, -hold.quantity)
  end
end

-- The hold that used the pass is committed or over: the user has no place any more.
local function forget_spent(user, pass)
  if not entry_with_pass(user, 's', pass) then return end
  redis.call('HDEL', USERS, user)
  redis.call('ZREM', ACTIVE, user)
end

-- Takes a hold out of the books; nil where there is none.
local function drop_hold(booking)
  local packed = redis.call('HGET', HOLDS, booking)
  if not packed then return nil end
  redis.call('HDEL', HOLDS, booking)
  redis.call('SREM', PENDING, booking)
  redis.call('ZREM', DUE, booking)
  return hold_from(packed)
end

-- A part of an inventory that is being loaded.
local function staged(load, part)
  return base .. 'load:' .. load .. ':' .. part
end
