-- Replaces the inventory by the database's and ends the sync. ARGV: now, zones, users, holds; one line of the text each, its
-- fields separated by tabs: zone, available; user, seats; booking, and the hold as it is packed.

local now = advance(tonumber(ARGV[1]))
if not now then return false end

local zones, users, holds, due_at, left = {}, {}, {}, {}, 0
for zone, available in string.gmatch(ARGV[2], '([^\t\n]*)\t([^\n]*)\n') do zones[zone] = tonumber(available) end
for user, seats in string.gmatch(ARGV[3], '([^\t\n]*)\t([^\n]*)\n') do users[user] = tonumber(seats) end

local function count_out(hold)
  if zones[hold.zone] then zones[hold.zone] = math.max(zones[hold.zone] - hold.quantity, 0) end
  users[hold.user] = (users[hold.user] or 0) + hold.quantity
end

local function count_in(hold)
  if zones[hold.zone] then zones[hold.zone] = zones[hold.zone] + hold.quantity end
  local held = users[hold.user]
  if held then users[hold.user] = held > hold.quantity and held - hold.quantity or nil end
end

-- A hold of the database: committed, and its pass burned.
local function adopt(booking, packed, hold)
  holds[booking] = packed
  due_at[booking] = hold.expires
  remember(burned_key(hold.pass), hold.expires, now, booking, '')
end

-- The snapshot's holds, save those that were settled since the sync began.
local journal = hash(JOURNAL)
for booking, packed in string.gmatch(ARGV[4], '([^\t\n]*)\t([^\n]*)\n') do
  local hold = hold_from(packed)
  forget_spent(hold.user, hold.pass)
  if journal[booking] == 'r' then
    count_in(hold)
  elseif journal[booking] ~= 'f' then
    adopt(booking, packed, hold)
  end
end

-- Our own that the snapshot lacks: still pending, or committed since the sync began.
local pending = {}
for booking, packed in pairs(hash(HOLDS)) do
  local is_pending = redis.call('SISMEMBER', PENDING, booking) == 1
  if (is_pending or journal[booking] == 'c') and not holds[booking] then
    local hold = hold_from(packed)
    count_out(hold)
    holds[booking] = packed
    due_at[booking] = redis.call('ZSCORE', DUE, booking) or hold.expires
    if is_pending then pending[#pending + 1] = booking end
  end
end

local function flat(map, value_first)
  local list = {}
  for name, value in pairs(map) do
    list[#list + 1] = value_first and value or name
    list[#list + 1] = value_first and name or value
  end
  return list
end

redis.call('UNLINK', ZONES, USER_SEATS, HOLDS, PENDING, DUE, JOURNAL)
with_all('HSET', ZONES, flat(zones))
with_all('HSET', USER_SEATS, flat(users))
with_all('HSET', HOLDS, flat(holds))
with_all('SADD', PENDING, pending)
with_all('ZADD', DUE, flat(due_at, true))
for _, available in pairs(zones) do left = left + available end
redis.call('HSET', META, 'seats_left', left, 'sync_until', 0)
return true
