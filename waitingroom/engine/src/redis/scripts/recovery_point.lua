-- The recovery point of the queue, of each kind of numbers at most so many.

if not load_meta('server', 'server_seen', 'sequence', 'head') or not is_same_server() then return false end

local function up_to_head(key)
  return redis.call('ZRANGEBYSCORE', key, '-inf', meta.head, 'LIMIT', 0, MAX_UNSERVED_RUNS + 1)
end

-- The last of them may begin below the head and end above it.
local function runs(key)
  local all = up_to_head(key)
  if #all > MAX_UNSERVED_RUNS then return all, 1 end
  local next_run = redis.call('ZRANGEBYSCORE', key, '(' .. meta.head, '+inf', 'LIMIT', 0, 1)[1]
  if next_run and tonumber(string.match(next_run, '^%d+')) <= tonumber(meta.head) then all[#all + 1] = next_run end
  return all, 0
end

local function undelivered()
  local users, numbers = redis.call('ZRANGE', UNACKNOWLEDGED, 0, MAX_UNSERVED_PASSES - 1), {}
  for first = 1, #users, 4000 do
    local some = { unpack(users, first, math.min(first + 3999, #users)) }
    for _, packed in ipairs(redis.call('HMGET', USERS, unpack(some))) do
      local number = packed and string.match(packed, '^(%d+)\tp')
      if number then numbers[#numbers + 1] = number end
    end
  end
  return numbers, #users < MAX_UNSERVED_PASSES and 1 or 0
end

local numbers, all_unreached = undelivered()
local waiting, more_waiting = runs(EARLIER_WAITING)
local unclaimed, more_unclaimed = runs(EARLIER_UNCLAIMED)
return put_recovery_point({}, {
  sequence = meta.sequence, head = meta.head, waiting = up_to_head(WAITING), unclaimed = up_to_head(UNCLAIMED), undelivered = numbers,
  all_undelivered = all_unreached, earlier_waiting = waiting, more_earlier_waiting = more_waiting, earlier_unclaimed = unclaimed,
  more_earlier_unclaimed = more_unclaimed,
})
