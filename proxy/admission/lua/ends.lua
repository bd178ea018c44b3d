-- How streams end, and what is left of them: for whoever may end some. Goes on where prelude.lua
-- ends, or decide.lua, so that a beat does not pay for it: Lua makes each function anew at each call.

local function oldest_first()
  local ids = {}
  for id, slot in pairs(slots) do
    if slot[EXPIRES] > now then ids[#ids + 1] = id end
  end
  return sort(ids, STARTED)
end

local function encode_tombstone(tombstone)
  return struct.pack(TOMBSTONE_FORMAT,
    tombstone[UNTIL], tombstone[AT], tombstone[HELD_UNTIL],
    tombstone[RELEASED], tombstone[RELEASED_UNTIL],
    tombstone[REASON], #tombstone[BY], tombstone[BY])
end

local function sweep_tombstones()
  local stored = redis.call('HGETALL', KEYS[2])
  local kept, ends = {}, {}
  for i = 1, #stored, 2 do
    local tombstone = stored[i] ~= CHURN and decode_tombstone(stored[i + 1])
    if tombstone and tombstone[UNTIL] > now then
      kept[#kept + 1] = stored[i]
      ends[stored[i]] = tombstone[UNTIL]
    elseif stored[i] ~= CHURN then
      redis.call('HDEL', KEYS[2], stored[i])
    end
  end
  if #kept <= MAX_TOMBSTONES then return end
  table.sort(kept, function(a, b)
    if ends[a] ~= ends[b] then return ends[a] < ends[b] end
    return before(a, b)
  end)
  for i = 1, #kept - MAX_TOMBSTONES do redis.call('HDEL', KEYS[2], kept[i]) end
end

-- Writes a tombstone, or what is kept beside them, that means something until an instant.
local function put_beside(field, packed, until_ms)
  if is_no_hash(redis.pcall('HSET', KEYS[2], field, packed)) then
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[2], field, packed)
  end
  local span = until_ms + LINGER_MS - now + spare
  if redis.call('PTTL', KEYS[2]) < span then redis.call('PEXPIRE', KEYS[2], span) end
end

local function lay(id, tombstone)
  if dry then return end
  put_beside(id, encode_tombstone(tombstone), tombstone[UNTIL])
  if redis.call('HLEN', KEYS[2]) > CROWDED_TOMBSTONES then sweep_tombstones() end
end

-- --- The end of a stream ---

-- For how long after a beat the next one is not overdue.
local function patience(interval)
  return math.max(MIN_PATIENCE_MS, math.floor(interval * 5 / 4))
end

local function overdue_at(slot)
  return slot[SEEN] + patience(slot[INTERVAL]) + 1
end

-- Keeps the instance that has a slot from going on; the slot stays.
local function bar(id, reason, by, hold_until, tombstone_ms)
  local slot = slots[id]
  if slot[SELF_REFRESHING] == 1 then
    hold_until = math.max(hold_until, now + 2 * patience(slot[INTERVAL]))
  end
  local at = math.max(now, slot[STARTED])
  lay(id, {math.max(now + tombstone_ms, hold_until), at, hold_until, 0, 0, reason, by})
end

-- Ends a stream against its player's will. Gives what is told of its end.
local function bury(id, reason, by, hold_until, tombstone_ms)
  bar(id, reason, by, hold_until, tombstone_ms)
  local told = {stream(id, slots[id]), reason == LOST and SUPERSEDED or reason, now}
  remove(id)
  return told
end
