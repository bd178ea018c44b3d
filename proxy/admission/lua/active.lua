-- Sums a tally: answers {route, number, ...} for what is counted still, and takes out all else.
-- Goes on where common.lua ends. KEYS[1]: the tally. ARGV: now.

local stored = redis.pcall('HGETALL', KEYS[1])
if is_no_hash(stored) then
  redis.call('DEL', KEYS[1])
  return {}
end

local numbers = {}
for i = 1, #stored, 2 do
  local number = tonumber(stored[i + 1])
  local readable, until_ms, behind = pcall(struct.unpack, INSTANT_FORMAT, stored[i])
  if readable and until_ms > now and number and number > 0 then
    local route = stored[i]:sub(behind)
    numbers[route] = (numbers[route] or 0) + number
  else
    redis.call('HDEL', KEYS[1], stored[i])
  end
end

local told = {}
for route, number in pairs(numbers) do
  told[#told + 1] = route
  told[#told + 1] = number
end
return told
