-- The inventory: zone and available seats of each, in no order.

if not load_meta() then return false end
return redis.call('HGETALL', ZONES)
