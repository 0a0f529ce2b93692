-- How far the line has come. Answers sequence, head, the numbers up to the head that wait, those whose pass was taken back, those
-- whose pass has reached nobody and 1 where these are all; then the runs of earlier epochs that count and 1 where there are more, and those that
-- are out of everybody's count in the same way. Of each at most so many.

if not recall('server', 'server_seen', 'sequence', 'head') or not is_whole() then return false end

local function up_to_head(key)
  return redis.call('ZRANGEBYSCORE', key, '-inf', meta.head, 'LIMIT', 0, UNSERVED_RUNS + 1)
end

-- The last of them may begin below the head and end above it.
local function runs(key)
  local all = up_to_head(key)
  if #all > UNSERVED_RUNS then return all, 1 end
  local next_run = redis.call('ZRANGEBYSCORE', key, '(' .. meta.head, '+inf', 'LIMIT', 0, 1)[1]
  if next_run and tonumber(string.match(next_run, '^%d+')) <= tonumber(meta.head) then all[#all + 1] = next_run end
  return all, 0
end

local function unreached()
  local users, numbers = redis.call('ZRANGE', UNACKED, 0, UNSERVED_PASSES - 1), {}
  for first = 1, #users, 4000 do
    local some = { unpack(users, first, math.min(first + 3999, #users)) }
    for _, packed in ipairs(redis.call('HMGET', USERS, unpack(some))) do
      local number = packed and string.match(packed, '^(%d+)\tp')
      if number then numbers[#numbers + 1] = number end
    end
  end
  return numbers, #users < UNSERVED_PASSES and 1 or 0
end

local numbers, all_unreached = unreached()
local earlier, more_earlier = runs(EARLIER)
local unclaimed, more_unclaimed = runs(UNCLAIMED)
return { meta.sequence, meta.head, up_to_head(WAITING), up_to_head(RETURNED), numbers, all_unreached,
  earlier, more_earlier, unclaimed, more_unclaimed }
