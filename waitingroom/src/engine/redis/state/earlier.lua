-- The numbers of earlier epochs that have not been served: who may still take theirs up again, and how many may be in front of them.
--
-- A run is packed as `first-last`, scored by its last. In `counted` it is `first-before`: how many were before it.

local function run_from(packed)
  local first, last = string.match(packed, '^(%d+)-(%d+)$')
  return tonumber(first), tonumber(last)
end

local function put_runs(key, runs)
  with_all('ZADD', key, runs)
  if #runs > 0 then redis.call('PEXPIRE', key, EARLIER_MEMORY_MS) end
end

-- Writes down whose tickets are good; answers how many are out of everybody's count. Beside the runs of those up to the head,
-- everybody from there to the last number waits.
local function remember_earlier(waiting, returned, head, sequence)
  local runs, counted, before, last_run = {}, {}, 0, 0
  local function add(first, last)
    runs[#runs + 1], runs[#runs + 2] = digits(last), digits(first) .. '-' .. digits(last)
    counted[#counted + 1], counted[#counted + 2] = digits(last), digits(first) .. '-' .. digits(before)
    before = before + last - first + 1
  end
  for packed in string.gmatch(waiting, '%S+') do add(run_from(packed)) end
  if sequence > head then add(head + 1, sequence) end
  put_runs(EARLIER, runs)
  put_runs(COUNTED, counted)

  local unclaimed, count = {}, 0
  for packed in string.gmatch(returned, '%S+') do
    local first, last = run_from(packed)
    unclaimed[#unclaimed + 1], unclaimed[#unclaimed + 2] = digits(last), packed
    count = count + last - first + 1
  end
  put_runs(UNCLAIMED, unclaimed)
  return digits(count)
end

-- Takes a number out of the runs; false where it is in none.
local function take_number(key, number)
  local packed = redis.call('ZRANGEBYSCORE', key, digits(number), '+inf', 'LIMIT', 0, 1)[1]
  if not packed then return false end
  local first, last = run_from(packed)
  if first > number then return false end
  if first < number then redis.call('ZADD', key, digits(number - 1), digits(first) .. '-' .. digits(number - 1)) end
  if number < last then redis.call('ZADD', key, digits(last), digits(number + 1) .. '-' .. digits(last)) end
  redis.call('ZREM', key, packed) -- last: an empty key would go, and the time of its end with it
  return true
end

-- The most that the rank of this number can be once all are back.
local function bound(number)
  local run = redis.call('ZRANGEBYSCORE', COUNTED, digits(number), '+inf', 'LIMIT', 0, 1)[1]
  if run then
    local first, before = run_from(run)
    return before + math.max(number + 1 - first, 0)
  end
  local highest = redis.call('ZREVRANGE', COUNTED, 0, 0, 'WITHSCORES')
  if not highest[1] then return 0 end
  local first, before = run_from(highest[1])
  return before + tonumber(highest[2]) - first + 1
end
