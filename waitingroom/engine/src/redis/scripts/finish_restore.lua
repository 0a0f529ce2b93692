-- A node has restored all its users of an earlier epoch. With the last of the awaited nodes the queue is complete, and
-- releases.

local now = advance(tonumber(arguments.now), 'server', 'server_seen', 'counting_until', 'release_from')
if not now or not is_same_server() then return false end
local is_rebuilt = arguments.epoch == meta.epoch and now < tonumber(meta.counting_until)
if is_rebuilt and redis.call('SREM', AWAITED_NODES, arguments.node) == 1 and redis.call('SCARD', AWAITED_NODES) == 0 then
  -- A queue that was handed over meanwhile is held back for longer.
  local release_from = meta.release_from == meta.counting_until and now or meta.release_from
  redis.call('HSET', META, 'counting_until', exact(now), 'release_from', release_from)
end
return 1
