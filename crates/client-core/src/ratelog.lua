-- Exact rate limits in a server without the Ratelog module: the module's semantics and replies, over sorted sets.
-- For Redis 5 and later and every Valkey; by EVALSHA, on a replica too (there only peeks).
--
-- KEYS     the subjects' keys, each with ':ratelog-log' behind it, so that the module never meets a sorted set
-- ARGV     check  cost rules limit window_ms [limit window_ms ...]     one decision: six integers
--          peek   cost rules limit window_ms [limit window_ms ...]     the same, and nothing is written
--          mcheck cost (rules limit window_ms [limit window_ms ...])*  a decision for each of KEYS; all or nothing
--          refund units                                                units taken back
--          reset                                                       units forgotten
-- `rules` is how many follow. Numbers are whole, positive and under 2^53; the caller sees to that.
--
-- A log is one sorted set. A hit is the units of one millisecond: its score is the instant, its member the total of all
-- units up to and with it. So the units between two hits are one subtraction, and what a window holds is one search by
-- score. What the log knows besides has negative scores, and comes first:
--
--   retention  -(how long units are kept, in ms)
--   offset     -(ms by which the log's instants are ahead of the clock), once the clock was behind the newest hit:
--              shifting the whole log back is to move this one score
--   base       -(the total at the last hit that was dropped), once one was
--
-- A denied check writes nothing, unless the clock was behind.

local call = redis.call
local floor, max, min = math.floor, math.max, math.min

local function millis(time) return time[1] * 1000 + floor(time[2] / 1000) end

local now = millis(call('TIME')) -- the clock, read once

-- The most hits that one check drops, lest a million of them at once hold the server up. Later checks drop the rest.
local BATCH = 1000
local NEVER = math.huge

-- A number as the server takes it where it is no score: as a Lua number it may arrive as '1e+8'.
local function text(number) return string.format('%.0f', number) end

-- The log at `key`, where a clock behind its newest hit is taken to be at it; or nil and an error.
local function open(key)
  -- The log's own members, three at most, and the oldest hit.
  local head = redis.pcall('ZRANGE', key, 0, 3, 'WITHSCORES')
  if head.err then return nil, head end
  local log = {
    key = key, clock = now, retention = 0, offset = 0, base = 0, oldest = 0, newest = 0, total = 0,
    befores = {}, -- by span
    changes = {}, -- scores and members to be put
    pending = 0, keep = 0, -- units to be recorded, and for how long
  }
  local size = #head
  if size == 0 then return log end
  local own, place = {}, 1
  while place < size and tonumber(head[place + 1]) < 0 do
    own[head[place]] = 0 - head[place + 1]
    place = place + 2
  end
  if not own.retention or place > size then
    return nil, redis.error_reply('WRONGTYPE the sorted set is not one of Ratelog')
  end
  log.retention, log.offset, log.base = own.retention, own.offset or 0, own.base or 0
  log.oldest = tonumber(head[place + 1])
  local total, newest = head[size - 1], head[size]
  if size == 8 then
    local last = call('ZRANGE', key, -1, -1, 'WITHSCORES')
    total, newest = last[1], last[2]
  end
  log.total, log.newest = tonumber(total), tonumber(newest)
  log.clock = now + log.offset
  if log.newest > log.clock then
    log.offset = log.newest - now
    log.clock = log.newest
    log.shifted = true
  end
  return log
end

-- The total before the last `span` ms.
local function before(log, span)
  local boundary = log.clock - span
  if log.oldest > boundary then return log.base end
  local total = log.befores[span]
  if not total then
    total = tonumber(call('ZREVRANGEBYSCORE', log.key, boundary, 0, 'LIMIT', 0, 1)[1])
    log.befores[span] = total
  end
  return total
end

-- The units of the last `span` ms, and the ms until the last of them leaves.
local function usage(log, span)
  local lasts = log.newest + span - log.clock
  if lasts <= 0 then return 0, 0 end
  return log.total - before(log, span), lasts
end

-- The first hit of the last `span` ms whose total is `target` or more: its rank, total and instant. There is one.
local function find(log, span, target)
  -- Below the log's own scores there is nothing to count.
  local low = call('ZCOUNT', log.key, '-inf', max(log.clock - span, -1))
  -- A hit has at least one unit, so the totals bound the ranks from both ends; hits of one unit tell them.
  local high = low + target - before(log, span) - 1
  if low < high then
    local last = call('ZCARD', log.key) - 1
    low = max(low, last - (log.total - target))
    high = min(high, last)
  end
  while low < high do
    local middle = floor((low + high) / 2)
    local hit = call('ZRANGE', log.key, text(middle), text(middle))
    if tonumber(hit[1]) < target then low = middle + 1 else high = middle end
  end
  local hit = call('ZRANGE', log.key, text(low), text(low), 'WITHSCORES')
  return low, tonumber(hit[1]), tonumber(hit[2])
end

local function put(log, score, member)
  local changes = log.changes
  changes[#changes + 1] = score
  changes[#changes + 1] = member
end

local function commit(log)
  if #log.changes > 0 then call('ZADD', log.key, unpack(log.changes)) end
end

-- The expiry is set this much late, so that it need not move at each check but only once in such a time.
local function slack(log) return min(5000, floor(log.retention / 16)) end

local function expire(log)
  call('PEXPIRE', log.key, text(log.newest + log.retention - log.clock + slack(log)))
end

local function drop_expired(log, at_once)
  local total = before(log, log.retention)
  if total == log.base then return end
  local boundary = log.clock - log.retention
  if not at_once and total - log.base > BATCH and call('ZCOUNT', log.key, 0, boundary) > BATCH then
    local first = call('ZCOUNT', log.key, '-inf', '(0')
    call('ZREMRANGEBYRANK', log.key, first, first + BATCH - 1)
  else
    call('ZREMRANGEBYSCORE', log.key, 0, boundary)
    put(log, -total, 'base')
  end
end

local operation = ARGV[1]

if operation == 'reset' or operation == 'refund' then
  local log, wrong = open(KEYS[1])
  if wrong then return wrong end
  local held = usage(log, log.retention)
  local units = operation == 'refund' and tonumber(ARGV[2]) or held
  if units >= held then
    if log.retention > 0 then call('UNLINK', log.key) end
    return held
  end
  local kept = log.total - units
  local rank, total, instant = find(log, log.retention, kept)
  if total == kept then
    call('ZREMRANGEBYRANK', log.key, text(rank + 1), -1)
  else
    call('ZREMRANGEBYRANK', log.key, text(rank), -1)
    put(log, instant, text(kept))
  end
  drop_expired(log, true)
  if log.shifted then put(log, -log.offset, 'offset') end
  commit(log)
  log.newest = instant
  expire(log)
  return units
end

-- How one rule stands towards a check of `units`: what remains, and the ms until it lets the check pass and until its
-- window is empty.
local function stand(log, limit, window, units)
  local span = min(window, log.retention)
  local used, reset = usage(log, span)
  local excess = used + units - limit
  local retry = 0
  if units > limit then
    retry = NEVER
  elseif excess == 1 and log.oldest > log.clock - span then
    retry = log.oldest + span - log.clock
  elseif excess > 0 then
    local _, _, instant = find(log, span, before(log, span) + excess)
    retry = instant + span - log.clock
  end
  return max(0, limit - used), retry, reset
end

local function record_first(log)
  if log.retention > 0 then call('UNLINK', log.key) end
  log.clock, log.newest, log.retention = now, now, log.keep
  put(log, -log.retention, 'retention')
  put(log, now, text(log.pending))
  commit(log)
  expire(log)
end

local function record(log)
  if log.newest <= log.clock - log.retention then return record_first(log) end
  local longer = log.keep > log.retention
  -- What has expired must not be kept after all by a retention that grows.
  drop_expired(log, longer)
  if longer then
    log.retention = log.keep
    put(log, -log.retention, 'retention')
  end
  if log.shifted then put(log, -log.offset, 'offset') end
  put(log, log.clock, text(log.total + log.pending))
  commit(log)
  if log.clock == log.newest then call('ZREM', log.key, text(log.total)) end
  local late = slack(log)
  local moves = late == 0 or floor(log.clock / late) ~= floor(log.newest / late)
  log.newest = log.clock
  if longer or log.shifted or moves then expire(log) end
end

local function shift(log)
  put(log, -log.offset, 'offset')
  commit(log)
  expire(log)
end

local word = 2

local function next_number()
  word = word + 1
  return tonumber(ARGV[word])
end

-- The binding rule's standing, and the longest window.
local function decide(log, units)
  local binding, longest
  for _ = 1, next_number() do
    local limit, window = next_number(), next_number()
    local remaining, retry, reset = stand(log, limit, window, units)
    local binds
    if not binding then
      binding, longest, binds = {}, 0, true
    elseif retry == 0 and binding.retry == 0 then
      binds = remaining < binding.remaining
    else
      binds = retry > binding.retry
    end
    if binds then
      binding.limit, binding.window = limit, window
      binding.remaining, binding.retry, binding.reset = remaining, retry, reset
    end
    longest = max(longest, window)
  end
  return binding, longest
end

-- Each key is decided as if those before it had been recorded, which counts where a key is given twice.
local cost = tonumber(ARGV[2])
local logs, opened, standings, all = {}, {}, {}, true
for place, key in ipairs(KEYS) do
  local log = opened[key]
  if not log then
    local wrong
    log, wrong = open(key)
    if wrong then return wrong end
    opened[key] = log
    logs[#logs + 1] = log
  end
  local units = log.pending + cost
  local standing, longest = decide(log, units)
  standing.units = units
  standings[place] = standing
  if standing.retry == 0 then
    log.pending = units
    log.keep = max(log.keep, longest)
  else
    all = false
  end
end

local records = all and operation ~= 'peek'
if operation ~= 'peek' then
  for _, log in ipairs(logs) do
    if records then record(log) elseif log.shifted then shift(log) end
  end
end

local replies = {}
for place, standing in ipairs(standings) do
  local remaining, retry, reset = standing.remaining, standing.retry, standing.reset
  if records then remaining, reset = remaining - standing.units, standing.window end
  replies[place] = {
    retry == 0 and 1 or 0, standing.limit, remaining, retry == NEVER and -1 or retry, reset, standing.window,
  }
end
return operation == 'mcheck' and replies or replies[1]
