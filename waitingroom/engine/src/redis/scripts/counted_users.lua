-- Some of the users whose seats are counted. ARGV: the cursor. Answers the next cursor (0 behind the last) and the users.

if not load_meta() then return false end
local page, users = redis.call('HSCAN', USER_SEATS, ARGV[1], 'COUNT', COUNTED_USERS_PAGE), {}
for i = 1, #page[2], 2 do users[#users + 1] = page[2][i] end
return { page[1], users }
