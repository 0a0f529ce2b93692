-- Applies the settlements of the database, in order. Neighbours of one kind are applied together.

local now = advance(tonumber(arguments.now), 'sync_until', 'spans', 'stood', 'stood_since')
if not now then return false end

local settlements = read_settlements()
if tonumber(meta.sync_until) > now then
  local entries = {}
  for _, item in ipairs(settlements) do
    entries[#entries + 1], entries[#entries + 2] = item.booking, item.settlement
  end
  call_in_chunks('HSET', JOURNAL, entries)
  redis.call('PEXPIRE', JOURNAL, JOURNAL_TTL_MS)
end

-- The holds of these bookings that there are, each once, with their bookings.
local function holds_of(bookings)
  local found, holds, seen = redis.call('HMGET', HOLDS, unpack(bookings)), {}, {}
  for i, booking in ipairs(bookings) do
    if found[i] and not seen[booking] then
      seen[booking] = true
      local hold = unpack_hold(found[i])
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

-- The holds that used these passes are committed or ended: their users have no place any more.
local function finish_redeems(holds)
  if #holds == 0 then return end
  local entries, gone = redis.call('HMGET', USERS, unpack(column(holds, 'user'))), {}
  for i, hold in ipairs(holds) do
    if entries[i] and redeeming_pass(entries[i]) == hold.pass then gone[#gone + 1] = hold.user end
  end
  call_in_chunks('HDEL', USERS, gone)
  call_in_chunks('HDEL', PUSH, gone)
  call_in_chunks('ZREM', ACTIVE, gone)
end

local function commit_holds(bookings)
  local holds, due = holds_of(bookings), {}
  for _, hold in ipairs(holds) do
    due[#due + 1], due[#due + 2] = hold.expires, hold.booking
  end
  call_in_chunks('ZREM', UNCOMMITTED, column(holds, 'booking'))
  call_in_chunks('ZADD', HOLD_ENDS, due)
  finish_redeems(holds)
end

-- the hold that used the pass failed: the pass is live again.
local function abort_redeem(user, pass)
  local entry = entry_with_pass(user, 's', pass)
  if not entry then return end
  if entry.expires + pass_clock_lag(now) <= now then
    redis.call('HDEL', USERS, user)
    redis.call('HDEL', PUSH, user)
    redis.call('ZREM', ACTIVE, user)
    return
  end
  entry.state = 'p'
  save_entry(user, entry)
end

local function drop_holds(holds)
  local bookings = column(holds, 'booking')
  call_in_chunks('HDEL', HOLDS, bookings)
  call_in_chunks('ZREM', UNCOMMITTED, bookings)
  call_in_chunks('ZREM', HOLD_ENDS, bookings)
end

local function abort_holds(bookings)
  for _, booking in ipairs(bookings) do
    if redis.call('ZSCORE', UNCOMMITTED, booking) then
      local holds = holds_of({ booking })
      drop_holds(holds)
      release_seats(holds)
      for _, hold in ipairs(holds) do
        delete_records({ pass_key(hold.pass), attempt_key(hold.attempt) })
        abort_redeem(hold.user, hold.pass)
      end
    end
  end
end

local function end_holds(bookings)
  local holds = holds_of(bookings)
  drop_holds(holds)
  finish_redeems(holds)
  return holds
end

local function release_holds(bookings)
  release_seats(end_holds(bookings))
end

local apply = {
  [SETTLEMENT.committed] = commit_holds, [SETTLEMENT.aborted] = abort_holds, [SETTLEMENT.confirmed] = end_holds,
  [SETTLEMENT.released] = release_holds,
}
local bookings, settlement = {}, nil
for _, item in ipairs(settlements) do
  if #bookings > 0 and (item.settlement ~= settlement or #bookings == 1000) then
    apply[settlement](bookings)
    bookings = {}
  end
  settlement = item.settlement
  bookings[#bookings + 1] = item.booking
end
if #bookings > 0 then apply[settlement](bookings) end
return true
