-- Some of the users whose seats are counted. The next cursor is 0 behind the last.

if not load_meta() then return false end
local page, users = redis.call('HSCAN', USER_SEATS, arguments.cursor, 'COUNT', COUNTED_USERS_PAGE), {}
for i = 1, #page[2], 2 do users[#users + 1] = page[2][i] end
return put_counted_users({}, { next = page[1], users = users })
