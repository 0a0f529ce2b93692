-- The line goes on, and releases a moment later. ARGV: now.

if not recall('server', 'server_seen', 'frozen', 'clock', 'release_from') or not is_whole() then return false end
if meta.frozen then
  local now = math.max(believable(tonumber(ARGV[1])), tonumber(meta.clock))
  begin_writing()
  redis.call('HSET', META, 'release_from', digits(math.max(tonumber(meta.release_from), now + AFTER_FREEZE_MS)))
  redis.call('HDEL', META, 'frozen')
end
return true
