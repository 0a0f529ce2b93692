-- A node's sign of life; nodes not heard of for long are forgotten. ARGV: now, node.

local now = advance(tonumber(ARGV[1]))
if not now then return false end
redis.call('ZADD', NODES, now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', NODES, '-inf', now - NODE_MEMORY_MS)
redis.call('PEXPIRE', NODES, NODE_MEMORY_MS)
return true
