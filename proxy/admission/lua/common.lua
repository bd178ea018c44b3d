-- What every script begins with: the time, and how a key looks that is not ours.
-- ARGV[1]  the time in milliseconds, or '' for the server's own.

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = clock()
-- Keys expire by the server's own clock; one that lives by another clock must not be lost to it.
local spare = ARGV[1] == '' and 0 or SPARE_MS

-- Tells whether a command found something else than a hash; any other failure is the caller's.
local function is_no_hash(reply)
  if type(reply) ~= 'table' or not reply.err then return false end
  if not reply.err:find('WRONGTYPE', 1, true) then error(reply.err) end
  return true
end
