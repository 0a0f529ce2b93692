-- The two memories that make a retry safe: burned passes and idempotency attempts. Needs `spans`.
--
-- A memory is `end <tab> booking <tab> fingerprint`. Whether it has ended is asked of the caller's clock. Those that end in the
-- same span of time share a hash, which goes when all of them have ended: a key each would be a command, two entries and an
-- expiry each. A span is as long as its memories live, rounded up: at any time, there are few.
-- Memories belong to an epoch: they need not be removed with it.

local function burned_name(pass)
  return 'p:' .. pass
end

local function attempt_name(digest)
  return 'a:' .. digest
end

local function memory_key(span)
  return base .. 'memory:' .. meta.epoch .. ':' .. span
end

-- Tells the span in which a memory of this end is, as `length:number`. It is mostly the one that was asked for last.
local function spans_of_ends()
  local length, number, span = MEMORY_SPAN_MS
  return function(ends, life)
    if life > length or (life <= length / 2 and length > MEMORY_SPAN_MS) then
      length, number = MEMORY_SPAN_MS, nil
      while life > length do length = 2 * length end
    end
    local asked = math.floor(ends / length)
    if asked ~= number then
      number, span = asked, digits(length) .. ':' .. digits(asked)
    end
    return span
  end
end

-- Calls for each span that has a hash.
local function each_span(visit)
  for span in string.gmatch(meta.spans or '', '%S+') do visit(span) end
end

-- The booking and the fingerprint of a memory that has not ended.
local function recollected(memory, now)
  if not memory then return nil end
  local ends, booking, fingerprint = string.match(memory, '^([^\t]*)\t([^\t]*)\t(.*)$')
  if tonumber(ends) <= now then return nil end
  return booking, fingerprint
end

-- The memories of these names that have not ended, by name.
local function recollect(names, now)
  local found = {}
  each_span(function(span)
    for i, memory in ipairs(redis.call('HMGET', memory_key(span), unpack(names))) do
      if recollected(memory, now) then found[names[i]] = memory end
    end
  end)
  return found
end

-- Takes up a span, and clears away those that are over.
local function begin_span(span, now)
  local kept = { span }
  each_span(function(earlier)
    local length, number = string.match(earlier, '^(%d+):(%d+)$')
    if (number + 1) * length + CLOCK_SLACK_MS > now then
      kept[#kept + 1] = earlier
    else
      redis.call('UNLINK', memory_key(earlier))
    end
  end)
  meta.spans = table.concat(kept, ' ')
  redis.call('HSET', META, 'spans', meta.spans)
end

local function is_begun(span)
  return string.find(' ' .. (meta.spans or '') .. ' ', ' ' .. span .. ' ', 1, true)
end

-- Writes down memories, one list of names and memories for each span. They stay until the last has ended, `ends[span]`.
local function write_spans(lists, ends, now)
  for span, memories in pairs(lists) do
    if not is_begun(span) then begin_span(span, now) end
    local key, left = memory_key(span), ends[span] - now + CLOCK_SLACK_MS
    with_all('HSET', key, memories)
    if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, digits(left)) end
  end
end

-- Collects memories to be written down together, save those that have ended. Each name is noted once.
local function notebook(now)
  local lists, last_ends, span_of = {}, {}, spans_of_ends()
  return {
    -- Answers what is remembered. Memories of one kind of `life` share their spans, whatever is left of each.
    note = function(name, ends, life, booking, fingerprint)
      local memory, moment = ends .. '\t' .. booking .. '\t' .. fingerprint, tonumber(ends)
      if moment > now then
        local span = span_of(moment, life)
        local list = lists[span]
        if not list then
          list = {}
          lists[span], last_ends[span] = list, moment
        end
        list[#list + 1], list[#list + 2] = name, memory
        if moment > last_ends[span] then last_ends[span] = moment end
      end
      return memory
    end,
    write = function() write_spans(lists, last_ends, now) end,
  }
end

local function forget_memories(names)
  each_span(function(span) with_all('HDEL', memory_key(span), names) end)
end
