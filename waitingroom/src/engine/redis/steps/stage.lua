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
  -- Holds of the database: committed, and their passes burned.
  local due, burned, notes = {}, {}, notebook(now)
  for i = 1, #values, 2 do
    local hold = hold_from(values[i + 1])
    due[#due + 1] = hold.expires
    due[#due + 1] = values[i]
    forget_spent(hold.user, hold.pass)
    burned[#burned + 1] = burned_name(hold.pass)
    notes.note(burned_name(hold.pass), hold.expires, tonumber(hold.expires) - now, values[i], '')
  end
  forget_memories(burned)
  notes.write()
  put('HSET', 'holds', values)
  put('ZADD', 'due', due)
end
return true
