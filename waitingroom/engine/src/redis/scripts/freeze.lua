-- Freezes the queue. The mark is the last that is written.

if not load_meta('server', 'server_seen') or not is_same_server() then return false end
begin_writing()
redis.call('HSET', META, 'frozen', arguments.mark)
return true
