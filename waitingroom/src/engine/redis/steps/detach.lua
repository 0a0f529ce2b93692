-- The node holds no connection of the user any more. ARGV: now, user, node.

local now = advance(tonumber(ARGV[1]))
if not now then return false end
local user = ARGV[2]
local entry = entry_of(user)
if not entry then return true end

local others = table.concat(other_nodes(entry, ARGV[3]), ',')
if others == entry.nodes then return true end
entry.nodes = others
keep(user, entry)
if others ~= '' or entry.standing == 's' then return true end

local absent_from = math.max(tonumber(redis.call('ZSCORE', IDLE, user)) or now, now)
redis.call('ZADD', IDLE, absent_from, user)
if absent_from <= now then redis.call('ZREM', READY, user) end
return true
