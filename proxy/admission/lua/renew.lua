-- The usual beat: a stream plays, and goes on. That is most of what is asked, so it comes before
-- anything that it does not need is even defined: to define it takes Redis longer than to do this.
-- decide.lua comes to the same, and to all else; what is not usual is left to it, and nothing has
-- been changed by then. Goes on where slot.lua ends.

-- Takes in a sign of life, but for the network it came from.
local function renew(slot)
  slot[SEEN] = now
  slot[BEATS] = slot[BEATS] + beat
  if guess then
    pace(slot, slot[TTL], slot[HOLD], slot[INTERVAL], slot[SELF_REFRESHING])
  else
    pace(slot, ttl, hold, interval, self_refreshing)
  end
  if rules ~= '?' then slot[RULES] = rules end
  if issued then slot[JTI], slot[ISSUED] = jti, issued end
end

local function usual_beat()
  if intent == 'peek' or network == '' then return nil end
  local stored = redis.pcall('HGETALL', KEYS[1])
  if is_no_hash(stored) then return nil end
  local mine, first, latest = nil, nil, 0
  for i = 1, #stored, 2 do
    local packed = stored[i + 1]
    if stored[i] == id then
      mine = decode_slot(packed)
    else
      -- What is no slot has no such times. A newcomer that is provisional names its rival.
      if #packed < LEAST_SLOT or packed:find(id, 1, true) then return nil end
      local expires, counted = struct.unpack(TIMES_FORMAT, packed)
      if expires <= now or expires > now + NEVER_MS then return nil end
      if counted < expires or counted > expires + FAR_LATE_MS then return nil end
      first = first and math.min(first, expires) or expires
      latest = math.max(latest, expires, counted)
    end
  end
  if not mine or mine[EXPIRES] <= now or mine[RIVAL] ~= '' then return nil end
  -- It was seen on this network, and on no other.
  local here = struct.pack(NAME_FORMAT, #network, network)
  if mine[NETWORKS]:sub(1, #here) ~= here or #mine[NETWORKS] ~= #here + 6 then return nil end
  if redis.pcall('HGET', KEYS[2], id) then return nil end
  if issued then
    local revoked = redis.pcall('HMGET', KEYS[3], ALL_TOKENS, jti)
    if revoked.err or revoked[1] or revoked[2] then return nil end
  end
  renew(mine)
  -- Later than its start, also in the same millisecond: forget.lua tells by that that somebody came.
  mine[NETWORKS] = here .. struct.pack(INSTANT_FORMAT, math.max(now, mine[STARTED] + 1))
  tally(mine)
  redis.call('HSET', KEYS[1], id, encode_slot(mine))
  local expires = mine[EXPIRES]
  if moved then
    latest = math.max(latest, expires, mine[COUNTED])
    redis.call('PEXPIRE', KEYS[1], latest + LINGER_MS - now + spare)
  end
  return {mine[STARTED], #stored / 2, math.min(first or expires, expires) - now}
end

local renewal = usual_beat()
if renewal then return renewal end
