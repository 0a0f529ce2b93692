-- The settings and counters of a queue by name: names and values in turn. SETTINGS, OPTIONAL_SETTINGS and STORED_COUNTERS are the
-- names in the tables of the domain.

-- The names of several lists in one.
local function names(...)
  local all = {}
  for i = 1, select('#', ...) do
    for _, name in ipairs((select(i, ...))) do all[#all + 1] = name end
  end
  return all
end

-- An optional setting without a value is not set afterwards.
local function configure(settings)
  if #OPTIONAL_SETTINGS > 0 then redis.call('HDEL', META, unpack(OPTIONAL_SETTINGS)) end
  redis.call('HSET', META, unpack(settings))
end

-- None is left, and no hold could give one back.
local function is_sold_out()
  return tonumber(meta.seats_left) == 0 and redis.call('HLEN', HOLDS) == 0 and redis.call('EXISTS', ZONES) == 1
end

-- One of the settings that are being given.
local function given_setting(settings, name)
  for i = 1, #settings, 2 do
    if settings[i] == name then return settings[i + 1] end
  end
end

-- The settings in force, once recalled with `seats_left`: what is open has nothing to sell any more where everything is sold.
local function current_settings()
  local is_over = meta.state == 'open' and is_sold_out()
  local settings = {}
  for _, name in ipairs(SETTINGS) do
    if meta[name] then
      settings[#settings + 1] = name
      settings[#settings + 1] = name == 'state' and is_over and 'sold_out' or meta[name]
    end
  end
  return settings
end

-- The stored counters, once recalled. Those of a queue that was opened by an earlier release may be missing.
local function current_counters()
  local counters = {}
  for _, name in ipairs(STORED_COUNTERS) do
    counters[#counters + 1] = name
    counters[#counters + 1] = meta[name] or 0
  end
  return counters
end
