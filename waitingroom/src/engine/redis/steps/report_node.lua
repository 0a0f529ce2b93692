-- A node's sign of life; nodes not heard of for long are forgotten. ARGV: now, node. Answers 1 where it was alive until now.

local now = advance(tonumber(ARGV[1]))
if not now then return false end
local node = ARGV[2]
local before = tonumber(redis.call('ZSCORE', NODES, node))
local revived = redis.call('SREM', REVIVED, node) == 1
redis.call('ZADD', NODES, now, node)
redis.call('ZREMRANGEBYSCORE', NODES, '-inf', now - NODE_MEMORY_MS)
redis.call('PEXPIRE', NODES, NODE_MEMORY_MS)
return before and before + NODE_TIMEOUT_MS > now and not revived and 1 or 0
