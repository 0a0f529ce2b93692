-- Finds the user's own place and marks them present. ARGV: now, user, node (empty: a poll). Answers the place or nothing.

local now = advance(tonumber(ARGV[1]), 'published')
if not now then return false end
local user = ARGV[2]
local entry = entry_of(user)
if not entry or entry.standing == 's' then return {} end
if appear(user, entry, ARGV[3], now) then keep(user, entry) end
return place(entry)
