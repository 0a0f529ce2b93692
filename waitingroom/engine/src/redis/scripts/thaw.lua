-- The queue goes on, and releases a moment later.

if not load_meta('server', 'server_seen', 'frozen', 'clock', 'release_from') or not is_same_server() then return false end
if meta.frozen then
  local now = math.max(clamp_clock(tonumber(arguments.now)), tonumber(meta.clock))
  begin_writing()
  redis.call('HSET', META, 'release_from', digits(math.max(tonumber(meta.release_from), now + RELEASE_DELAY_AFTER_FREEZE_MS)))
  redis.call('HDEL', META, 'frozen')
end
return true
