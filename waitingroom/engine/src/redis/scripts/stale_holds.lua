-- Holds whose end was due, or whose commit was not reported, for a time; oldest first.
--
-- A commit under way was stamped by the event's clock, which is never far ahead of Redis' own; so is the moment that it is judged by.

if not load_meta() then return false end
local before = clamp_clock(tonumber(arguments.now)) - tonumber(arguments.stale_after_ms)
-- Those of one kind: booking, moment and whether it is pending.
local function before_of(key, pending)
  local found, holds = redis.call('ZRANGEBYSCORE', key, '-inf', exact(before), 'WITHSCORES', 'LIMIT', 0, arguments.limit), {}
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
for i = 1, math.min(#holds, tonumber(arguments.limit)) do put_stale_hold(answer, holds[i]) end
return answer
