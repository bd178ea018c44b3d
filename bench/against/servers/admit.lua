-- Gives a stream a slot, or keeps it: 1, or 0 where the account has no room. What peers run in Redis.
-- KEYS[1] the account's streams by the moment they lapse; ARGV: stream, limit, TTL in milliseconds.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[3])
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
local admitted = redis.call("ZSCORE", KEYS[1], ARGV[1])
if not admitted and redis.call("ZCARD", KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call("ZADD", KEYS[1], now + ttl, ARGV[1])
redis.call("PEXPIRE", KEYS[1], ttl)
return 1
