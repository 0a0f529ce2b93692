-- One part of an inventory that load_seats is about to put in force. ARGV: now, the load's name, until when the sync goes on, what
-- the part holds (z zones, u users, h holds), then name and value of each: zone, available; user, seats; booking, and the hold as it is packed.
-- For as long as parts come, new holds are stopped and settlements remembered.

local now = advance(tonumber(ARGV[1]), 'spans')
if not now then return false end
redis.call('HSET', META, 'sync_until', ARGV[3])

local function put(command, name, values)
  with_all(command, staged(ARGV[2], name), values)
  redis.call('PEXPIRE', staged(ARGV[2], name), STAGE_MEMORY_MS)
end

local values = { unpack(ARGV, 5) }
if ARGV[4] == 'z' then
  put('HSET', 'zones', values)
elseif ARGV[4] == 'u' then
  put('HSET', 'users', values)
else
  -- Holds of the database: committed, and their passes burned, each for the last hold that it was used for.
  local due, burned, last, notes = {}, {}, {}, notebook(now)
  for i = 1, #values, 2 do
    local hold = hold_from(values[i + 1])
    due[#due + 1] = hold.expires
    due[#due + 1] = values[i]
    forget_spent(hold.user, hold.pass)
    local name = burned_name(hold.pass)
    if not last[name] then burned[#burned + 1] = name end
    last[name] = { expires = hold.expires, booking = values[i] }
  end
  forget_memories(burned)
  for name, hold in pairs(last) do notes.note(name, hold.expires, tonumber(hold.expires) - now, hold.booking, '') end
  notes.write()
  put('HSET', 'holds', values)
  put('ZADD', 'due', due)
end
return true
