-- A sliding-window log in a sorted set: KEYS[1], limit, window in milliseconds.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window * 1000)
local used = redis.call('ZCARD', KEYS[1])
if used < limit then
    redis.call('ZADD', KEYS[1], now, string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[1], window)
    return {1, limit, limit - used - 1, 0}
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {0, limit, 0, math.ceil((oldest + window * 1000 - now) / 1000)}
