-- Holds whose end was due, or whose commit was not reported, for a time. ARGV: now, the time, limit.
-- Answers booking and 1 (pending) or 0 of each, oldest first.
--
-- A commit under way was stamped by the event's clock, which is never far ahead of Redis' own; so is the moment that it is judged by.

if not recall() then return false end
local before = believable(tonumber(ARGV[1])) - tonumber(ARGV[2])
local bookings = redis.call('ZRANGEBYSCORE', DUE, '-inf', exact(before), 'LIMIT', 0, ARGV[3])
local answer = {}
for _, booking in ipairs(bookings) do
  answer[#answer + 1] = booking
  answer[#answer + 1] = redis.call('SISMEMBER', PENDING, booking)
end
return answer
