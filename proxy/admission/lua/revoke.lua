-- Revokes tokens, and frees the slots they hold. Answers {ended...}, oldest first; false where too
-- many tokens are revoked already.
-- ARGV: now, jti ('': all issued before an instant), before, until, tombstone_ms.

local one = ARGV[2] ~= ''
local field = one and ARGV[2] or ALL_TOKENS
local latest = math.max(tonumber(ARGV[4]), now + tonumber(ARGV[5]))
local revoked = {latest, tonumber(ARGV[3])}

local stored = redis.pcall('HGETALL', KEYS[3])
if is_no_hash(stored) then
  redis.call('DEL', KEYS[3])
  stored = {}
end
local tokens, known = 0, false
for i = 1, #stored, 2 do
  local earlier = decode_revocation(stored[i + 1])
  if not earlier or earlier[UNTIL] <= now then
    redis.call('HDEL', KEYS[3], stored[i])
  else
    latest = math.max(latest, earlier[UNTIL])
    if stored[i] ~= ALL_TOKENS then tokens = tokens + 1 end
    if stored[i] == field then
      known = true
      revoked = {math.max(revoked[UNTIL], earlier[UNTIL]), math.max(revoked[BEFORE], earlier[BEFORE])}
    end
  end
end
if one and not known and tokens >= MAX_REVOKED then return false end
redis.call('HSET', KEYS[3], field, struct.pack(REVOCATION_FORMAT, revoked[UNTIL], revoked[BEFORE]))
redis.call('PEXPIRE', KEYS[3], latest + LINGER_MS - now + spare)

local told = {}
for _, id in ipairs(oldest_first()) do
  local slot = slots[id]
  if is_revoked(slot[JTI], slot[ISSUED]) then
    told[#told + 1] = {stream(id, slot), KILLED, now}
    remove(id)
  end
end
commit()
return told
