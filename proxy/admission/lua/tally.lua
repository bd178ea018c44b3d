-- How many slots there are in the whole store, by route: a tally beside the accounts, changed with
-- them. Goes on where common.lua ends; tally.py says what it is like and why.
--
-- KEYS[4]  hash: {instant, route} -> how many slots are counted there until that instant.

local moved = false -- true: some slot is counted until another instant than before

-- Counts a slot more ('1') or less ('-1') until an instant. Nothing need be taken back that is past,
-- and what cannot be counted must fail nothing: who reads the tally mends it.
local function change_tally(route, until_ms, number)
  if until_ms <= now then return end
  local field = struct.pack(TALLY_FORMAT, until_ms, route)
  local found = redis.pcall('HINCRBY', KEYS[4], field, number)
  if type(found) ~= 'number' then return end
  if found <= 0 then
    redis.call('HDEL', KEYS[4], field)
  elseif found == 1 then
    local span = until_ms - now + spare
    if redis.call('PTTL', KEYS[4]) < span then redis.call('PEXPIRE', KEYS[4], span) end
  end
end

local function tally(slot)
  local expires, before = slot[EXPIRES], slot[COUNTED]
  local late, step = LATE_MS, STEP_MS
  if expires - now > FAR_MS then late, step = FAR_LATE_MS, FAR_LATE_MS end
  if before >= expires and before <= expires + late then return end
  moved = true
  slot[COUNTED] = expires + late - (expires + late) % step
  change_tally(slot[ROUTE], slot[COUNTED], '1')
  change_tally(slot[ROUTE], before, '-1')
end

local function untally(slot)
  moved = true
  change_tally(slot[ROUTE], slot[COUNTED], '-1')
end
