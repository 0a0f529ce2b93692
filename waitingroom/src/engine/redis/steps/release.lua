-- One admission step. ARGV: now, batch, limit, share, when it was decided, 1 for a whole step or 0 for passes alone.
-- Answers {epoch, granted, unacknowledged, lapsed, from, removed, total, active, seats_left, settings, share, released, present,
-- passed_over, 1 while the line is being rebuilt, 1 if the seats are loaded}; granted and unacknowledged are flat lists of user, nodes,
-- pass, number, issued, expires; lapsed of user, nodes, what.

local now = advance(tonumber(ARGV[1]), 'server', 'server_seen', 'published', 'head', 'tokens', 'tokens_at', 'release_from',
  'counting_until', 'seats_left', 'share', 'share_at', 'leapt', 'released', 'stood', 'stood_since', 'told_again', 'opening_sequence', unpack(SETTINGS))
if not now or not is_whole() then return false end
-- Of several workers' shares the latest counts.
if tonumber(ARGV[5]) >= tonumber(meta.share_at or 0) then meta.share, meta.share_at = ARGV[4], ARGV[5] end
local whole = ARGV[6] == '1'

-- Without a share, the time of passes stands still. When it goes on, they are told again, with their new ends.
local is_standing, stood = tonumber(meta.stood_since or 0) > 0, standstill(now)
if is_standing and tonumber(meta.share) > 0 then
  meta.told_again = '0'
  redis.call('HSET', META, 'stood', exact(stood), 'stood_since', 0, 'told_again', 0)
elseif not is_standing and tonumber(meta.share) <= 0 then
  redis.call('HSET', META, 'stood_since', exact(now))
end
local granted, unacknowledged, lapsed = {}, {}, {}
local counted = { released = 0, taken_back = 0, expired = 0, dropped = 0 }

local function setting_ms(name)
  return tonumber(meta[name]) * 1000
end

local function add(list, ...)
  for i = 1, select('#', ...) do list[#list + 1] = (select(i, ...)) end
end

local function add_grant(list, user, entry)
  add(list, user, entry.nodes, entry.pass, entry.number, entry.issued, exact(entry.expires + stood))
end

-- Members of a schedule at or before a moment, with their entries: {user, entry or false} each.
local function due(schedule, moment)
  local users = redis.call('ZRANGEBYSCORE', schedule, '-inf', moment, 'LIMIT', 0, SWEEP_LIMIT)
  if #users == 0 then return {} end
  local packed = redis.call('HMGET', USERS, unpack(users))
  for i, user in ipairs(users) do users[i] = { user, packed[i] and entry_from(packed[i]) } end
  return users
end

local function lapse(user, entry, what)
  if entry then drop_place(user, entry) end
  add(lapsed, user, entry and entry.nodes or '', what)
end

local function expire_passes()
  for _, member in ipairs(due(ACTIVE, now - stood)) do
    local user, entry = member[1], member[2]
    if entry and entry.standing == 's' then
      redis.call('ZREM', ACTIVE, user) -- its hold decides
    else
      lapse(user, entry, 'expired')
      counted.expired = counted.expired + 1
    end
  end
end

-- When to look at an unacknowledged pass again: soon, but not after its deadline.
local function next_look(deadline)
  return math.min(now + RESEND_MS, deadline)
end

local function take_back(user, entry)
  counted.taken_back = counted.taken_back + 1
  local unclaimed = (tonumber(entry.unclaimed) or 0) + 1
  if unclaimed >= UNCLAIMED_LIMIT then
    counted.dropped = counted.dropped + 1
    return lapse(user, entry, 'absent')
  end
  add(lapsed, user, entry.nodes, 'unclaimed')
  redis.call('ZREM', ACTIVE, user)
  redis.call('ZREM', UNACKED, user)
  redis.call('ZADD', IDLE, now, user)
  redis.call('ZADD', RETURNED, entry.number, entry.number)
  keep(user, { number = entry.number, standing = 'r', unclaimed = unclaimed, nodes = '', pass = '' })
end

-- A line that leapt has taken no acknowledgement meanwhile: the time for them begins again.
local function review_unacknowledged()
  for _, member in ipairs(due(UNACKED, now)) do
    local user, entry = member[1], member[2]
    if entry and entry.standing == 'p' then
      local deadline = math.max(tonumber(entry.issued), tonumber(meta.leapt)) + setting_ms('claim_window_seconds')
      if deadline <= now then
        take_back(user, entry)
      else
        add_grant(unacknowledged, user, entry)
        redis.call('ZADD', UNACKED, next_look(deadline), user)
      end
    end
  end
end

-- Passes whose end has moved, so many a step.
local function tell_again()
  local told = tonumber(meta.told_again or '')
  if not told then return end
  local users = redis.call('ZRANGEBYSCORE', ACTIVE, '-inf', '+inf', 'LIMIT', told, SWEEP_LIMIT)
  if #users == SWEEP_LIMIT then
    redis.call('HSET', META, 'told_again', told + SWEEP_LIMIT)
  else
    redis.call('HDEL', META, 'told_again')
  end
  for _, user in ipairs(users) do
    local entry = entry_of(user)
    if entry and entry.standing == 'p' then add_grant(unacknowledged, user, entry) end
  end
end

local function drop_absent()
  local leapt = tonumber(meta.leapt)
  if leapt > 0 and now < leapt + setting_ms('grace_seconds') then return end
  for _, member in ipairs(due(IDLE, now - setting_ms('grace_seconds'))) do
    local user, entry = member[1], member[2]
    if not entry or entry.standing == 'p' or any_alive(entry, now) then
      redis.call('ZREM', IDLE, user)
    else
      lapse(user, entry, 'absent')
      counted.dropped = counted.dropped + 1
    end
  end
end

-- How many may go now, by the bucket (see rate.rs: the same operations in the same order) and the cap.
local function allowance()
  local share, rate = tonumber(meta.share), tonumber(meta.rate_per_second)
  local paced = share > 0 and math.max(rate * share, math.min(rate, TRICKLE)) or 0
  local elapsed = math.max(now - tonumber(meta.tokens_at), 0)
  local tokens = tonumber(meta.tokens) + paced * elapsed / 1000
  meta.tokens = math.min(tokens, math.max(tonumber(meta.burst) * share, 1))
  meta.tokens_at = math.max(tonumber(meta.tokens_at), now)
  if share <= 0 or meta.state ~= 'open' or tonumber(meta.seats_left) == 0 or now < tonumber(meta.release_from) then return 0 end
  local room = math.max(tonumber(meta.max_active) - redis.call('ZCARD', ACTIVE), 0)
  return math.min(math.floor(meta.tokens), room, tonumber(ARGV[3]))
end

-- What granting changes is written at the end, in few commands.
local waiting, returned, active, unacked, entries, users = {}, {}, {}, {}, {}, {}

local function grant(user, entry)
  local left = entry.standing == 'w' and waiting or returned
  left[#left + 1] = entry.number
  entry.standing, entry.pass = 'p', ARGV[2] .. '-' .. (#active / 2)
  entry.issued, entry.expires = exact(now), exact(now - stood + setting_ms('pass_ttl_seconds'))
  add(active, entry.expires, user)
  add(unacked, next_look(now + setting_ms('claim_window_seconds')), user)
  add(entries, user, packed_from(entry))
  add(users, user)
  add_grant(granted, user, entry)
  meta.head = exact(math.max(tonumber(meta.head), tonumber(entry.number)))
end

local function write_granted()
  with_all('ZREM', WAITING, waiting)
  with_all('RPUSH', REMOVED, waiting)
  with_all('ZREM', RETURNED, returned)
  with_all('ZADD', ACTIVE, active)
  with_all('ZADD', UNACKED, unacked)
  with_all('HSET', USERS, entries)
  if tonumber(meta.opening_sequence) > 0 then with_all('HDEL', SHOWN, users) end
end

-- Looks at the first who are ready, in order, until `want` are granted; skips those who turn out to be absent.
local function grant_in_order(want)
  local count, looked_at = 0, 0
  while count < want and looked_at < want + SWEEP_LIMIT do
    local most = math.min(want - count, want + SWEEP_LIMIT - looked_at)
    local popped = redis.call('ZPOPMIN', READY, most)
    if #popped == 0 then break end
    for i = 1, #popped, 2 do
      local user = popped[i]
      local entry = entry_of(user)
      looked_at = looked_at + 1
      if entry and is_present(user, entry, now) then
        grant(user, entry)
        count = count + 1
      elseif entry then
        set_absent(user, entry, now)
      end
    end
  end
  write_granted()
  return count
end

-- Takes the next removals to publish.
local function removals()
  local removed = redis.call('LRANGE', REMOVED, 0, PROGRESS_LIMIT - 1)
  if #removed > 0 then redis.call('LTRIM', REMOVED, PROGRESS_LIMIT, -1) end
  return removed
end

-- What happened is added to the counters; a quiet step costs nothing.
local function count_up()
  for name, times in pairs(counted) do
    if times > 0 then redis.call('HINCRBY', META, name, times) end
  end
end

if whole then
  expire_passes()
  review_unacknowledged()
  tell_again()
  drop_absent()
end
local count = grant_in_order(allowance())
local removed = whole and removals() or {}
counted.released = count
count_up()
redis.call('HSET', META, 'tokens', exact(meta.tokens - count), 'tokens_at', meta.tokens_at, 'head', meta.head,
  'published', exact(tonumber(meta.published) + #removed), 'share', meta.share, 'share_at', meta.share_at)
return { meta.epoch, granted, unacknowledged, lapsed, meta.published, removed, total(), redis.call('ZCARD', ACTIVE),
  meta.seats_left, settings(), meta.share, exact(tonumber(meta.released or 0) + count), redis.call('ZCARD', READY),
  redis.call('ZCOUNT', WAITING, '-inf', meta.head), now < tonumber(meta.counting_until or 0) and 1 or 0, redis.call('EXISTS', ZONES) }
