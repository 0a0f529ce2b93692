-- What users do about their places, in order, in one step. ARGV: now, then of each action its kind, its user and
--
--   j   node (empty: a poll)                              joins
--   t   node, ticket's epoch, ticket's number             joins with a ticket
--   r   node (empty: a poll)                              resumes
--   b   node, ticket's epoch, ticket's number, position   is brought back, or not; the position was told last (0: not known)
--   d   node                                              detaches
--   l                                                     leaves
--   a   pass                                              acknowledges
--
-- Answers the epoch and 1 while the line is being rebuilt, or 2 while gateways are awaited for it; then of each action a code and what
-- belongs to it: 0 no, 1 done, 2 joined and 3 found with number, position, total, revision, the best position that was told before (0: none),
-- pass and (with a pass) its issue and end, 4 not open with the state, 5 full,
-- 6 left with the nodes, 7 the user's pass is used by a hold that is not committed,
-- 8 Redis has no memory for anybody new, 9 not known while the line is being rebuilt.
--
-- A crowd that joins costs a few commands in all: entries are read together; what changes is kept in tables and written
-- together at the end, or before a rank is asked for.

local now = advance(tonumber(ARGV[1]), 'server', 'server_seen', 'published', 'state', 'max_in_line', 'sequence', 'counting_until',
  'returned_before', 'opening_sequence', 'spans', 'stood', 'stood_since')
if not now or not is_whole() then return false end

local stood = standstill(now)
local LENGTHS = { j = 3, t = 5, r = 3, b = 6, d = 3, l = 2, a = 3 }
local counting = now < tonumber(meta.counting_until or 0)
local waiting_count, returned_count = redis.call('ZCARD', WAITING), redis.call('ZCARD', RETURNED)
local revision = tonumber(meta.published) + redis.call('LLEN', REMOVED)
local sequence, left, reseated = tonumber(meta.sequence), 0, 0
local answer = { meta.epoch, counting and 1 + redis.call('EXISTS', AWAITED) or 0 }
-- Only here may somebody come back in front of others, whose positions are not to grow for it.
local is_begun_again = tonumber(meta.opening_sequence) > 0

-- By user: the entry as it is read, then as it stands (false: none); and what is to be written of it.
local entries, changed, ready, idle = {}, {}, {}, {}
local shown, shown_now = {}, {}
local joined, again, acknowledged, nodes = {}, {}, {}, {}

local function read_entries()
  local users, at = {}, 2
  while ARGV[at] do
    users[#users + 1] = ARGV[at + 1]
    at = at + LENGTHS[ARGV[at]]
  end
  local packed = redis.call('HMGET', USERS, unpack(users))
  for i, user in ipairs(users) do entries[user] = packed[i] and entry_from(packed[i]) end
  if not is_begun_again then return end
  for i, position in ipairs(redis.call('HMGET', SHOWN, unpack(users))) do shown[users[i]] = tonumber(position or '') end
end

local function write_joined()
  with_all('ZADD', WAITING, joined)
  with_all('ZADD', RETURNED, again)
  joined, again = {}, {}
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
  with_all('ZADD', key, here)
  with_all('ZREM', key, gone)
end

-- A node that was silent for too long is told so at its next report: users of its may have been taken for absent.
local function write_nodes()
  for node in pairs(nodes) do
    local seen = tonumber(redis.call('ZSCORE', NODES, node))
    if seen and seen + NODE_TIMEOUT_MS <= now then
      redis.call('SADD', REVIVED, node)
      redis.call('PEXPIRE', REVIVED, NODE_MEMORY_MS)
    end
  end
  write_scores(NODES, nodes)
end

local function write_entries()
  local fields = {}
  for user in pairs(changed) do
    fields[#fields + 1] = user
    fields[#fields + 1] = packed_from(entries[user])
  end
  with_all('HSET', USERS, fields)
end

local function write_shown()
  local fields = {}
  for user in pairs(shown_now) do
    fields[#fields + 1] = user
    fields[#fields + 1] = digits(shown[user])
  end
  with_all('HSET', SHOWN, fields)
end

local function say(...)
  for i = 1, select('#', ...) do answer[#answer + 1] = (select(i, ...)) end
end

local function rank(key, entry)
  write_joined()
  return redis.call('ZRANK', key, entry.number) + 1
end

-- The user is told this position, or was.
local function note_shown(user, position)
  if is_begun_again and position > 0 and position < (shown[user] or math.huge) then
    shown[user], shown_now[user] = position, true
  end
end

-- While the line is being rebuilt, bounds are told.
local function say_place(code, user, entry, position)
  local total = waiting_count + returned_count
  if counting and entry.pass == '' then
    position = bound(tonumber(entry.number))
    if entry.standing == 'r' then position = position + tonumber(meta.returned_before or 0) end
    total = position
  else
    note_shown(user, position)
  end
  say(code, tonumber(entry.number), position, total, revision, shown[user] or 0, entry.pass)
  if entry.pass ~= '' then say(entry.issued, exact(entry.expires + stood)) end
end

local function position(entry)
  if counting then return 0 end -- nobody's rank is known
  if entry.standing == 'w' then return rank(WAITING, entry) end
  return entry.standing == 'r' and rank(RETURNED, entry) or 0
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
  if #known > NODES_PER_USER then table.remove(known, 1) end
  return table.concat(known, ',')
end

-- Marks a user as present, by a node or (the empty name) by a poll.
local function appear(user, entry, node)
  if node == '' then
    idle[user] = now + POLL_WINDOW_MS
    acknowledged[#acknowledged + 1] = user
  else
    local before = entry.nodes
    entry.nodes = with_node(entry, node)
    if entry.nodes ~= before then changed[user] = true end
    nodes[node] = now
    idle[user] = false
  end
  if entry.standing == 'w' or entry.standing == 'r' then ready[user] = entry.number end
end

-- How the number of a ticket of an earlier epoch stands that was not served and not re-presented; nothing of any other.
local function unserved(number)
  local standing = take_number(EARLIER, number) and 'w'
  return take_number(UNCLAIMED, number) and 'r' or standing
end

-- Whose reservation is being decided keeps place and pass until it is.
local function is_being_decided(user)
  local entry = entries[user]
  return entry and entry.standing == 's'
end

local function resume(user, node)
  local entry = entries[user]
  if not entry then return false end
  appear(user, entry, node)
  say_place(3, user, entry, position(entry))
  return true
end

-- Gives the user this number.
local function seat(user, number, standing)
  local entry = { number = digits(number), standing = standing, nodes = '', pass = '' }
  entries[user], changed[user] = entry, true
  local new = standing == 'w' and joined or again
  new[#new + 1] = entry.number
  new[#new + 1] = entry.number
  if standing == 'w' then waiting_count = waiting_count + 1 else returned_count = returned_count + 1 end
  return entry
end

local function admits_joins()
  return meta.state == 'open' or meta.state == 'paused' or meta.state == 'sold_out'
end

-- Gives the user the number of their ticket, where it is good. It stays good if there is no memory for them now.
local function seat_again(user, node, epoch, number, told)
  number = tonumber(number)
  if not number or epoch == meta.epoch then return false end
  if is_full then
    say(8)
    return true
  end
  local standing = unserved(number)
  if not standing then return false end
  local entry = seat(user, number, standing)
  reseated = reseated + 1
  appear(user, entry, node)
  note_shown(user, told)
  say_place(2, user, entry, position(entry))
  return true
end

-- What is said of who is not found, or that it is not known.
local function say_unfound()
  say(counting and 9 or 0)
end

local function bring_back(user, node, epoch, number, told)
  told = epoch ~= meta.epoch and tonumber(told) or 0
  local entry = entries[user]
  if entry and entry.pass == '' and tonumber(entry.number) == tonumber(number) then note_shown(user, told) end
  if resume(user, node) or (admits_joins() and seat_again(user, node, epoch, number, told)) then return end
  say_unfound()
end

local function join(user, node, epoch, number)
  if resume(user, node) then return end
  if not admits_joins() then return say(4, meta.state) end
  if seat_again(user, node, epoch, number, 0) then return end
  if counting then return say_unfound() end
  if waiting_count + returned_count >= tonumber(meta.max_in_line) then return say(5) end
  if is_full then return say(8) end

  sequence = sequence + 1
  local entry = seat(user, sequence, 'w')
  appear(user, entry, node)
  say_place(2, user, entry, waiting_count) -- a new number is the last
end

local function absent_from(user)
  if idle[user] ~= nil then return idle[user] or nil end
  return tonumber(redis.call('ZSCORE', IDLE, user))
end

local function detach(user, node)
  local entry = entries[user]
  if not entry then return end
  local others = table.concat(other_nodes(entry, node), ',')
  if others == entry.nodes then return end
  entry.nodes, changed[user] = others, true
  if others ~= '' or entry.standing == 's' then return end
  idle[user] = math.max(absent_from(user) or now, now)
  if idle[user] <= now then ready[user] = false end
end

local function leave(user)
  local entry = entries[user]
  if not entry then return say_unfound() end
  write_joined()
  if entry.standing == 'w' then
    waiting_count, revision = waiting_count - 1, revision + 1
  elseif entry.standing == 'r' then
    returned_count = returned_count - 1
  end
  drop_place(user, entry)
  left = left + 1
  entries[user], changed[user], ready[user], idle[user] = false, nil, nil, nil
  shown[user], shown_now[user] = nil, nil
  say(6, entry.nodes)
end

local function acknowledge(user, pass)
  local entry = entries[user]
  if entry and entry.pass == pass then
    if entry.standing == 's' then return 1 end
    if entry.standing == 'p' and entry.expires + stood > now then
      acknowledged[#acknowledged + 1] = user
      return 1
    end
  end
  local used = burned_name(pass)
  return recollect({ used }, now)[used] and 1 or 0
end

local function carry_out(kind, user, first, second, third, fourth)
  if is_being_decided(user) and kind ~= 'd' and kind ~= 'a' then
    say(7)
  elseif kind == 'j' or kind == 't' then
    join(user, first, second, third)
  elseif kind == 'r' then
    if not resume(user, first) then say_unfound() end
  elseif kind == 'b' then
    bring_back(user, first, second, third, fourth)
  elseif kind == 'd' then
    detach(user, first)
    say(1)
  elseif kind == 'l' then
    leave(user)
  else
    say(acknowledge(user, first))
  end
end

read_entries()
local at = 2
while ARGV[at] do
  local kind = ARGV[at]
  if LENGTHS[kind] > 3 then
    carry_out(kind, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
  else
    carry_out(kind, ARGV[at + 1], ARGV[at + 2])
  end
  at = at + LENGTHS[kind]
end

write_joined()
write_entries()
write_shown()
write_scores(READY, ready)
write_scores(IDLE, idle)
write_nodes()
with_all('ZREM', UNACKED, acknowledged)
if left > 0 then redis.call('HINCRBY', META, 'left', left) end
if reseated > 0 then redis.call('HINCRBY', META, 'reseated', reseated) end
if sequence ~= tonumber(meta.sequence) then redis.call('HSET', META, 'sequence', exact(sequence)) end
return answer
