-- One part of an inventory that load_seats is about to activate. ARGV: now, the load's name, until when the sync goes on, what
-- the part holds (z zones, u users, h holds), then name and value of each: zone, available; user, seats; booking, and the hold as it is packed.
-- For as long as parts come, new holds are stopped and settlements recorded.

local now = advance(tonumber(ARGV[1]), 'spans')
if not now then return false end
redis.call('HSET', META, 'sync_until', ARGV[3])

local function put(command, name, values)
  call_in_chunks(command, staged(ARGV[2], name), values)
  redis.call('PEXPIRE', staged(ARGV[2], name), STAGE_TTL_MS)
end

local values = { unpack(ARGV, 5) }
if ARGV[4] == 'z' then
  put('HSET', 'zones', values)
elseif ARGV[4] == 'u' then
  put('HSET', 'users', values)
else
  -- Holds of the database: committed, and their passes redeemed, each for the last hold that it was used for.
  local due, redeemed, last, writer = {}, {}, {}, record_writer(now)
  for i = 1, #values, 2 do
    local hold = unpack_hold(values[i + 1])
    due[#due + 1] = hold.expires
    due[#due + 1] = values[i]
    finish_redeem(hold.user, hold.pass)
    local name = pass_key(hold.pass)
    if not last[name] then redeemed[#redeemed + 1] = name end
    last[name] = { expires = hold.expires, booking = values[i] }
  end
  delete_records(redeemed)
  for name, hold in pairs(last) do writer.add(name, hold.expires, tonumber(hold.expires) - now, hold.booking, '') end
  writer.write()
  put('HSET', 'holds', values)
  put('ZADD', 'due', due)
end
return true
