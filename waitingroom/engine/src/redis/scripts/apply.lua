-- Applies what users do about their places, in order, in one script. An action has the node '' for a poll.
--
-- Many joins cost a few commands in all: entries are read together; what changes is kept in tables and written
-- together at the end, or before a rank is asked for.

local now = advance(tonumber(arguments.now), 'server', 'server_seen', 'published', 'state', 'max_in_line', 'sequence', 'counting_until',
  'returned_before', 'opening_sequence', 'spans', 'stood', 'stood_since')
if not now or not is_same_server() then return false end

local lag = pass_clock_lag(now)
local actions = read_actions()
local rebuilding = now < tonumber(meta.counting_until or 0)
local waiting_count, unclaimed_count = redis.call('ZCARD', WAITING), redis.call('ZCARD', UNCLAIMED)
local revision = tonumber(meta.published) + redis.call('LLEN', REMOVED)
local sequence, left, redeemed_tickets = tonumber(meta.sequence), 0, 0
local positions_are = REBUILDING.no
if rebuilding then positions_are = redis.call('EXISTS', AWAITED_NODES) == 1 and REBUILDING.awaiting_nodes or REBUILDING.max_ranks end
local answer = put_applied({}, { epoch = meta.epoch, rebuilding = positions_are })
-- Only in a reopened queue may a user return in front of others, whose positions must not grow for it.
local is_reopened = tonumber(meta.opening_sequence) > 0

-- By user: the entry as it is read, then as it stands (false: none); and what is to be written of it.
local entries, changed, ready, absent_since = {}, {}, {}, {}
local last_positions, changed_positions = {}, {}
local new_waiting, new_unclaimed, acknowledged, nodes = {}, {}, {}, {}

local function read_entries()
  local users = {}
  for i, action in ipairs(actions) do users[i] = action.user end
  local packed = redis.call('HMGET', USERS, unpack(users))
  for i, user in ipairs(users) do entries[user] = packed[i] and unpack_entry(packed[i]) end
  if not is_reopened then return end
  for i, position in ipairs(redis.call('HMGET', LAST_POSITIONS, unpack(users))) do last_positions[users[i]] = tonumber(position or '') end
end

local function write_new_entries()
  call_in_chunks('ZADD', WAITING, new_waiting)
  call_in_chunks('ZADD', UNCLAIMED, new_unclaimed)
  new_waiting, new_unclaimed = {}, {}
end

-- Each member to its score, or away from it (false).
local function write_scores(key, scores)
  local here, gone = {}, {}
  for member, score in pairs(scores) do
    if score then
      here[#here + 1] = score
      here[#here + 1] = member
    else
      gone[#gone + 1] = member
    end
  end
  call_in_chunks('ZADD', key, here)
  call_in_chunks('ZREM', key, gone)
end

-- A dead node learns so by its next heartbeat: users of it may have been taken for absent.
local function write_nodes()
  for node in pairs(nodes) do
    local seen = tonumber(redis.call('ZSCORE', NODES, node))
    if seen and seen + NODE_TIMEOUT_MS <= now then
      redis.call('SADD', RETURNING_NODES, node)
      redis.call('PEXPIRE', RETURNING_NODES, NODE_RETENTION_MS)
    end
  end
  write_scores(NODES, nodes)
end

local function write_entries()
  local fields = {}
  for user in pairs(changed) do
    fields[#fields + 1] = user
    fields[#fields + 1] = pack_entry(entries[user])
  end
  call_in_chunks('HSET', USERS, fields)
end

local function write_last_positions()
  local fields = {}
  for user in pairs(changed_positions) do
    fields[#fields + 1] = user
    fields[#fields + 1] = digits(last_positions[user])
  end
  call_in_chunks('HSET', LAST_POSITIONS, fields)
end

-- A code, and the value that belongs to it.
local function reply(code, value)
  answer[#answer + 1] = code
  if value then answer[#answer + 1] = value end
end

local function rank(key, entry)
  write_new_entries()
  return redis.call('ZRANK', key, entry.number) + 1
end

-- Records a position that the user is sent, or was.
local function record_position(user, position)
  if is_reopened and position > 0 and position < (last_positions[user] or math.huge) then
    last_positions[user], changed_positions[user] = position, true
  end
end

-- While the queue is being rebuilt, positions are upper bounds.
local function reply_place(code, user, entry, position)
  local total = waiting_count + unclaimed_count
  if rebuilding and entry.pass == '' then
    position = max_rank(tonumber(entry.number))
    if entry.state == 'r' then position = position + tonumber(meta.returned_before or 0) end
    total = position
  else
    record_position(user, position)
  end
  reply(code)
  local has_pass = entry.pass ~= ''
  put_place(answer, {
    number = tonumber(entry.number), position = position, total = total, revision = revision, last_position = last_positions[user] or 0,
    has_pass = has_pass and 1 or 0,
  })
  if has_pass then put_pass(answer, { pass = entry.pass, issued = entry.issued, expires = exact(entry.expires + lag) }) end
end

local function position(entry)
  if rebuilding then return 0 end -- no rank is known
  if entry.state == 'w' then return rank(WAITING, entry) end
  return entry.state == 'r' and rank(UNCLAIMED, entry) or 0
end

-- The nodes without this one, as a list.
local function other_nodes(entry, node)
  local others = {}
  for known in string.gmatch(entry.nodes, '[^,]+') do
    if known ~= node then others[#others + 1] = known end
  end
  return others
end

local function with_node(entry, node)
  if entry.nodes == '' then return node end
  local known = other_nodes(entry, node)
  known[#known + 1] = node
  if #known > MAX_NODES_PER_USER then table.remove(known, 1) end
  return table.concat(known, ',')
end

-- Marks a user as present, by a node or (the empty name) by a poll.
local function set_present(user, entry, node)
  local waits = entry.pass == ''
  if node == '' then
    if waits then absent_since[user] = now + POLL_PRESENCE_TTL_MS end
    acknowledged[#acknowledged + 1] = user
  else
    local before = entry.nodes
    entry.nodes = with_node(entry, node)
    if entry.nodes ~= before then changed[user] = true end
    nodes[node] = now
    absent_since[user] = false
  end
  if waits then ready[user] = entry.number end
end

-- Redeems the number of a ticket of an earlier epoch; the state of its user, or false if it was served or redeemed before.
local function redeem_ticket(number)
  local state = remove_number(EARLIER_WAITING, number) and 'w'
  return remove_number(EARLIER_UNCLAIMED, number) and 'r' or state
end

-- While a hold that uses the pass is not committed, the user keeps place and pass.
local function is_redeeming(user)
  local entry = entries[user]
  return entry and entry.state == 's'
end

local function resume(user, node)
  local entry = entries[user]
  if not entry then return false end
  set_present(user, entry, node)
  reply_place(CODE.found, user, entry, position(entry))
  return true
end

-- Gives the user this number.
local function assign_number(user, number, state)
  local entry = { number = digits(number), state = state, nodes = '', pass = '' }
  entries[user], changed[user] = entry, true
  local new = state == 'w' and new_waiting or new_unclaimed
  new[#new + 1] = entry.number
  new[#new + 1] = entry.number
  if state == 'w' then waiting_count = waiting_count + 1 else unclaimed_count = unclaimed_count + 1 end
  return entry
end

local function accepts_joins()
  return meta.state == 'open' or meta.state == 'paused' or meta.state == 'sold_out'
end

-- Gives the user the number of their ticket, if there is a valid one. It stays valid if there is no memory now.
local function redeem(action, last_position)
  local user, number = action.user, tonumber(action.number)
  if not number or action.epoch == meta.epoch then return false end
  if is_full then
    reply(CODE.no_memory)
    return true
  end
  local state = redeem_ticket(number)
  if not state then return false end
  local entry = assign_number(user, number, state)
  redeemed_tickets = redeemed_tickets + 1
  set_present(user, entry, action.node)
  record_position(user, last_position)
  reply_place(CODE.joined, user, entry, position(entry))
  return true
end

-- The reply for a user without a place, or that it is not known yet.
local function reply_not_found()
  reply(rebuilding and CODE.rebuilding or CODE.no)
end

local function restore(action)
  local user, last_position = action.user, action.epoch ~= meta.epoch and tonumber(action.position) or 0
  local entry = entries[user]
  if entry and entry.pass == '' and tonumber(entry.number) == tonumber(action.number) then record_position(user, last_position) end
  if resume(user, action.node) or (accepts_joins() and redeem(action, last_position)) then return end
  reply_not_found()
end

local function join(action)
  local user, node = action.user, action.node
  if resume(user, node) then return end
  if not accepts_joins() then return reply(CODE.not_open, meta.state) end
  if redeem(action, 0) then return end
  if rebuilding then return reply_not_found() end
  if waiting_count + unclaimed_count >= tonumber(meta.max_in_line) then return reply(CODE.line_full) end
  if is_full then return reply(CODE.no_memory) end

  sequence = sequence + 1
  local entry = assign_number(user, sequence, 'w')
  set_present(user, entry, node)
  reply_place(CODE.joined, user, entry, waiting_count) -- a new number is the last
end

local function absent_from(user)
  if absent_since[user] ~= nil then return absent_since[user] or nil end
  return tonumber(redis.call('ZSCORE', ABSENT_SINCE, user))
end

local function detach(user, node)
  local entry = entries[user]
  if not entry then return end
  local others = table.concat(other_nodes(entry, node), ',')
  if others == entry.nodes then return end
  entry.nodes, changed[user] = others, true
  if others ~= '' or entry.pass ~= '' then return end
  absent_since[user] = math.max(absent_from(user) or now, now)
  if absent_since[user] <= now and not is_subscribed(user) then ready[user] = false end
end

-- Who subscribes is here, and can be released from now on.
local function subscribe(action)
  local user = action.user
  local entry = entries[user]
  if not entry then return reply_not_found() end
  if is_full then return reply(CODE.no_memory) end
  add_subscription(user, action.endpoint, action.subscription)
  if entry.state == 'w' or entry.state == 'r' then ready[user] = entry.number end
  reply(CODE.done)
end

local function leave(user)
  local entry = entries[user]
  if not entry then return reply_not_found() end
  write_new_entries()
  if entry.state == 'w' then
    waiting_count, revision = waiting_count - 1, revision + 1
  elseif entry.state == 'r' then
    unclaimed_count = unclaimed_count - 1
  end
  remove_user(user, entry)
  left = left + 1
  entries[user], changed[user], ready[user], absent_since[user] = false, nil, nil, nil
  last_positions[user], changed_positions[user] = nil, nil
  reply(CODE.left, entry.nodes)
end

local function acknowledge(user, pass)
  local entry = entries[user]
  if entry and entry.pass == pass then
    if entry.state == 's' then return true end
    if entry.state == 'p' and entry.expires + lag > now then
      acknowledged[#acknowledged + 1] = user
      return true
    end
  end
  local used = pass_key(pass)
  return lookup({ used }, now)[used]
end

local function apply(action)
  local kind, user = action.kind, action.user
  if is_redeeming(user) and kind ~= 'detach' and kind ~= 'acknowledge' and kind ~= 'unsubscribe' then
    reply(CODE.deciding)
  elseif kind == 'join' or kind == 'join_with_ticket' then
    join(action)
  elseif kind == 'resume' then
    if not resume(user, action.node) then reply_not_found() end
  elseif kind == 'restore' then
    restore(action)
  elseif kind == 'detach' then
    detach(user, action.node)
    reply(CODE.done)
  elseif kind == 'leave' then
    leave(user)
  elseif kind == 'subscribe' then
    subscribe(action)
  elseif kind == 'unsubscribe' then
    reply(remove_subscription(user, action.endpoint) and CODE.done or CODE.no)
  else
    reply(acknowledge(user, action.pass) and CODE.done or CODE.no)
  end
end

read_entries()
for _, action in ipairs(actions) do apply(action) end

write_new_entries()
write_entries()
write_last_positions()
write_scores(READY, ready)
write_scores(ABSENT_SINCE, absent_since)
write_nodes()
call_in_chunks('ZREM', UNACKNOWLEDGED, acknowledged)
if left > 0 then redis.call('HINCRBY', META, 'left', left) end
if redeemed_tickets > 0 then redis.call('HINCRBY', META, 'reseated', redeemed_tickets) end
if sequence ~= tonumber(meta.sequence) then redis.call('HSET', META, 'sequence', exact(sequence)) end
return answer
