-- A fixed window: KEYS[1], limit, window in milliseconds. It allows twice the limit at a window's edge.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local used = redis.call('INCR', KEYS[1])
if used == 1 then
    redis.call('PEXPIRE', KEYS[1], window)
end
if used <= limit then
    return {1, limit, limit - used, 0}
end
return {0, limit, 0, redis.call('PTTL', KEYS[1])}
