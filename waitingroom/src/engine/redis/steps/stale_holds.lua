-- Holds whose end was due, or whose commit was not reported, before a moment. ARGV: the moment, limit.
-- Answers booking and 1 (pending) or 0 of each, oldest first.

if not recall() then return false end
local bookings = redis.call('ZRANGEBYSCORE', DUE, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local answer = {}
for _, booking in ipairs(bookings) do
  answer[#answer + 1] = booking
  answer[#answer + 1] = redis.call('SISMEMBER', PENDING, booking)
end
return answer
