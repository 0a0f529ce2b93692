-- Tries each command that the steps use, on a key that does not exist, so that nothing changes. Answers those that the user may not use.
-- Redis says so for a script without the command's name: here it has one. KEYS: the key.

local key = KEYS[1]
local commands = {
  { 'DEL', key }, { 'EXISTS', key }, { 'GET', key }, { 'HDEL', key, 'x' }, { 'HEXISTS', key, 'x' }, { 'HGET', key, 'x' }, { 'HGETALL', key },
  { 'HINCRBY', key, 'x', 0 }, { 'HLEN', key }, { 'HMGET', key, 'x' }, { 'HRANDFIELD', key, 1, 'WITHVALUES' }, { 'HSCAN', key, 0 }, { 'HSET', key, 'x', 'x' },
  { 'HVALS', key }, { 'DEL', key }, { 'INFO', 'server' }, { 'LLEN', key }, { 'LRANGE', key, 0, 0 }, { 'LTRIM', key, 0, 0 },
  { 'RPUSH', key, 'x' }, { 'DEL', key }, { 'PERSIST', key }, { 'PEXPIRE', key, 1000 }, { 'PTTL', key }, { 'RENAME', key, key },
  { 'SADD', key, 'x' }, { 'SCARD', key }, { 'SMEMBERS', key }, { 'SREM', key, 'x' }, { 'DEL', key }, { 'SET', key, 'x', 'PX', 1000 },
  { 'SETRANGE', key, 0, '' }, { 'DEL', key }, { 'TIME' }, { 'UNLINK', key }, { 'ZADD', key, 1, 'x' }, { 'ZCARD', key },
  { 'ZCOUNT', key, 0, 1 }, { 'ZPOPMIN', key, 1 }, { 'ZRANGE', key, 0, 0 }, { 'ZRANGEBYSCORE', key, 0, 1 }, { 'ZRANK', key, 'x' },
  { 'ZREM', key, 'x' }, { 'ZREMRANGEBYSCORE', key, 0, 1 }, { 'ZREVRANGE', key, 0, 0 }, { 'ZSCORE', key, 'x' }, { 'DEL', key },
}
local refused, seen = {}, {}
for _, command in ipairs(commands) do
  local answer = redis.pcall(unpack(command))
  local why = type(answer) == 'table' and answer.err
  local is_right = why and (string.find(why, 'NOPERM', 1, true) or string.find(why, 'ACL failure', 1, true)
    or string.find(why, "can't run this command", 1, true) or string.find(why, "can't access", 1, true)
    or string.find(why, 'no permissions', 1, true))
  if is_right and not seen[command[1]] then
    seen[command[1]] = true
    refused[#refused + 1] = command[1]
  end
end
return refused
