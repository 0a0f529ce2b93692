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

-- The span in which a memory of this end is, as `length:number`.
local function span_of(ends, life)
  local length = MEMORY_SPAN_MS
  while life > length do length = 2 * length end
  return digits(length) .. ':' .. digits(math.floor(ends / length))
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

-- Collects memories to be written down together: the last of each name, unless that has ended.
local function notebook(now)
  local memories, end_of, life_of = {}, {}, {}
  return {
    -- Answers what is remembered. Memories of one kind of `life` share their spans, whatever is left of each.
    note = function(name, ends, life, booking, fingerprint)
      memories[name] = ends .. '\t' .. booking .. '\t' .. fingerprint
      end_of[name], life_of[name] = tonumber(ends), life
      return memories[name]
    end,
    write = function()
      local lists, ends = {}, {}
      for name, memory in pairs(memories) do
        if end_of[name] > now then
          local span = span_of(end_of[name], life_of[name])
          local list = lists[span] or {}
          list[#list + 1], list[#list + 2] = name, memory
          lists[span], ends[span] = list, math.max(ends[span] or 0, end_of[name])
        end
      end
      write_spans(lists, ends, now)
    end,
  }
end

local function forget_memories(names)
  each_span(function(span) with_all('HDEL', memory_key(span), names) end)
end
