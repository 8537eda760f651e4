// Copied from crates/client-core/src/ratelog.lua by `npm run embed-script`.

/** The hash of the script, for `EVALSHA`. */
export const SHA1 = "b72175cec8a2cfd1ecb5f57c0664c420646d2b3f";

/** The text of the script. */
export const TEXT = `-- Exact rate limits in a server without the Ratelog module, with the module's semantics and replies, over sorted sets.
-- Runs on Redis 5 and later and on every Valkey, by EVALSHA. A replica runs peeks only.
--
-- KEYS     the names of the logs: each key with ':ratelog-log' appended, so that the module never reads a sorted set
-- ARGV     check  cost rules limit window_ms [limit window_ms ...]     returns a decision of six integers
--          peek   cost rules limit window_ms [limit window_ms ...]     returns the same decision and writes nothing
--          mcheck cost (rules limit window_ms [limit window_ms ...])*  returns a decision per key; all or nothing
--          refund units                                                returns the units taken back
--          reset                                                       returns the units deleted
-- \`rules\` is the number of rules that follow. The caller must pass whole positive numbers under 2^53; a limit may be 0.
--
-- A log is one sorted set. A hit is the units recorded in one millisecond: its score is the instant, and its member is
-- the total of all units up to and including it. So one subtraction gives the units between two hits, and one search by
-- score gives the units in a window. Three more members have negative scores, so they come first:
--
--   retention  -(how long units stay in the log, in ms)
--   offset     -(ms by which the log's instants are ahead of the clock). It exists once the clock was behind the newest
--              hit: changing this one score shifts the whole log back.
--   base       -(the total at the last hit that was dropped). It exists once a hit was dropped.
--
-- A denied check writes nothing, unless the clock was behind.

local call = redis.call
local floor, max, min = math.floor, math.max, math.min

local function millis(time) return time[1] * 1000 + floor(time[2] / 1000) end

local now = millis(call('TIME')) -- the clock, read once

-- The maximum number of hits that one check drops, because dropping a million would block the server. Later checks drop
-- the rest.
local BATCH = 1000
local NEVER = math.huge

-- A number as an argument that is not a score. The server would receive a Lua number in a form such as '1e+8'.
local function text(number) return string.format('%.0f', number) end

-- The log at \`key\`, or nil and an error. If the clock is behind the newest hit, the log is shifted back to the clock.
local function open(key)
  -- At most three members with negative scores, and the oldest hit.
  local head = redis.pcall('ZRANGE', key, 0, 3, 'WITHSCORES')
  if head.err then return nil, head end
  local log = {
    key = key, clock = now, retention = 0, offset = 0, base = 0, oldest = 0, newest = 0, total = 0,
    totals_before = {}, -- by span
    changes = {}, -- scores and members to write
    pending = 0, record_for = 0, -- units to record, and how long they stay in the log
  }
  local size = #head
  if size == 0 then return log end
  local meta, index = {}, 1
  while index < size and tonumber(head[index + 1]) < 0 do
    meta[head[index]] = 0 - head[index + 1]
    index = index + 2
  end
  if not meta.retention or index > size then
    return nil, redis.error_reply('WRONGTYPE the sorted set is not one of Ratelog')
  end
  log.retention, log.offset, log.base = meta.retention, meta.offset or 0, meta.base or 0
  log.oldest = tonumber(head[index + 1])
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

-- The total of the units before the last \`span\` ms.
local function total_before(log, span)
  local boundary = log.clock - span
  if log.oldest > boundary then return log.base end
  local total = log.totals_before[span]
  if not total then
    total = tonumber(call('ZREVRANGEBYSCORE', log.key, boundary, 0, 'LIMIT', 0, 1)[1])
    log.totals_before[span] = total
  end
  return total
end

-- The units in the last \`span\` ms, and the ms until the last of them leaves the window.
local function usage(log, span)
  local lasts = log.newest + span - log.clock
  if lasts <= 0 then return 0, 0 end
  return log.total - total_before(log, span), lasts
end

-- The first hit in the last \`span\` ms whose total is at least \`target\`: its rank, total and instant. It must exist.
local function find(log, span, target)
  -- The rank of the first hit in the span. The members with negative scores count as well.
  local low = call('ZCOUNT', log.key, '-inf', max(log.clock - span, -1))
  -- A hit has at least one unit, so the totals bound the rank from both ends. If all hits have one unit, they give it.
  local high = low + target - total_before(log, span) - 1
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

local function add_change(log, score, member)
  local changes = log.changes
  changes[#changes + 1] = score
  changes[#changes + 1] = member
end

local function commit(log)
  if #log.changes > 0 then call('ZADD', log.key, unpack(log.changes)) end
end

-- How late a key expires at most. The expiry is set late so that it moves once in this time, not with each check.
local function slack(log) return min(5000, floor(log.retention / 16)) end

local function expire(log)
  call('PEXPIRE', log.key, text(log.newest + log.retention - log.clock + slack(log)))
end

local function drop_expired(log, at_once)
  local total = total_before(log, log.retention)
  if total == log.base then return end
  local boundary = log.clock - log.retention
  if not at_once and total - log.base > BATCH and call('ZCOUNT', log.key, 0, boundary) > BATCH then
    local first = call('ZCOUNT', log.key, '-inf', '(0')
    call('ZREMRANGEBYRANK', log.key, first, first + BATCH - 1)
  else
    call('ZREMRANGEBYSCORE', log.key, 0, boundary)
    add_change(log, -total, 'base')
  end
end

local operation = ARGV[1]

if operation == 'reset' or operation == 'refund' then
  local log, wrong = open(KEYS[1])
  if wrong then return wrong end
  local used = usage(log, log.retention)
  local units = operation == 'refund' and tonumber(ARGV[2]) or used
  if units >= used then
    if log.retention > 0 then call('UNLINK', log.key) end
    return used
  end
  local target = log.total - units
  local rank, total, instant = find(log, log.retention, target)
  if total == target then
    call('ZREMRANGEBYRANK', log.key, text(rank + 1), -1)
  else
    call('ZREMRANGEBYRANK', log.key, text(rank), -1)
    add_change(log, instant, text(target))
  end
  drop_expired(log, true)
  if log.shifted then add_change(log, -log.offset, 'offset') end
  commit(log)
  log.newest = instant
  expire(log)
  return units
end

-- The state of one rule for a check of \`units\`: the units that remain, the ms until the rule allows the check, and the
-- ms until its window is empty.
local function evaluate_rule(log, limit, window, units)
  local span = min(window, log.retention)
  local used, reset = usage(log, span)
  local excess = used + units - limit
  local retry = 0
  if units > limit then
    retry = NEVER
  elseif excess == 1 and log.oldest > log.clock - span then
    retry = log.oldest + span - log.clock
  elseif excess > 0 then
    local _, _, instant = find(log, span, total_before(log, span) + excess)
    retry = instant + span - log.clock
  end
  return max(0, limit - used), retry, reset
end

local function record_first(log)
  if log.retention > 0 then call('UNLINK', log.key) end
  log.clock, log.newest, log.retention = now, now, log.record_for
  add_change(log, -log.retention, 'retention')
  add_change(log, now, text(log.pending))
  commit(log)
  expire(log)
end

local function record(log)
  if log.newest <= log.clock - log.retention then return record_first(log) end
  local longer = log.record_for > log.retention
  -- A longer retention must not bring expired hits back, so they are all dropped first.
  drop_expired(log, longer)
  if longer then
    log.retention = log.record_for
    add_change(log, -log.retention, 'retention')
  end
  if log.shifted then add_change(log, -log.offset, 'offset') end
  add_change(log, log.clock, text(log.total + log.pending))
  commit(log)
  if log.clock == log.newest then call('ZREM', log.key, text(log.total)) end
  local late = slack(log)
  local moves = late == 0 or floor(log.clock / late) ~= floor(log.newest / late)
  log.newest = log.clock
  if longer or log.shifted or moves then expire(log) end
end

local function shift(log)
  add_change(log, -log.offset, 'offset')
  commit(log)
  expire(log)
end

local argument = 2

local function next_number()
  argument = argument + 1
  return tonumber(ARGV[argument])
end

-- The state of the binding rule, and the longest window.
local function decide(log, units)
  local binding, longest
  for _ = 1, next_number() do
    local limit, window = next_number(), next_number()
    local remaining, retry, reset = evaluate_rule(log, limit, window, units)
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

-- Each key is decided as if the keys before it had been recorded, which matters if a key occurs twice.
local cost = tonumber(ARGV[2])
local logs, opened, results, all_allowed = {}, {}, {}, true
for index, key in ipairs(KEYS) do
  local log = opened[key]
  if not log then
    local wrong
    log, wrong = open(key)
    if wrong then return wrong end
    opened[key] = log
    logs[#logs + 1] = log
  end
  local units = log.pending + cost
  local result, longest = decide(log, units)
  result.units = units
  results[index] = result
  if result.retry == 0 then
    log.pending = units
    log.record_for = max(log.record_for, longest)
  else
    all_allowed = false
  end
end

local record_all = all_allowed and operation ~= 'peek'
if operation ~= 'peek' then
  for _, log in ipairs(logs) do
    if record_all then record(log) elseif log.shifted then shift(log) end
  end
end

local replies = {}
for index, result in ipairs(results) do
  local remaining, retry, reset = result.remaining, result.retry, result.reset
  if record_all then remaining, reset = remaining - result.units, result.window end
  replies[index] = {
    retry == 0 and 1 or 0, result.limit, remaining, retry == NEVER and -1 or retry, reset, result.window,
  }
end
return operation == 'mcheck' and replies or replies[1]
`;
