-- A heartbeat of a node; nodes without one for long are deleted. Replies 1 if it was alive until now.

local now = advance(tonumber(arguments.now))
if not now then return false end
local node = arguments.node
local before = tonumber(redis.call('ZSCORE', NODES, node))
local revived = redis.call('SREM', RETURNING_NODES, node) == 1
redis.call('ZADD', NODES, now, node)
redis.call('ZREMRANGEBYSCORE', NODES, '-inf', now - NODE_RETENTION_MS)
redis.call('PEXPIRE', NODES, NODE_RETENTION_MS)
return before and before + NODE_TIMEOUT_MS > now and not revived and 1 or 0
