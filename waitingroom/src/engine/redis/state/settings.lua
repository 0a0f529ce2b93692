-- The settings of a line, in the order in which they are given and answered.

local SETTINGS = { 'state', 'rate_per_second', 'burst', 'max_active', 'pass_ttl_seconds', 'claim_window_seconds',
  'grace_seconds', 'max_in_line', 'message' }

-- `message` is absent from the values where there is none.
local function configure(values)
  local fields = {}
  for i, value in ipairs(values) do
    fields[#fields + 1] = SETTINGS[i]
    fields[#fields + 1] = value
  end
  redis.call('HDEL', META, 'message')
  redis.call('HSET', META, unpack(fields))
end

-- The settings as values, once recalled. A missing message is an empty list.
local function settings()
  local values = {}
  for i, name in ipairs(SETTINGS) do values[i] = meta[name] or {} end
  return values
end
