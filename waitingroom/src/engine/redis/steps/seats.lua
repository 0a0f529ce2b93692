-- The inventory: zone and available seats of each, in no order.

if not recall() then return false end
return redis.call('HGETALL', ZONES)
