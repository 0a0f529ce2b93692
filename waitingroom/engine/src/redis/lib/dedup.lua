-- The records that make a retry safe: redeemed passes and idempotency attempts. Needs the meta field `spans`.
--
-- A record is `end <tab> booking <tab> fingerprint`. The caller's clock decides whether it has ended. Records that end in the
-- same bucket of time share a hash, which expires when all of them have ended: a key each would be a command, two entries and an
-- expiry each. A bucket is as long as its records live, rounded up: at any time, there are few.
-- Records belong to an epoch: they need not be deleted with it.

local function pass_key(pass)
  return 'p:' .. pass
end

local function attempt_key(digest)
  return 'a:' .. digest
end

local function bucket_key(bucket)
  return base .. 'memory:' .. meta.epoch .. ':' .. bucket
end

-- Finds the bucket of a record by its end, as `length:number`. Mostly it is the one that was found last.
local function bucket_finder()
  local length, number, bucket = DEDUP_BUCKET_MS
  return function(ends, life)
    if life > length or (life <= length / 2 and length > DEDUP_BUCKET_MS) then
      length, number = DEDUP_BUCKET_MS, nil
      while life > length do length = 2 * length end
    end
    local asked = math.floor(ends / length)
    if asked ~= number then
      number, bucket = asked, digits(length) .. ':' .. digits(asked)
    end
    return bucket
  end
end

-- Calls `visit` for each bucket that has a hash.
local function each_bucket(visit)
  for bucket in string.gmatch(meta.spans or '', '%S+') do visit(bucket) end
end

-- The booking and the fingerprint of a record that has not ended.
local function read_record(record, now)
  if not record then return nil end
  local ends, booking, fingerprint = string.match(record, '^([^\t]*)\t([^\t]*)\t(.*)$')
  if tonumber(ends) <= now then return nil end
  return booking, fingerprint
end

-- The records of these names that have not ended, by name.
local function lookup(names, now)
  local found = {}
  each_bucket(function(bucket)
    for i, record in ipairs(redis.call('HMGET', bucket_key(bucket), unpack(names))) do
      if read_record(record, now) then found[names[i]] = record end
    end
  end)
  return found
end

-- Opens a bucket, and deletes those that have ended.
local function open_bucket(bucket, now)
  local kept = { bucket }
  each_bucket(function(earlier)
    local length, number = string.match(earlier, '^(%d+):(%d+)$')
    if (number + 1) * length + CLOCK_SLACK_MS > now then
      kept[#kept + 1] = earlier
    else
      redis.call('UNLINK', bucket_key(earlier))
    end
  end)
  meta.spans = table.concat(kept, ' ')
  redis.call('HSET', META, 'spans', meta.spans)
end

local function is_open(bucket)
  return string.find(' ' .. (meta.spans or '') .. ' ', ' ' .. bucket .. ' ', 1, true)
end

-- Writes records, one list of names and records for each bucket. A bucket stays until its last record has ended, `ends[span]`.
local function write_buckets(lists, ends, now)
  for bucket, records in pairs(lists) do
    if not is_open(bucket) then open_bucket(bucket, now) end
    local key, left = bucket_key(bucket), ends[bucket] - now + CLOCK_SLACK_MS
    call_in_chunks('HSET', key, records)
    if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, digits(left)) end
  end
end

-- Collects records to be written together, except those that have ended. Each name is added once.
local function record_writer(now)
  local lists, last_ends, bucket_of = {}, {}, bucket_finder()
  return {
    -- Returns the record. Records with the same `life` share their buckets, whatever is left of each.
    add = function(name, ends, life, booking, fingerprint)
      local record, moment = ends .. '\t' .. booking .. '\t' .. fingerprint, tonumber(ends)
      if moment > now then
        local bucket = bucket_of(moment, life)
        local list = lists[bucket]
        if not list then
          list = {}
          lists[bucket], last_ends[bucket] = list, moment
        end
        list[#list + 1], list[#list + 2] = name, record
        if moment > last_ends[bucket] then last_ends[bucket] = moment end
      end
      return record
    end,
    write = function() write_buckets(lists, last_ends, now) end,
  }
end

local function delete_records(names)
  each_bucket(function(bucket) call_in_chunks('HDEL', bucket_key(bucket), names) end)
end
