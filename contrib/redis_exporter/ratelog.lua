-- For redis_exporter's option -script. Returns names and values in turns, all as strings: the exporter rejects numbers.
-- It calls INFO and RL.STATS without RESET, so it changes nothing, and runs on replicas and with EVAL_RO too. If a script
-- fails, the exporter reports redis_up 0, so this one returns nothing where it has nothing to return.

local result = {}

local function add(name, value)
    result[#result + 1] = name
    -- tostring() would write large counts as 1e+15.
    result[#result + 1] = string.format("%.0f", value)
end

-- Without the module, or without the right to call the command. Asking first leaves no errors in the server's statistics
-- and no entries in ACL LOG.
local exists, permitted = pcall(redis.acl_check_cmd, "RL.STATS")
if not exists or not permitted then
    return result
end

local stats = redis.pcall("RL.STATS")
if stats.err then
    return result
end

-- The reply is a flat list of names and values. The value of `policies` is a list of names and such lists.
for i = 1, #stats, 2 do
    local count, value = stats[i], stats[i + 1]
    if type(value) == "number" then
        add("ratelog_" .. count, value)
    elseif count == "policies" then
        for j = 1, #value, 2 do
            local policy, counts = value[j], value[j + 1]
            for k = 1, #counts, 2 do
                if type(counts[k + 1]) == "number" then
                    add("ratelog_policy_" .. counts[k] .. ":" .. policy, counts[k + 1])
                elseif counts[k] == "denied_by_rule" then
                    for rule, denied in ipairs(counts[k + 1]) do
                        add("ratelog_policy_denied_by_rule:" .. rule .. ":" .. policy, denied)
                    end
                end
            end
        end
    end
end

local info = redis.pcall("INFO", "rl")
if type(info) == "string" then
    for _, field in ipairs({ "policies", "overrides", "monitor_bytes" }) do
        local value = info:match("rl_" .. field .. ":(%d+)")
        if value then
            add("ratelog_" .. field, tonumber(value))
        end
    end
    -- A value is a 64-bit float, which holds the first 13 of the 16 digits exactly. That is enough to compare nodes.
    local digest = info:match("rl_policies_digest:(%x%x%x%x%x%x%x%x%x%x%x%x%x)")
    if digest then
        add("ratelog_policies_digest", tonumber(digest, 16))
    end
end

return result
