-- The line: entries and how they end.
--
-- An entry is packed as `number <tab> standing unclaimed <tab> nodes`, and for a pass `<tab> pass <tab> issued <tab> expires`. Nodes are
-- separated by commas, the most recent last. Standings: w waiting, r returned (the pass was taken back: out of everybody's
-- count, first again on return), p passed, s spent (the pass is used by a hold that is not committed).

local function entry_from(packed)
  local number, standing, unclaimed, nodes, pass, issued, expires =
    string.match(packed, '^(%d+)\t(%a)(%d*)\t([^\t]*)\t?([^\t]*)\t?([^\t]*)\t?([^\t]*)$')
  return { number = number, standing = standing, unclaimed = unclaimed, nodes = nodes, pass = pass, issued = issued,
    expires = expires }
end

local function packed_from(entry)
  local packed = entry.number .. '\t' .. entry.standing .. (entry.unclaimed or '') .. '\t' .. entry.nodes
  if entry.pass == '' then return packed end
  return packed .. '\t' .. entry.pass .. '\t' .. entry.issued .. '\t' .. entry.expires
end

-- How far the time of passes, by which theirs end, is behind the event's: it stands still while booking can take nobody, for so long at most
-- each time. Needs `stood` and `stood_since`.
local function standstill(now)
  local span, since = tonumber(meta.stood or 0), tonumber(meta.stood_since or 0)
  if since > 0 then span = span + math.min(now - since, STANDSTILL_LIMIT_MS) end
  return span
end

-- The pass of a packed entry, where it is live, or spent. Cheaper than taking the entry apart.
local function live_pass(packed)
  return string.match(packed, '^%d+\tp%d*\t[^\t]*\t([^\t]*)')
end

local function spent_pass(packed)
  return string.match(packed, '^%d+\ts%d*\t[^\t]*\t([^\t]*)')
end

-- A packed entry with another standing.
local function with_standing(packed, standing)
  local at = string.find(packed, '\t', 1, true)
  return string.sub(packed, 1, at) .. standing .. string.sub(packed, at + 2)
end

local function entry_of(user)
  local packed = redis.call('HGET', USERS, user)
  return packed and entry_from(packed)
end

local function keep(user, entry)
  redis.call('HSET', USERS, user, packed_from(entry))
end

-- The entry whose standing is as given and whose pass is this one.
local function entry_with_pass(user, standing, pass)
  local entry = entry_of(user)
  return entry and entry.standing == standing and entry.pass == pass and entry
end

-- Everybody in line without a pass.
local function total()
  return redis.call('ZCARD', WAITING) + redis.call('ZCARD', RETURNED)
end

-- Removes a user from every index.
local function drop_place(user, entry)
  redis.call('HDEL', USERS, user)
  redis.call('HDEL', SHOWN, user)
  redis.call('ZREM', READY, user)
  redis.call('ZREM', RETURNED, entry.number)
  if redis.call('ZREM', WAITING, entry.number) == 1 then redis.call('RPUSH', REMOVED, entry.number) end
  redis.call('ZREM', IDLE, user)
  redis.call('ZREM', ACTIVE, user)
  redis.call('ZREM', UNACKED, user)
end
