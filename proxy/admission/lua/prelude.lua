-- What every script begins with: one account as it is stored, and the moves that change it.
-- This is slot.py and ledger.py in Lua. Names in capitals are constants: scripts.py defines them
-- and puts their values in their place.
--
-- KEYS[1]  hash: stream id -> slot. As small as the account's limit, so that one HGETALL reads
--          what a decision needs.
-- KEYS[2]  hash: stream id -> tombstone. There may be many, for as long as tickets live; a
--          decision reads the one it needs by HGET. And CHURN -> when the account's is forgiven.
-- KEYS[3]  hash: the hash of a token's id, or ALL_TOKENS -> revocation.
-- ARGV[1]  the time in milliseconds, or '' for the server's own.
--
-- All keys always expire, a moment after nothing in them means anything any more. What cannot be
-- decoded is treated as absent and deleted. Nothing here relies on the server's locale (Lua's < on
-- strings does).

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = clock()
-- Keys expire by the server's own clock; one that lives by another clock must not be lost to it.
local spare = ARGV[1] == '' and 0 or SPARE_MS
local dry = false   -- true: decide, but store nothing
local slots = {}    -- by stream id
local count = 0     -- how many slots there are
local changed = {}  -- ids whose slots are to be written
local removed = {}  -- ids whose fields are to be deleted
local unreadable = false -- the whole key is something else than a hash

-- --- The stored form ---

-- Gives an array of what unpack gave, if it used up all of the string.
local function all_of(length, good, ...)
  if not good then return nil end
  local fields = {...}
  if fields[#fields] == length + 1 then return fields end
end

local function decode_slot(packed)
  return all_of(#packed, pcall(struct.unpack, SLOT_FORMAT, packed))
end

local function encode_slot(slot)
  return struct.pack(SLOT_FORMAT,
    slot[EXPIRES], slot[STARTED], slot[SEEN], slot[BEATS],
    slot[TTL], slot[HOLD], slot[INTERVAL], slot[SELF_REFRESHING], slot[STRONG],
    #slot[DEVICE], slot[DEVICE], #slot[CONTENT], slot[CONTENT], #slot[ROUTE], slot[ROUTE],
    #slot[LABEL], slot[LABEL], #slot[RIVAL], slot[RIVAL], #slot[NETWORKS], slot[NETWORKS],
    #slot[RULES], slot[RULES],
    slot[ISSUED], #slot[JTI], slot[JTI])
end

local function decode_tombstone(packed)
  local tombstone = all_of(#packed, pcall(struct.unpack, TOMBSTONE_FORMAT, packed))
  if tombstone and tombstone[REASON] <= LAST_REASON then return tombstone end
end

local function encode_tombstone(tombstone)
  return struct.pack(TOMBSTONE_FORMAT,
    tombstone[UNTIL], tombstone[AT], tombstone[HELD_UNTIL],
    tombstone[RELEASED], tombstone[RELEASED_UNTIL],
    tombstone[REASON], #tombstone[BY], tombstone[BY])
end

local function decode_revocation(packed)
  return all_of(#packed, pcall(struct.unpack, REVOCATION_FORMAT, packed))
end

-- Tells whether a command found something else than a hash; any other failure is the caller's.
local function is_no_hash(reply)
  if type(reply) ~= 'table' or not reply.err then return false end
  if not reply.err:find('WRONGTYPE', 1, true) then error(reply.err) end
  return true
end

local function load()
  local stored = redis.pcall('HGETALL', KEYS[1])
  if is_no_hash(stored) then
    unreadable = true
    return
  end
  for i = 1, #stored, 2 do
    local slot = decode_slot(stored[i + 1])
    if slot then
      slots[stored[i]] = slot
      count = count + 1
    else
      removed[stored[i]] = true
    end
  end
  for id, slot in pairs(slots) do
    if slot[RIVAL] ~= '' and not slots[slot[RIVAL]] then -- it was unreadable
      slot[RIVAL] = ''
      changed[id] = true
    end
  end
end

local function commit()
  if dry then return end
  local touched = unreadable
  if unreadable then redis.call('DEL', KEYS[1]) end
  for id in pairs(changed) do
    redis.call('HSET', KEYS[1], id, encode_slot(slots[id]))
    touched = true
  end
  for id in pairs(removed) do
    redis.call('HDEL', KEYS[1], id)
    touched = true
  end
  if not touched then return end
  local latest = 0
  for _, slot in pairs(slots) do latest = math.max(latest, slot[EXPIRES]) end
  redis.call('PEXPIRE', KEYS[1], latest + LINGER_MS - now + spare)
end

-- --- Order ---

local function before(a, b)
  local length = math.min(#a, #b)
  for i = 1, length do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function sort(ids, field)
  table.sort(ids, function(a, b)
    local x, y = slots[a][field], slots[b][field]
    if x ~= y then return x < y end
    return before(a, b)
  end)
  return ids
end

local function oldest_first()
  local ids = {}
  for id, slot in pairs(slots) do
    if slot[EXPIRES] > now then ids[#ids + 1] = id end
  end
  return sort(ids, STARTED)
end

-- --- What the caller is told ---

local function stream(id, slot)
  return {
    id, slot[CONTENT], slot[ROUTE], slot[LABEL],
    slot[STARTED], slot[SEEN], slot[EXPIRES], slot[BEATS], slot[HOLD],
  }
end

local function listing()
  local streams = {}
  for i, id in ipairs(oldest_first()) do streams[i] = stream(id, slots[id]) end
  return streams
end

-- --- Moves ---

local function put(id, slot)
  if not slots[id] then count = count + 1 end
  slots[id] = slot
  changed[id] = true
  removed[id] = nil
end

local function remove(id)
  slots[id] = nil
  count = count - 1
  changed[id] = nil
  removed[id] = true
  for other, slot in pairs(slots) do
    if slot[RIVAL] == id then
      slot[RIVAL] = ''
      changed[other] = true
    end
  end
end

local function tombstone_of(id)
  local packed = redis.pcall('HGET', KEYS[2], id)
  if is_no_hash(packed) then
    if not dry then redis.call('DEL', KEYS[2]) end
    return nil
  end
  if not packed then return nil end
  local tombstone = decode_tombstone(packed)
  if not tombstone and not dry then redis.call('HDEL', KEYS[2], id) end
  return tombstone and tombstone[UNTIL] > now and tombstone or nil
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

-- Tells whether a credential's token is revoked.
local function is_revoked(jti, issued)
  local found = redis.pcall('HMGET', KEYS[3], ALL_TOKENS, jti)
  if is_no_hash(found) then return false end
  local all = found[1] and decode_revocation(found[1])
  if all and all[UNTIL] > now and issued < all[BEFORE] then return true end
  local one = found[2] and decode_revocation(found[2])
  return one and one[UNTIL] > now
end

-- For how long after a beat the next one is not overdue.
local function patience(interval)
  return math.max(MIN_PATIENCE_MS, math.floor(interval * 5 / 4))
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

-- Removes the slots whose time is up. Gives those it is not too late to speak of.
local function drop_lapsed()
  local lapsed, told, recent = {}, {}, false
  for id, slot in pairs(slots) do
    if slot[EXPIRES] <= now then
      lapsed[#lapsed + 1] = id
      recent = recent or slot[EXPIRES] + LINGER_MS > now
    end
  end
  recent = recent or #lapsed < count
  for i, id in ipairs(sort(lapsed, EXPIRES)) do
    if recent then told[i] = {stream(id, slots[id]), LAPSED, slots[id][EXPIRES]} end
    remove(id)
  end
  return told
end

-- How long until the first slot lapses, if nothing is heard of it; 0 where there is none.
local function next_lapse()
  local first
  for _, slot in pairs(slots) do
    if not first or slot[EXPIRES] < first then first = slot[EXPIRES] end
  end
  return first and first - now or 0
end

-- Makes a slot live by a cadence from now on.
local function pace(slot, ttl, hold, interval, self_refreshing)
  slot[TTL], slot[HOLD] = ttl, hold
  slot[INTERVAL], slot[SELF_REFRESHING] = interval, self_refreshing
  local holds = slot[BEATS] == 0 and slot[HOLD] > 0
  slot[EXPIRES] = now + (holds and slot[HOLD] or slot[TTL])
end

load()
