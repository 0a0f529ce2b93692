-- The line: entries, presence, places.
--
-- An entry is packed as `number <tab> standing <tab> nodes`, and for a pass `<tab> pass <tab> issued <tab> expires`. Nodes are
-- separated by commas, the most recent last. Standings: w waiting, r returned (the pass was taken back: out of everybody's
-- count, first again on return), p passed, s spent (the pass is used by a hold that is not committed).

local function entry_from(packed)
  local number, standing, nodes, pass, issued, expires =
    string.match(packed, '^(%d+)\t(%a)\t([^\t]*)\t?([^\t]*)\t?([^\t]*)\t?([^\t]*)$')
  return { number = number, standing = standing, nodes = nodes, pass = pass, issued = issued, expires = expires }
end

local function packed_from(entry)
  local packed = entry.number .. '\t' .. entry.standing .. '\t' .. entry.nodes
  if entry.pass == '' then return packed end
  return packed .. '\t' .. entry.pass .. '\t' .. entry.issued .. '\t' .. entry.expires
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

-- How many ever left the line. Needs `published`.
local function revision()
  return tonumber(meta.published) + redis.call('LLEN', REMOVED)
end

-- What the engine answers as a place. Needs `published`.
local function place(entry)
  local position = 0
  if entry.standing == 'w' then
    position = redis.call('ZRANK', WAITING, entry.number) + 1
  elseif entry.standing == 'r' then
    position = redis.call('ZRANK', RETURNED, entry.number) + 1
  end
  return { entry.number, meta.epoch, position, total(), revision(), entry.pass, entry.issued, entry.expires }
end

-- The nodes without this one, as a list.
local function other_nodes(entry, node)
  local others = {}
  for known in string.gmatch(entry.nodes, '[^,]+') do
    if known ~= node then others[#others + 1] = known end
  end
  return others
end

-- Marks a user as present, by a node or (the empty name) by a poll. True where the entry has changed.
local function appear(user, entry, node, now)
  local before = entry.nodes
  if node == '' then
    redis.call('ZADD', IDLE, now + POLL_WINDOW_MS, user)
    redis.call('ZREM', UNACKED, user)
  else
    local nodes = other_nodes(entry, node)
    nodes[#nodes + 1] = node
    if #nodes > NODES_PER_USER then table.remove(nodes, 1) end
    entry.nodes = table.concat(nodes, ',')
    redis.call('ZADD', NODES, now, node)
    redis.call('ZREM', IDLE, user)
  end
  if entry.standing == 'w' or entry.standing == 'r' then redis.call('ZADD', READY, entry.number, user) end
  return entry.nodes ~= before
end

-- Removes a user from every index.
local function drop_place(user, entry)
  redis.call('HDEL', USERS, user)
  redis.call('ZREM', READY, user)
  redis.call('ZREM', RETURNED, entry.number)
  if redis.call('ZREM', WAITING, entry.number) == 1 then redis.call('RPUSH', REMOVED, entry.number) end
  redis.call('ZREM', IDLE, user)
  redis.call('ZREM', ACTIVE, user)
  redis.call('ZREM', UNACKED, user)
end
