-- Takes a place at the end, or finds the user's own. ARGV: now, user, node (empty: a poll), ticket's epoch and number (or
-- empty). Answers {what, place}, {'not_open', state} or {'full'}.

local now = advance(tonumber(ARGV[1]), 'published', 'state', 'max_in_line', 'opening_sequence', 'opening_head')
if not now then return false end
local user, node = ARGV[2], ARGV[3]

local own = entry_of(user)
if own and own.standing ~= 's' then
  if appear(user, own, node, now) then keep(user, own) end
  return { 'same', place(own) }
end
if meta.state ~= 'open' and meta.state ~= 'paused' and meta.state ~= 'sold_out' then return { 'not_open', meta.state } end
if total() >= tonumber(meta.max_in_line) then return { 'full' } end

-- The number of a ticket of an earlier epoch that was not served and not re-presented; else the next.
local function seat_number(epoch, number)
  local unserved = number and number > tonumber(meta.opening_head) and number <= tonumber(meta.opening_sequence)
  if unserved and epoch ~= meta.epoch and redis.call('SADD', RESEATED, exact(number)) == 1 then
    redis.call('PEXPIRE', RESEATED, RESEATED_MEMORY_MS)
    return number
  end
  return redis.call('HINCRBY', META, 'sequence', 1)
end

redis.call('ZREM', ACTIVE, user) -- of a pass whose hold is not committed: it can not come back from here
local number = exact(seat_number(ARGV[4], tonumber(ARGV[5])))
local entry = { number = number, standing = 'w', nodes = '', pass = '' }
redis.call('ZADD', WAITING, number, number)
appear(user, entry, node, now)
keep(user, entry)
return { 'joined', place(entry) }
