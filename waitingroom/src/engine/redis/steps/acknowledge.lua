-- The pass has arrived. ARGV: now, user, pass. Answers 1, or 0 where it is not live.

local now = advance(tonumber(ARGV[1]))
if not now then return false end
local entry = entry_with_pass(ARGV[2], 'p', ARGV[3])
if not entry or tonumber(entry.expires) <= now then return 0 end
redis.call('ZREM', UNACKED, ARGV[2])
return 1
