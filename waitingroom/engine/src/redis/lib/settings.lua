-- The settings of a queue, in the order in which they are given and answered.

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

-- None is left, and no hold could give one back.
local function is_sold_out()
  return tonumber(meta.seats_left) == 0 and redis.call('HLEN', HOLDS) == 0 and redis.call('EXISTS', ZONES) == 1
end

-- The settings in force as values, once recalled with `seats_left`: what is open has nothing to sell any more where
-- everything is sold. A missing message is an empty list.
local function current_settings()
  local values = {}
  for i, name in ipairs(SETTINGS) do values[i] = meta[name] or {} end
  if meta.state == 'open' and is_sold_out() then values[1] = 'sold_out' end
  return values
end
