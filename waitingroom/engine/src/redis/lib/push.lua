-- Who is notified of a pass by a push: a line for each browser of the user, the most recent last.

-- Most events have no such user: then nobody is asked about.
local has_subscriptions
local function is_subscribed(user)
  if has_subscriptions == nil then has_subscriptions = redis.call('EXISTS', PUSH) == 1 end
  return has_subscriptions and redis.call('HEXISTS', PUSH, user) == 1
end

-- The lines without the one of this endpoint, and whether there was one.
local function without_endpoint(lines, endpoint)
  local kept, found = {}, false
  for line in string.gmatch(lines, '[^\n]+') do
    if unpack_subscription(line).endpoint == endpoint then
      found = true
    else
      kept[#kept + 1] = line
    end
  end
  return kept, found
end

local function add_subscription(user, endpoint, subscription)
  local lines = without_endpoint(redis.call('HGET', PUSH, user) or '', endpoint)
  lines[#lines + 1] = subscription
  if #lines > MAX_PUSH_SUBSCRIPTIONS then table.remove(lines, 1) end
  redis.call('HSET', PUSH, user, table.concat(lines, '\n'))
  has_subscriptions = true
end

-- Of one endpoint, or of the empty one: all. False if there was none.
local function remove_subscription(user, endpoint)
  if endpoint == '' then return redis.call('HDEL', PUSH, user) == 1 end
  local lines, found = without_endpoint(redis.call('HGET', PUSH, user) or '', endpoint)
  if not found then return false end
  if #lines > 0 then
    redis.call('HSET', PUSH, user, table.concat(lines, '\n'))
  else
    redis.call('HDEL', PUSH, user)
  end
  return true
end
