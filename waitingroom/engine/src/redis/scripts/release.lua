-- One admission tick.

local now = advance(tonumber(arguments.now), 'server', 'server_seen', 'published', 'head', 'tokens', 'tokens_at', 'release_from',
  'counting_until', 'seats_left', 'share', 'share_at', 'leapt', 'released', 'stood', 'stood_since', 'told_again', 'opening_sequence', unpack(SETTINGS))
if not now or not is_same_server() then return false end
-- Of several workers' throttles the latest counts.
if tonumber(arguments.throttle_decided_at) >= tonumber(meta.share_at or 0) then
  meta.share, meta.share_at = arguments.throttle, arguments.throttle_decided_at
end
local is_full_tick = arguments.is_full_tick == '1'

-- At 0 the pass clock stops. When it goes on, passes are sent again with their new ends.
local is_pass_clock_stopped, lag = tonumber(meta.stood_since or 0) > 0, pass_clock_lag(now)
if is_pass_clock_stopped and tonumber(meta.share) > 0 then
  meta.told_again = '0'
  redis.call('HSET', META, 'stood', exact(lag), 'stood_since', 0, 'told_again', 0)
elseif not is_pass_clock_stopped and tonumber(meta.share) <= 0 then
  redis.call('HSET', META, 'stood_since', exact(now))
end
local granted, unacknowledged, removals = {}, {}, {}

local counters = {}
local function add_count(name, times)
  counters[name] = (counters[name] or 0) + (times or 1)
end

local function setting_ms(name)
  return tonumber(meta[name]) * 1000
end

-- A queue that was opened by an earlier release has no window for pushes.
local claim_window_ms = setting_ms('claim_window_seconds')
local push_claim_window_ms = math.max(claim_window_ms, tonumber(meta.push_claim_window_seconds or PUSH_CLAIM_WINDOW_SECONDS) * 1000)

local function add(list, ...)
  for i = 1, select('#', ...) do list[#list + 1] = (select(i, ...)) end
end

local function add_grant(list, user, entry)
  put_grant(list, {
    user = user, nodes = entry.nodes, pass = entry.pass, number = entry.number, issued = entry.issued,
    expires = exact(entry.expires + lag),
  })
end

-- Members of a deadline set at or before a moment, with their entries: {user, entry or false} each.
local function due(schedule, moment)
  local users = redis.call('ZRANGEBYSCORE', schedule, '-inf', moment, 'LIMIT', 0, MAX_SWEPT_USERS)
  if #users == 0 then return {} end
  local packed = redis.call('HMGET', USERS, unpack(users))
  for i, user in ipairs(users) do users[i] = { user, packed[i] and unpack_entry(packed[i]) } end
  return users
end

local function remove_and_report(user, entry, removal)
  if entry then remove_user(user, entry) end
  put_removal(removals, { user = user, nodes = entry and entry.nodes or '', removal = removal })
end

local function expire_passes()
  for _, member in ipairs(due(ACTIVE, now - lag)) do
    local user, entry = member[1], member[2]
    if entry and entry.state == 's' then
      redis.call('ZREM', ACTIVE, user) -- its hold decides
    else
      remove_and_report(user, entry, REMOVAL.expired)
      add_count('expired')
    end
  end
end

-- When to check an unacknowledged pass again: soon, but not after its deadline.
local function next_check(deadline)
  return math.min(now + GRANT_RESEND_MS, deadline)
end

local function mark_unclaimed(user, entry)
  add_count('taken_back')
  local unclaimed_passes = (tonumber(entry.unclaimed_passes) or 0) + 1
  if unclaimed_passes >= MAX_UNCLAIMED_PASSES then
    add_count('dropped')
    return remove_and_report(user, entry, REMOVAL.absent)
  end
  put_removal(removals, { user = user, nodes = entry.nodes, removal = REMOVAL.unclaimed })
  redis.call('ZREM', ACTIVE, user)
  redis.call('ZREM', UNACKNOWLEDGED, user)
  redis.call('ZADD', ABSENT_SINCE, now, user)
  redis.call('ZADD', UNCLAIMED, entry.number, entry.number)
  save_entry(user, { number = entry.number, state = 'r', unclaimed_passes = unclaimed_passes, nodes = '', pass = '' })
end

-- After a clock jump the claim window begins again: no acknowledgement could arrive meanwhile. It is longer for a pass that was pushed.
local function resend_unacknowledged()
  for _, member in ipairs(due(UNACKNOWLEDGED, now)) do
    local user, entry = member[1], member[2]
    if entry and entry.state == 'p' then
      local window = is_subscribed(user) and push_claim_window_ms or claim_window_ms
      local deadline = math.max(tonumber(entry.issued), tonumber(meta.leapt)) + window
      if deadline <= now then
        mark_unclaimed(user, entry)
      else
        add_grant(unacknowledged, user, entry)
        redis.call('ZADD', UNACKNOWLEDGED, next_check(deadline), user)
      end
    end
  end
end

-- Sends passes again whose end has moved, a part at a time.
local function resend_live_passes()
  local resent = tonumber(meta.told_again or '')
  if not resent then return end
  local users = redis.call('ZRANGEBYSCORE', ACTIVE, '-inf', '+inf', 'LIMIT', resent, MAX_SWEPT_USERS)
  if #users == MAX_SWEPT_USERS then
    redis.call('HSET', META, 'told_again', resent + MAX_SWEPT_USERS)
  else
    redis.call('HDEL', META, 'told_again')
  end
  for _, user in ipairs(users) do
    local entry = entry_of(user)
    if entry and entry.state == 'p' then add_grant(unacknowledged, user, entry) end
  end
end

local function drop_absent()
  local clock_jumped_at = tonumber(meta.leapt)
  if clock_jumped_at > 0 and now < clock_jumped_at + setting_ms('grace_seconds') then return end
  for _, member in ipairs(due(ABSENT_SINCE, now - setting_ms('grace_seconds'))) do
    local user, entry = member[1], member[2]
    -- Earlier releases listed holders of passes, too.
    if not entry or entry.state == 'p' or is_any_alive(entry, now) then
      redis.call('ZREM', ABSENT_SINCE, user)
    elseif is_subscribed(user) and redis.call('ZSCORE', READY, user) then
      redis.call('ZADD', ABSENT_SINCE, now, user) -- the subscription may end
    else
      remove_and_report(user, entry, REMOVAL.absent)
      add_count('dropped')
    end
  end
end

-- How many may go now, by the bucket (see rate.rs: the same operations in the same order) and the cap.
local function grant_budget()
  local share, rate = tonumber(meta.share), tonumber(meta.rate_per_second)
  local paced = share > 0 and math.max(rate * share, math.min(rate, MIN_RATE)) or 0
  local elapsed = math.max(now - tonumber(meta.tokens_at), 0)
  local tokens = tonumber(meta.tokens) + paced * elapsed / 1000
  meta.tokens = math.min(tokens, math.max(tonumber(meta.burst) * share, 1))
  meta.tokens_at = math.max(tonumber(meta.tokens_at), now)
  if share <= 0 or meta.state ~= 'open' or tonumber(meta.seats_left) == 0 or now < tonumber(meta.release_from) then return 0 end
  local room = math.max(tonumber(meta.max_active) - redis.call('ZCARD', ACTIVE), 0)
  return math.min(math.floor(meta.tokens), room, tonumber(arguments.limit))
end

-- Changes by grants are written at the end, in few commands.
local waiting, unclaimed, active, unacked, entries, users = {}, {}, {}, {}, {}, {}

local function issue_pass(user, entry)
  local left = entry.state == 'w' and waiting or unclaimed
  left[#left + 1] = entry.number
  entry.state, entry.pass = 'p', arguments.batch .. '-' .. (#active / 2)
  entry.issued, entry.expires = exact(now), exact(now - lag + setting_ms('pass_ttl_seconds'))
  add(active, entry.expires, user)
  add(unacked, next_check(now + claim_window_ms), user)
  add(entries, user, pack_entry(entry))
  add(users, user)
  add_grant(granted, user, entry)
  meta.head = exact(math.max(tonumber(meta.head), tonumber(entry.number)))
end

local function write_issued()
  call_in_chunks('ZREM', WAITING, waiting)
  call_in_chunks('RPUSH', REMOVED, waiting)
  call_in_chunks('ZREM', UNCLAIMED, unclaimed)
  call_in_chunks('ZREM', ABSENT_SINCE, users)
  call_in_chunks('ZADD', ACTIVE, active)
  call_in_chunks('ZADD', UNACKNOWLEDGED, unacked)
  call_in_chunks('HSET', USERS, entries)
  if tonumber(meta.opening_sequence) > 0 then call_in_chunks('HDEL', LAST_POSITIONS, users) end
end

-- Examines the first ready users, in order, until `want` passes are issued; skips those who turn out to be absent and cannot be notified.
local function issue_passes(want)
  local count, examined = 0, 0
  while count < want and examined < want + MAX_SWEPT_USERS do
    local most = math.min(want - count, want + MAX_SWEPT_USERS - examined)
    local popped = redis.call('ZPOPMIN', READY, most)
    if #popped == 0 then break end
    for i = 1, #popped, 2 do
      local user = popped[i]
      local entry = entry_of(user)
      examined = examined + 1
      if entry and (is_present(user, entry, now) or is_subscribed(user)) then
        issue_pass(user, entry)
        count = count + 1
      elseif entry then
        set_absent(user, entry, now)
      end
    end
  end
  write_issued()
  return count
end

-- Those of the granted who are notified by a push.
local function push_recipients()
  local recipients = {}
  if #users == 0 or redis.call('EXISTS', PUSH) == 0 then return recipients end
  for first = 1, #users, 4000 do
    local some = { unpack(users, first, math.min(first + 3999, #users)) }
    for i, lines in ipairs(redis.call('HMGET', PUSH, unpack(some))) do
      if lines then put_push_recipient(recipients, { user = some[i], subscriptions = lines }) end
    end
  end
  return recipients
end

-- Takes the next removals to publish.
local function next_removed()
  local removed = redis.call('LRANGE', REMOVED, 0, MAX_PROGRESS_REMOVALS - 1)
  if #removed > 0 then redis.call('LTRIM', REMOVED, MAX_PROGRESS_REMOVALS, -1) end
  return removed
end

-- Adds to the stored counters; a tick without changes costs nothing.
local function write_counters()
  for name, times in pairs(counters) do
    if times > 0 then redis.call('HINCRBY', META, name, times) end
  end
end

if is_full_tick then
  expire_passes()
  resend_unacknowledged()
  resend_live_passes()
  drop_absent()
end
local issued = issue_passes(grant_budget())
local pushes = push_recipients()
local removed = is_full_tick and next_removed() or {}
add_count('released', issued)
write_counters()
redis.call('HSET', META, 'tokens', exact(meta.tokens - issued), 'tokens_at', meta.tokens_at, 'head', meta.head,
  'published', exact(tonumber(meta.published) + #removed), 'share', meta.share, 'share_at', meta.share_at)
return put_release({}, {
  epoch = meta.epoch, granted = granted, unacknowledged = unacknowledged, pushes = pushes, removals = removals, from = meta.published, removed = removed,
  total = total(), active = redis.call('ZCARD', ACTIVE), seats_left = meta.seats_left, settings = current_settings(), share = meta.share,
  released = exact(tonumber(meta.released or 0) + issued), present = redis.call('ZCARD', READY),
  passed_over = redis.call('ZCOUNT', WAITING, '-inf', meta.head), is_rebuilding = now < tonumber(meta.counting_until or 0) and 1 or 0,
  seats_known = redis.call('EXISTS', ZONES),
})
