-- Burns the pass and holds the seats, both or neither. ARGV: now, user, zone, quantity, pass, pass's epoch, pass's end,
-- booking, hold's end, user's limit, attempt (or empty), fingerprint. Answers {outcome, value}.

local now = advance(tonumber(ARGV[1]), 'sync_until')
if not now then return false end
local pass, pass_epoch, pass_ends, booking = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local attempt, fingerprint = ARGV[11], ARGV[12]
local hold = { user = ARGV[2], zone = ARGV[3], quantity = tonumber(ARGV[4]) }

if attempt ~= '' then
  local earlier, asked = remembered(attempt_key(attempt), now)
  if earlier and asked ~= fingerprint then return { 'mismatch' } end
  if earlier then return { 'replayed', earlier } end
end
local used_for = remembered(burned_key(pass), now)
if used_for then return { 'pass_used', used_for } end
if tonumber(meta.sync_until) > now then return { 'syncing' } end
if tonumber(pass_ends) <= now then return { 'pass_expired' } end
-- A pass of an earlier epoch is taken for live: the database decides whether it was used.
local entry = entry_with_pass(hold.user, 'p', pass)
if pass_epoch == meta.epoch and not entry then return { 'pass_revoked' } end
local available = tonumber(redis.call('HGET', ZONES, hold.zone))
if not available then return { 'unknown_zone' } end
local room = math.max(tonumber(ARGV[10]) - (tonumber(redis.call('HGET', USER_SEATS, hold.user)) or 0), 0)
if hold.quantity > room then return { 'user_limit', room } end
if hold.quantity > available then return { 'insufficient', available } end

take(hold)
remember(burned_key(pass), pass_ends, now, booking, '')
if attempt ~= '' then remember(attempt_key(attempt), ARGV[9], now, booking, fingerprint) end
redis.call('HSET', HOLDS, booking, table.concat({ hold.user, hold.zone, ARGV[4], ARGV[9], pass, attempt }, '\t'))
redis.call('SADD', PENDING, booking)
redis.call('ZADD', DUE, now, booking)
if entry then
  -- The pass goes on counting as active until the commit: one that fails must not bring it back above the cap.
  redis.call('ZREM', UNACKED, hold.user)
  redis.call('ZREM', IDLE, hold.user)
  entry.standing = 's'
  keep(hold.user, entry)
end
return { 'held' }
