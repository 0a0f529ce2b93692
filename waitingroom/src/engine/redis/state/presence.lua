-- Who is here, as a step that looks at many users needs it: each node is asked about once.

local signs = {}

-- A node's last sign of life; false for a forgotten one.
local function last_sign(node)
  if signs[node] == nil then signs[node] = tonumber(redis.call('ZSCORE', NODES, node)) or false end
  return signs[node]
end

local function any_alive(entry, now)
  for node in string.gmatch(entry.nodes, '[^,]+') do
    local seen = last_sign(node)
    if seen and seen + NODE_TIMEOUT_MS > now then return true end
  end
  return false
end

local function is_present(user, entry, now)
  if any_alive(entry, now) then return true end
  local absent_from = tonumber(redis.call('ZSCORE', IDLE, user))
  return absent_from and absent_from > now
end

-- Absent from the last sign of life of their poll or their dead nodes; a forgotten node counts as just gone.
local function set_absent(user, entry, now)
  local absent_from = tonumber(redis.call('ZSCORE', IDLE, user))
  for node in string.gmatch(entry.nodes, '[^,]+') do
    local seen = last_sign(node)
    if seen and (not absent_from or seen > absent_from) then absent_from = seen end
  end
  redis.call('ZADD', IDLE, absent_from or now, user)
  if entry.nodes ~= '' then
    entry.nodes = ''
    keep(user, entry)
  end
end
