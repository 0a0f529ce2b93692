-- Carries out what the database decided, in order. ARGV: now, then booking and settlement of each: c committed, a aborted,
-- f confirmed, r released. Neighbours of one kind are carried out together.

local now = advance(tonumber(ARGV[1]), 'sync_until', 'spans', 'stood', 'stood_since')
if not now then return false end

if tonumber(meta.sync_until) > now then
  local entries = {}
  for i = 2, #ARGV do entries[i - 1] = ARGV[i] end
  with_all('HSET', JOURNAL, entries)
  redis.call('PEXPIRE', JOURNAL, JOURNAL_MEMORY_MS)
end

-- The holds of these bookings that there are, each once, with their bookings.
local function holds_of(bookings)
  local found, holds, seen = redis.call('HMGET', HOLDS, unpack(bookings)), {}, {}
  for i, booking in ipairs(bookings) do
    if found[i] and not seen[booking] then
      seen[booking] = true
      local hold = hold_from(found[i])
      hold.booking = booking
      holds[#holds + 1] = hold
    end
  end
  return holds
end

local function column(holds, name)
  local values = {}
  for i, hold in ipairs(holds) do values[i] = hold[name] end
  return values
end

-- The holds that used their passes are committed or over: those users have no place any more.
local function forget_all_spent(holds)
  if #holds == 0 then return end
  local entries, gone = redis.call('HMGET', USERS, unpack(column(holds, 'user'))), {}
  for i, hold in ipairs(holds) do
    if entries[i] and spent_pass(entries[i]) == hold.pass then gone[#gone + 1] = hold.user end
  end
  with_all('HDEL', USERS, gone)
  with_all('ZREM', ACTIVE, gone)
end

local function committed(bookings)
  local holds, due = holds_of(bookings), {}
  for _, hold in ipairs(holds) do
    due[#due + 1], due[#due + 2] = hold.expires, hold.booking
  end
  with_all('ZREM', UNCOMMITTED, column(holds, 'booking'))
  with_all('ZADD', DUE, due)
  forget_all_spent(holds)
end

-- The hold that used the pass came to nothing: the pass is as good as before.
local function restore(user, pass)
  local entry = entry_with_pass(user, 's', pass)
  if not entry then return end
  if entry.expires + standstill(now) <= now then
    redis.call('HDEL', USERS, user)
    redis.call('ZREM', ACTIVE, user)
    return
  end
  entry.standing = 'p'
  keep(user, entry)
end

local function drop_holds(holds)
  local bookings = column(holds, 'booking')
  with_all('HDEL', HOLDS, bookings)
  with_all('ZREM', UNCOMMITTED, bookings)
  with_all('ZREM', DUE, bookings)
end

local function aborted(bookings)
  for _, booking in ipairs(bookings) do
    if redis.call('ZSCORE', UNCOMMITTED, booking) then
      local holds = holds_of({ booking })
      drop_holds(holds)
      give_back(holds)
      for _, hold in ipairs(holds) do
        forget_memories({ burned_name(hold.pass), attempt_name(hold.attempt) })
        restore(hold.user, hold.pass)
      end
    end
  end
end

local function ended(bookings)
  local holds = holds_of(bookings)
  drop_holds(holds)
  forget_all_spent(holds)
  return holds
end

local function released(bookings)
  give_back(ended(bookings))
end

local carry_out = { c = committed, a = aborted, f = ended, r = released }
local bookings, kind = {}, ARGV[3]
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] ~= kind or #bookings == 1000 then
    carry_out[kind](bookings)
    bookings, kind = {}, ARGV[i + 1]
  end
  bookings[#bookings + 1] = ARGV[i]
end
if #bookings > 0 then carry_out[kind](bookings) end
return true
