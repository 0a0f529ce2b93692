-- Stops new holds for a while and records settlements. Answers how many holds wait for their commit.

local now = advance(tonumber(arguments.now))
if not now then return false end
redis.call('HSET', META, 'sync_until', now + SYNC_WINDOW_MS)
redis.call('UNLINK', JOURNAL)
return redis.call('ZCARD', UNCOMMITTED)
