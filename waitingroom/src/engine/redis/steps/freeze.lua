-- Lets the line stand still. The mark is the last that is written. ARGV: the mark.

if not recall('server', 'server_seen') or not is_whole() then return false end
begin_writing()
redis.call('HSET', META, 'frozen', ARGV[1])
return true
