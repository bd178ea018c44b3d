-- A slot as it is stored, and how long it lives: slot.py in Lua. Goes on where tally.lua ends. Names
-- in capitals are constants: scripts.py defines them and puts their values in their place.

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
    slot[EXPIRES], slot[COUNTED], slot[STARTED], slot[SEEN], slot[BEATS],
    slot[TTL], slot[HOLD], slot[INTERVAL], slot[SELF_REFRESHING], slot[STRONG],
    #slot[DEVICE], slot[DEVICE], #slot[CONTENT], slot[CONTENT], #slot[ROUTE], slot[ROUTE],
    #slot[LABEL], slot[LABEL], #slot[RIVAL], slot[RIVAL], #slot[NETWORKS], slot[NETWORKS],
    #slot[RULES], slot[RULES],
    slot[ISSUED], #slot[JTI], slot[JTI])
end

-- Makes a slot live by a cadence from now on.
local function pace(slot, ttl, hold, interval, self_refreshing)
  slot[TTL], slot[HOLD] = ttl, hold
  slot[INTERVAL], slot[SELF_REFRESHING] = interval, self_refreshing
  local holds = slot[BEATS] == 0 and slot[HOLD] > 0
  slot[EXPIRES] = now + (holds and slot[HOLD] or slot[TTL])
end
