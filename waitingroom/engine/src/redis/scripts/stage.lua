-- One part of an inventory that load_seats is about to activate. For as long as parts come, new holds are stopped and settlements
-- recorded.

local now = advance(tonumber(arguments.now), 'spans')
if not now then return false end
redis.call('HSET', META, 'sync_until', arguments.sync_until)

local function put(command, name, values)
  call_in_chunks(command, staged(arguments.load, name), values)
  redis.call('PEXPIRE', staged(arguments.load, name), STAGE_TTL_MS)
end

local values = { unpack(ARGV, REST) }
if arguments.part == PART.zones then
  put('HSET', 'zones', values)
elseif arguments.part == PART.users then
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
