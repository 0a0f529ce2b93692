-- The numbers of earlier epochs that have not been served: which users may still redeem theirs, and how many may be in front of them.
--
-- A run is packed as `first-last`, scored by its last. In `counted` it is `first-before`: how many were before it.

local function unpack_run(packed)
  local first, last = string.match(packed, '^(%d+)-(%d+)$')
  return tonumber(first), tonumber(last)
end

local function save_runs(key, runs)
  call_in_chunks('ZADD', key, runs)
  if #runs > 0 then redis.call('PEXPIRE', key, EARLIER_NUMBERS_TTL_MS) end
end

-- Saves the runs of valid tickets; returns how many are not counted in positions. Beside the runs of those up to the head,
-- everybody from there to the last number waits.
local function save_earlier_numbers(waiting, returned, head, sequence)
  local runs, counted, before, last_run = {}, {}, 0, 0
  local function add(first, last)
    runs[#runs + 1], runs[#runs + 2] = digits(last), digits(first) .. '-' .. digits(last)
    counted[#counted + 1], counted[#counted + 2] = digits(last), digits(first) .. '-' .. digits(before)
    before = before + last - first + 1
  end
  for packed in string.gmatch(waiting, '%S+') do add(unpack_run(packed)) end
  if sequence > head then add(head + 1, sequence) end
  save_runs(EARLIER_WAITING, runs)
  save_runs(EARLIER_RUNS, counted)

  local unclaimed, count = {}, 0
  for packed in string.gmatch(returned, '%S+') do
    local first, last = unpack_run(packed)
    unclaimed[#unclaimed + 1], unclaimed[#unclaimed + 2] = digits(last), packed
    count = count + last - first + 1
  end
  save_runs(EARLIER_UNCLAIMED, unclaimed)
  return digits(count)
end

-- Removes a number from the runs; false if it is in none.
local function remove_number(key, number)
  local packed = redis.call('ZRANGEBYSCORE', key, digits(number), '+inf', 'LIMIT', 0, 1)[1]
  if not packed then return false end
  local first, last = unpack_run(packed)
  if first > number then return false end
  if first < number then redis.call('ZADD', key, digits(number - 1), digits(first) .. '-' .. digits(number - 1)) end
  if number < last then redis.call('ZADD', key, digits(last), digits(number + 1) .. '-' .. digits(last)) end
  redis.call('ZREM', key, packed) -- last: an empty key would go, and the time of its end with it
  return true
end

-- The highest rank that this number can have once all are back.
local function max_rank(number)
  local run = redis.call('ZRANGEBYSCORE', EARLIER_RUNS, digits(number), '+inf', 'LIMIT', 0, 1)[1]
  if run then
    local first, before = unpack_run(run)
    return before + math.max(number + 1 - first, 0)
  end
  local highest = redis.call('ZREVRANGE', EARLIER_RUNS, 0, 0, 'WITHSCORES')
  if not highest[1] then return 0 end
  local first, before = unpack_run(highest[1])
  return before + tonumber(highest[2]) - first + 1
end
