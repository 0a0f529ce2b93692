-- Presence, for scripts that check many users: each node is read once.

local last_seen = {}

-- A node's last heartbeat; false for a deleted one.
local function last_seen_at(node)
  if last_seen[node] == nil then last_seen[node] = tonumber(redis.call('ZSCORE', NODES, node)) or false end
  return last_seen[node]
end

local function is_any_alive(entry, now)
  for node in string.gmatch(entry.nodes, '[^,]+') do
    local seen = last_seen_at(node)
    if seen and seen + NODE_TIMEOUT_MS > now then return true end
  end
  return false
end

local function is_present(user, entry, now)
  if is_any_alive(entry, now) then return true end
  local absent_from = tonumber(redis.call('ZSCORE', ABSENT_SINCE, user))
  return absent_from and absent_from > now
end

-- Absent since the last poll or the last heartbeat of their dead nodes; a deleted node counts as just gone.
local function set_absent(user, entry, now)
  local absent_from = tonumber(redis.call('ZSCORE', ABSENT_SINCE, user))
  for node in string.gmatch(entry.nodes, '[^,]+') do
    local seen = last_seen_at(node)
    if seen and (not absent_from or seen > absent_from) then absent_from = seen end
  end
  redis.call('ZADD', ABSENT_SINCE, absent_from or now, user)
  if entry.nodes ~= '' then
    entry.nodes = ''
    save_entry(user, entry)
  end
end
