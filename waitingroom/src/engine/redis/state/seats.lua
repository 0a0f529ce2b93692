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

-- Answers what it remembers.
local function remember(key, ends, now, booking, fingerprint)
  local memory, left = ends .. '\t' .. booking .. '\t' .. fingerprint, tonumber(ends) - now
  if left <= 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, memory, 'PX', digits(left + CLOCK_SLACK_MS))
  end
  return memory
end

-- The booking and the fingerprint of a memory that has not ended.
local function recollected(memory, now)
  if not memory then return nil end
  local ends, booking, fingerprint = string.match(memory, '^([^\t]*)\t([^\t]*)\t(.*)$')
  if tonumber(ends) <= now then return nil end
  return booking, fingerprint
end

-- How many seats of these holds belong to each of their zones, or users.
local function seats_by(holds, name)
  local seats = {}
  for _, hold in ipairs(holds) do seats[hold[name]] = (seats[hold[name]] or 0) + hold.quantity end
  return seats
end

-- The seats of holds that are over. A zone that is gone is left alone.
local function give_back(holds)
  for zone, seats in pairs(seats_by(holds, 'zone')) do
    if redis.call('HEXISTS', ZONES, zone) == 1 then
      redis.call('HINCRBY', ZONES, zone, seats)
      redis.call('HINCRBY', META, 'seats_left', seats)
    end
  end
  for user, seats in pairs(seats_by(holds, 'user')) do
    local held = redis.call('HGET', USER_SEATS, user)
    if held and tonumber(held) <= seats then
      redis.call('HDEL', USER_SEATS, user)
    elseif held then
      redis.call('HINCRBY', USER_SEATS, user, -seats)
    end
  end
end

-- The hold that used the pass is committed or over: the user has no place any more.
local function forget_spent(user, pass)
  if not entry_with_pass(user, 's', pass) then return end
  redis.call('HDEL', USERS, user)
  redis.call('ZREM', ACTIVE, user)
end

-- A part of an inventory that is being loaded.
local function staged(load, part)
  return base .. 'load:' .. load .. ':' .. part
end
