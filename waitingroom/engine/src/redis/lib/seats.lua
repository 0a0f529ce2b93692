-- The seats: zones and holds.

-- How many seats of these holds belong to each of their zones, or users.
local function seats_by(holds, name)
  local seats = {}
  for _, hold in ipairs(holds) do seats[hold[name]] = (seats[hold[name]] or 0) + hold.quantity end
  return seats
end

-- The seats of holds that are over. A zone that is gone is left alone.
local function release_seats(holds)
  for zone, seats in pairs(seats_by(holds, 'zone')) do
    if redis.call('HEXISTS', ZONES, zone) == 1 then
      redis.call('HINCRBY', ZONES, zone, seats)
      redis.call('HINCRBY', META, 'seats_left', seats)
    end
  end
  for user, seats in pairs(seats_by(holds, 'user')) do
    local held = redis.call('HGET', USER_SEATS, user)
    if held and tonumber(held) <= seats then
      redis.call('HDEL', USER_SEATS, user)
    elseif held then
      redis.call('HINCRBY', USER_SEATS, user, -seats)
    end
  end
end

-- The hold that used the pass is committed or ended: the user has no place any more.
local function finish_redeem(user, pass)
  if not entry_with_pass(user, 's', pass) then return end
  redis.call('HDEL', USERS, user)
  redis.call('HDEL', PUSH, user)
  redis.call('ZREM', ACTIVE, user)
end

-- A part of an inventory that is being loaded.
local function staged(load, part)
  return base .. 'load:' .. load .. ':' .. part
end
