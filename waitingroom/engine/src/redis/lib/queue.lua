-- The queue: entries and how they end.
--
-- An entry is packed as `number <tab> state unclaimed_passes <tab> nodes`, and for a pass `<tab> pass <tab> issued <tab> expires`. Nodes are
-- separated by commas, the most recent last. States: w waiting, r unclaimed (the pass was not claimed in time: not counted in positions,
-- first again on return), p has a pass, s redeeming (the pass is used by a hold that is not committed).

local function unpack_entry(packed)
  local number, state, unclaimed_passes, nodes, pass, issued, expires =
    string.match(packed, '^(%d+)\t(%a)(%d*)\t([^\t]*)\t?([^\t]*)\t?([^\t]*)\t?([^\t]*)$')
  return { number = number, state = state, unclaimed_passes = unclaimed_passes, nodes = nodes, pass = pass, issued = issued,
    expires = expires }
end

local function pack_entry(entry)
  local packed = entry.number .. '\t' .. entry.state .. (entry.unclaimed_passes or '') .. '\t' .. entry.nodes
  if entry.pass == '' then return packed end
  return packed .. '\t' .. entry.pass .. '\t' .. entry.issued .. '\t' .. entry.expires
end

-- How far the pass clock, by which passes end, lags behind the event's: it stops while nothing can be booked, for so long at most
-- each time. Needs `stood` and `stood_since`.
local function pass_clock_lag(now)
  local span, since = tonumber(meta.stood or 0), tonumber(meta.stood_since or 0)
  if since > 0 then span = span + math.min(now - since, MAX_PASS_CLOCK_STOP_MS) end
  return span
end

-- The pass of a packed entry if it is live, or being redeemed. Cheaper than taking the entry apart.
local function live_pass(packed)
  return string.match(packed, '^%d+\tp%d*\t[^\t]*\t([^\t]*)')
end

local function redeeming_pass(packed)
  return string.match(packed, '^%d+\ts%d*\t[^\t]*\t([^\t]*)')
end

-- A packed entry with another state.
local function with_state(packed, state)
  local at = string.find(packed, '\t', 1, true)
  return string.sub(packed, 1, at) .. state .. string.sub(packed, at + 2)
end

local function entry_of(user)
  local packed = redis.call('HGET', USERS, user)
  return packed and unpack_entry(packed)
end

local function save_entry(user, entry)
  redis.call('HSET', USERS, user, pack_entry(entry))
end

-- The entry whose state is as given and whose pass is this one.
local function entry_with_pass(user, state, pass)
  local entry = entry_of(user)
  return entry and entry.state == state and entry.pass == pass and entry
end

-- All users in the queue without a pass.
local function total()
  return redis.call('ZCARD', WAITING) + redis.call('ZCARD', UNCLAIMED)
end

-- Removes a user from every index.
local function remove_user(user, entry)
  redis.call('HDEL', USERS, user)
  redis.call('HDEL', LAST_POSITIONS, user)
  redis.call('HDEL', PUSH, user)
  redis.call('ZREM', READY, user)
  redis.call('ZREM', UNCLAIMED, entry.number)
  if redis.call('ZREM', WAITING, entry.number) == 1 then redis.call('RPUSH', REMOVED, entry.number) end
  redis.call('ZREM', ABSENT_SINCE, user)
  redis.call('ZREM', ACTIVE, user)
  redis.call('ZREM', UNACKNOWLEDGED, user)
end
