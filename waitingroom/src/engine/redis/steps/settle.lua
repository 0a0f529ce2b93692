-- Carries out what the database decided, in order. ARGV: now, then booking and settlement of each: c committed, a aborted,
-- f confirmed, r released.

local now = advance(tonumber(ARGV[1]), 'sync_until')
if not now then return false end
local syncing = tonumber(meta.sync_until) > now

local function committed(booking)
  local packed = redis.call('HGET', HOLDS, booking)
  if not packed then return end
  local hold = hold_from(packed)
  redis.call('SREM', PENDING, booking)
  redis.call('ZADD', DUE, hold.expires, booking)
  forget_spent(hold.user, hold.pass)
end

-- The hold that used the pass came to nothing: the pass is as good as before.
local function restore(user, pass)
  local entry = entry_with_pass(user, 's', pass)
  if not entry then return end
  if tonumber(entry.expires) <= now then
    redis.call('HDEL', USERS, user)
    redis.call('ZREM', ACTIVE, user)
    return
  end
  entry.standing = 'p'
  keep(user, entry)
end

local function aborted(booking)
  if redis.call('SISMEMBER', PENDING, booking) == 0 then return end
  local hold = drop_hold(booking)
  give_back(hold)
  redis.call('DEL', burned_key(hold.pass))
  if hold.attempt ~= '' then redis.call('DEL', attempt_key(hold.attempt)) end
  restore(hold.user, hold.pass)
end

local function ended(booking)
  local hold = drop_hold(booking)
  if hold then forget_spent(hold.user, hold.pass) end
  return hold
end

local function released(booking)
  local hold = ended(booking)
  if hold then give_back(hold) end
end

local carry_out = { c = committed, a = aborted, f = ended, r = released }
for i = 2, #ARGV, 2 do
  if syncing then
    redis.call('HSET', JOURNAL, ARGV[i], ARGV[i + 1])
    redis.call('PEXPIRE', JOURNAL, JOURNAL_MEMORY_MS)
  end
  carry_out[ARGV[i + 1]](ARGV[i])
end
return true
