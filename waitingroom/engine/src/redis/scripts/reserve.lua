-- Redeems passes and holds seats, for one reservation after the other, each both or neither. Answers an outcome for each.
--
-- Everything is read at once, changed here and written at once: a reservation costs as much as its commands.

local now = advance(tonumber(arguments.now), 'server', 'server_seen', 'sync_until', 'spans', 'stood', 'stood_since')
if not now or not is_same_server() then return false end
local syncing = tonumber(meta.sync_until) > now
local now_text = digits(now)
local lag = pass_clock_lag(now)

local requests, names, in_zones, record_names = read_reservations(), {}, {}, {}
for i, request in ipairs(requests) do
  request.quantity, request.limit = tonumber(request.quantity), tonumber(request.limit)
  request.redeemed = pass_key(request.pass)
  record_names[#record_names + 1] = request.redeemed
  if request.attempt ~= '' then
    request.tried = attempt_key(request.attempt)
    record_names[#record_names + 1] = request.tried
  end
  names[i], in_zones[i] = request.user, request.zone
end

local function by_name(list, values)
  local found = {}
  for i, name in ipairs(list) do found[name] = values[i] end
  return found
end
local records, writer = lookup(record_names, now), record_writer(now)
local entries = by_name(names, redis.call('HMGET', USERS, unpack(names)))
local held_by = by_name(names, redis.call('HMGET', USER_SEATS, unpack(names)))
local available = by_name(in_zones, redis.call('HMGET', ZONES, unpack(in_zones)))

local taken, redeeming = 0, {}
local changed = { zones = {}, held_by = {}, entries = {}, holds = {}, uncommitted = {} }

-- For HSET and ZADD; of what is named twice, the last is in force.
local function change(list, name, value)
  list[#list + 1], list[#list + 2] = name, value
end

-- Is this pass in the user's entry, and live? Asked when it is the request's turn, and not again.
local function is_live(request)
  if request.live == nil then
    local entry = entries[request.user]
    request.live = entry and live_pass(entry) == request.pass
    if request.live then
      local ends = string.match(entry, '%d+$') + lag
      request.is_expired = ends <= now
      if ends > tonumber(request.pass_expires) then request.pass_expires = digits(ends) end
    end
  end
  return request.live
end

local function rejection(request)
  if request.tried then
    local booking, asked = read_record(records[request.tried], now)
    if booking and asked ~= request.fingerprint then return RESERVED.mismatch end
    if booking then return RESERVED.replayed, booking end
  end
  local used_for = read_record(records[request.redeemed], now)
  if used_for then return RESERVED.pass_used, used_for end
  if syncing then return RESERVED.syncing end
  -- A pass of this queue ends when the queue says. One of an earlier epoch is taken for live: the database decides whether it was used.
  local is_expired = tonumber(request.pass_expires) <= now
  if request.pass_epoch == meta.epoch then
    if is_live(request) then
      is_expired = request.is_expired
    elseif not is_expired then
      return RESERVED.pass_revoked
    end
  end
  if is_expired then return RESERVED.pass_expired end
  local left = tonumber(available[request.zone])
  if not left then return RESERVED.unknown_zone end
  local room = math.max(request.limit - (tonumber(held_by[request.user]) or 0), 0)
  if request.quantity > room then return RESERVED.user_limit, room end
  if request.quantity > left then return RESERVED.insufficient, left end
end

local function record(name, ends, request, fingerprint)
  local life = math.max(tonumber(request.expires), tonumber(request.pass_expires)) - now
  records[name] = writer.add(name, ends, life, request.booking, fingerprint)
end

-- The pass goes on counting as active until the commit: one that fails must not bring it back above the cap.
local function begin_redeem(request)
  if not is_live(request) then return end
  local user = request.user
  redeeming[#redeeming + 1] = user
  entries[user] = with_state(entries[user], 's')
  change(changed.entries, user, entries[user])
end

local function hold(request)
  is_live(request) -- which knows its end
  local booking, zone, user = request.booking, request.zone, request.user
  available[zone] = tonumber(available[zone]) - request.quantity
  held_by[user] = (tonumber(held_by[user]) or 0) + request.quantity
  taken = taken + request.quantity
  changed.zones[zone] = true
  change(changed.held_by, user, digits(held_by[user]))
  record(request.redeemed, request.pass_expires, request, '')
  if request.tried then record(request.tried, request.expires, request, request.fingerprint) end
  change(changed.holds, booking, pack_hold(request))
  change(changed.uncommitted, now_text, booking)
  begin_redeem(request)
end

local answer = {}
for _, request in ipairs(requests) do
  local outcome, value = rejection(request)
  if not outcome then hold(request) end
  answer[#answer + 1] = outcome or RESERVED.held
  if value then answer[#answer + 1] = value end
end

if taken > 0 then
  redis.call('HINCRBY', META, 'seats_left', -taken)
  local zones = {}
  for zone in pairs(changed.zones) do change(zones, zone, digits(available[zone])) end
  call_in_chunks('HSET', ZONES, zones)
  call_in_chunks('HSET', USER_SEATS, changed.held_by)
  call_in_chunks('HSET', HOLDS, changed.holds)
  call_in_chunks('ZADD', UNCOMMITTED, changed.uncommitted)
  writer.write()
  call_in_chunks('HSET', USERS, changed.entries)
  call_in_chunks('ZREM', UNACKNOWLEDGED, redeeming)
  call_in_chunks('ZREM', ABSENT_SINCE, redeeming)
end
return answer
