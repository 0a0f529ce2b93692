-- The counts of one moment, for a comparison with the database. Pending seats are those of holds whose commit is not reported.

local asked = { unpack(ARGV, REST) }
if not load_meta() then return false end
local pending, pending_of, waiting = {}, {}, redis.call('ZRANGE', UNCOMMITTED, 0, -1)
for first = 1, #waiting, 1000 do
  local some = redis.call('HMGET', HOLDS, unpack(waiting, first, math.min(first + 999, #waiting)))
  for _, packed in ipairs(some) do
    local hold = packed and unpack_hold(packed)
    if hold then
      pending[hold.zone] = (pending[hold.zone] or 0) + hold.quantity
      pending_of[hold.user] = (pending_of[hold.user] or 0) + hold.quantity
    end
  end
end
local zones, counted = redis.call('HGETALL', ZONES), {}
for i = 1, #zones, 2 do
  put_zone_tally(counted, { zone = zones[i], available = zones[i + 1], pending = digits(pending[zones[i]] or 0) })
end
local users = {}
if #asked > 0 then users = redis.call('HMGET', USER_SEATS, unpack(asked)) end
local held = {}
for i, user in ipairs(asked) do
  users[i], held[i] = users[i] or '0', digits(pending_of[user] or 0)
end
return put_tally({}, { zones = counted, users = users, pending = held })
