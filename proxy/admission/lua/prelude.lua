-- One account as it is stored, and the moves that change it: ledger.py in Lua. Goes on where slot.lua
-- or renew.lua ends.
--
-- KEYS[1]  hash: stream id -> slot. As small as the account's limit, so that one HGETALL reads
--          what a decision needs.
-- KEYS[2]  hash: stream id -> tombstone. There may be many, for as long as tickets live; a
--          decision reads the one it needs by HGET. And CHURN -> when the account's is forgiven.
-- KEYS[3]  hash: the hash of a token's id, or ALL_TOKENS -> revocation.
-- KEYS[4]  hash: the tally, which is everybody's; see tally.lua.
--
-- All keys always expire, a moment after nothing in them means anything any more. What cannot be
-- decoded is treated as absent and deleted. Nothing here relies on the server's locale (Lua's < on
-- strings does).

local dry = false   -- true: decide, but store nothing
local slots = {}    -- by stream id
local count = 0     -- how many slots there are
local changed = {}  -- ids whose slots are to be written
local removed = {}  -- ids whose fields are to be deleted
local unreadable = false -- the whole key is something else than a hash

-- --- The stored form of the rest ---

local function decode_tombstone(packed)
  local tombstone = all_of(#packed, pcall(struct.unpack, TOMBSTONE_FORMAT, packed))
  if tombstone and tombstone[REASON] <= LAST_REASON then return tombstone end
end

local function decode_revocation(packed)
  return all_of(#packed, pcall(struct.unpack, REVOCATION_FORMAT, packed))
end

local function load()
  local stored = redis.pcall('HGETALL', KEYS[1])
  if is_no_hash(stored) then
    unreadable, moved = true, true
    return
  end
  for i = 1, #stored, 2 do
    local slot = decode_slot(stored[i + 1])
    if slot then
      slots[stored[i]] = slot
      count = count + 1
    else
      removed[stored[i]] = true
      moved = true
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
  if unreadable then redis.call('DEL', KEYS[1]) end
  for id in pairs(changed) do
    redis.call('HSET', KEYS[1], id, encode_slot(slots[id]))
  end
  for id in pairs(removed) do
    redis.call('HDEL', KEYS[1], id)
  end
  -- A slot is counted for as long as it lives: the key need not be told of each beat, either.
  if not moved then return end
  local latest = 0
  for _, slot in pairs(slots) do latest = math.max(latest, slot[EXPIRES], slot[COUNTED]) end
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

-- --- What the caller is told ---

local function stream(id, slot)
  return {
    id, slot[CONTENT], slot[ROUTE], slot[LABEL],
    slot[STARTED], slot[SEEN], slot[EXPIRES], slot[BEATS], slot[HOLD],
  }
end

-- --- Moves ---

local function put(id, slot)
  if not slots[id] then count = count + 1 end
  slots[id] = slot
  changed[id] = true
  removed[id] = nil
  if not dry then tally(slot) end
end

local function remove(id)
  if not dry then untally(slots[id]) end
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

-- Tells whether a credential's token is revoked.
local function is_revoked(jti, issued)
  local found = redis.pcall('HMGET', KEYS[3], ALL_TOKENS, jti)
  if is_no_hash(found) then return false end
  local all = found[1] and decode_revocation(found[1])
  if all and all[UNTIL] > now and issued < all[BEFORE] then return true end
  local one = found[2] and decode_revocation(found[2])
  return one and one[UNTIL] > now
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

load()
