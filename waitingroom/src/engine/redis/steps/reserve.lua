-- Burns passes and holds seats, for one reservation after the other, each both or neither. ARGV: now, then of each: user,
-- zone, quantity, pass, pass's epoch, pass's end, booking, hold's end, user's limit, attempt (or empty), fingerprint. Answers
-- outcome and value of each; the value is empty where there is none.
--
-- What they all need is read at once, changed here and written at once: commands are what a reservation costs.

local now = advance(tonumber(ARGV[1]), 'server', 'server_seen', 'sync_until', 'spans', 'stood', 'stood_since')
if not now or not is_whole() then return false end
local syncing = tonumber(meta.sync_until) > now
local now_text = digits(now)
local stood = standstill(now)

local requests, names, in_zones, remembered = {}, {}, {}, {}
for at = 2, #ARGV, 11 do
  local request = {
    user = ARGV[at], zone = ARGV[at + 1], seats = ARGV[at + 2], pass = ARGV[at + 3],
    pass_epoch = ARGV[at + 4], pass_ends = ARGV[at + 5], booking = ARGV[at + 6], ends = ARGV[at + 7],
    limit = tonumber(ARGV[at + 8]), attempt = ARGV[at + 9], fingerprint = ARGV[at + 10],
  }
  request.quantity = tonumber(request.seats)
  request.burned = burned_name(request.pass)
  remembered[#remembered + 1] = request.burned
  if request.attempt ~= '' then
    request.tried = attempt_name(request.attempt)
    remembered[#remembered + 1] = request.tried
  end
  requests[#requests + 1], names[#names + 1], in_zones[#in_zones + 1] = request, request.user, request.zone
end

local function by_name(list, values)
  local found = {}
  for i, name in ipairs(list) do found[name] = values[i] end
  return found
end
local memories, notes = recollect(remembered, now), notebook(now)
local entries = by_name(names, redis.call('HMGET', USERS, unpack(names)))
local held_by = by_name(names, redis.call('HMGET', USER_SEATS, unpack(names)))
local available = by_name(in_zones, redis.call('HMGET', ZONES, unpack(in_zones)))

local taken, spent = 0, {}
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
      local ends = string.match(entry, '%d+$') + stood
      request.is_over = ends <= now
      if ends > tonumber(request.pass_ends) then request.pass_ends = digits(ends) end
    end
  end
  return request.live
end

local function refusal(request)
  if request.tried then
    local earlier, asked = recollected(memories[request.tried], now)
    if earlier and asked ~= request.fingerprint then return 'mismatch', '' end
    if earlier then return 'replayed', earlier end
  end
  local used_for = recollected(memories[request.burned], now)
  if used_for then return 'pass_used', used_for end
  if syncing then return 'syncing', '' end
  -- A pass of this line ends when the line says. One of an earlier epoch is taken for live: the database decides whether it was used.
  local is_over = tonumber(request.pass_ends) <= now
  if request.pass_epoch == meta.epoch then
    if is_live(request) then
      is_over = request.is_over
    elseif not is_over then
      return 'pass_revoked', ''
    end
  end
  if is_over then return 'pass_expired', '' end
  local left = tonumber(available[request.zone])
  if not left then return 'unknown_zone', '' end
  local room = math.max(request.limit - (tonumber(held_by[request.user]) or 0), 0)
  if request.quantity > room then return 'user_limit', room end
  if request.quantity > left then return 'insufficient', left end
end

local function note(name, ends, request, fingerprint)
  local life = math.max(tonumber(request.ends), tonumber(request.pass_ends)) - now
  memories[name] = notes.note(name, ends, life, request.booking, fingerprint)
end

-- The pass goes on counting as active until the commit: one that fails must not bring it back above the cap.
local function spend(request)
  if not is_live(request) then return end
  local user = request.user
  spent[#spent + 1] = user
  entries[user] = with_standing(entries[user], 's')
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
  note(request.burned, request.pass_ends, request, '')
  if request.tried then note(request.tried, request.ends, request, request.fingerprint) end
  change(changed.holds, booking,
    table.concat({ user, zone, request.seats, request.ends, request.pass, request.attempt }, '\t'))
  change(changed.uncommitted, now_text, booking)
  spend(request)
end

local answer = {}
for _, request in ipairs(requests) do
  local outcome, value = refusal(request)
  if not outcome then hold(request) end
  answer[#answer + 1], answer[#answer + 2] = outcome or 'held', value or ''
end

if taken > 0 then
  redis.call('HINCRBY', META, 'seats_left', -taken)
  local zones = {}
  for zone in pairs(changed.zones) do change(zones, zone, digits(available[zone])) end
  with_all('HSET', ZONES, zones)
  with_all('HSET', USER_SEATS, changed.held_by)
  with_all('HSET', HOLDS, changed.holds)
  with_all('ZADD', UNCOMMITTED, changed.uncommitted)
  notes.write()
  with_all('HSET', USERS, changed.entries)
  with_all('ZREM', UNACKED, spent)
  with_all('ZREM', IDLE, spent)
end
return answer
