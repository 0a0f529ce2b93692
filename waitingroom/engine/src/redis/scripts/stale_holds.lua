-- Holds whose end was due, or whose commit was not reported, for a time. ARGV: now, the time, limit.
-- Answers booking and 1 (pending) or 0 of each, oldest first.
--
-- A commit under way was stamped by the event's clock, which is never far ahead of Redis' own; so is the moment that it is judged by.

if not load_meta() then return false end
local before = clamp_clock(tonumber(ARGV[1])) - tonumber(ARGV[2])
-- Those of one kind: booking, moment and whether it is pending.
local function before_of(key, pending)
  local found, holds = redis.call('ZRANGEBYSCORE', key, '-inf', exact(before), 'WITHSCORES', 'LIMIT', 0, ARGV[3]), {}
  for i = 1, #found, 2 do
    holds[#holds + 1] = { booking = found[i], moment = tonumber(found[i + 1]), pending = pending }
  end
  return holds
end

local holds = before_of(UNCOMMITTED, 1)
for _, hold in ipairs(before_of(HOLD_ENDS, 0)) do holds[#holds + 1] = hold end
table.sort(holds, function(one, other)
  if one.moment ~= other.moment then return one.moment < other.moment end
  return one.booking < other.booking
end)
local answer = {}
for i = 1, math.min(#holds, tonumber(ARGV[3])) do
  answer[#answer + 1], answer[#answer + 2] = holds[i].booking, holds[i].pending
end
return answer
