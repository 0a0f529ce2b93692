-- Gives the place, or the pass, up. ARGV: now, user. Answers 1, or 0 where there was none.

if not advance(tonumber(ARGV[1])) then return false end
local entry = entry_of(ARGV[2])
if not entry or entry.standing == 's' then return 0 end
drop_place(ARGV[2], entry)
redis.call('HINCRBY', META, 'left', 1)
return 1
