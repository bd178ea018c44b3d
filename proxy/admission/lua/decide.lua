-- May this stream play? decision.py in Lua: the rules, their order and their words are the same.
--
-- ARGV: see RedisStore.decide. Answers
-- {outcome, stream, started, active, reason, by, retry_after, {conflict...}, {ended...},
-- next_lapse}.

local intent, limit = ARGV[2], tonumber(ARGV[3])
local ttl, hold, interval = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local self_refreshing, guess, beat = tonumber(ARGV[7]), ARGV[8] == '1', tonumber(ARGV[9])
local takeover, evicts_oldest = tonumber(ARGV[10]), ARGV[11] == '1'
local silent_after, max_networks = tonumber(ARGV[12]), tonumber(ARGV[13])
local tombstone_ms = tonumber(ARGV[14])
local id, device, strong, network = ARGV[15], ARGV[16], tonumber(ARGV[17]), ARGV[18]
local instance = tonumber(ARGV[19]) -- nil: an entry by token
local stray_id, stray_device = ARGV[20], ARGV[21] -- '': none
local content, route, label = ARGV[22], ARGV[23], ARGV[24]

dry = intent == 'peek'
local may_displace = intent ~= 'resume'
local ended = drop_lapsed()

local function answer(outcome, started, reason, by, retry_after, conflicts)
  commit()
  return {
    outcome, id, started or 0, count, reason or LOST, by or '', retry_after or 0,
    conflicts or {}, dry and {} or ended, next_lapse(),
  }
end

local function put_an_end_to(victim, reason, by, hold_until)
  ended[#ended + 1] = bury(victim, reason, by, hold_until or 0, tombstone_ms)
end

local function overdue_at(slot)
  return slot[SEEN] + patience(slot[INTERVAL]) + 1
end

local function provisional()
  for newcomer, slot in pairs(slots) do
    if slot[RIVAL] ~= '' then return newcomer, slot[RIVAL] end
  end
end

-- --- 0 to 4: what there is already. A beat comes no further than here. ---

-- The networks a slot was seen on within its TTL: {network, seen, network, seen, ...}.
local function fresh_networks(slot)
  local fresh, position = {}, 1
  while position <= #slot[NETWORKS] do
    local good, name, seen, behind = pcall(struct.unpack, NETWORK_FORMAT, slot[NETWORKS], position)
    if not good then return fresh end
    if seen + slot[TTL] > now then
      fresh[#fresh + 1] = name
      fresh[#fresh + 1] = seen
    end
    position = behind
  end
  return fresh
end

local function go_astray()
  local slot = slots[id]
  if stray_id == '' or stray_id == id or not slot then return end
  local fresh = fresh_networks(slot)
  for i = 1, #fresh, 2 do
    if fresh[i] == network then return end
  end
  if #fresh / 2 >= max_networks then id, device, strong = stray_id, stray_device, 0 end
end

local function seen_here(fresh)
  local packed, room = struct.pack(NETWORK_FORMAT, #network, network, now), max_networks - 1
  for i = 1, #fresh, 2 do
    if fresh[i] ~= network and room > 0 then
      packed = packed .. struct.pack(NETWORK_FORMAT, #fresh[i], fresh[i], fresh[i + 1])
      room = room - 1
    end
  end
  return packed
end

-- Lets the stream that was just heard of settle who of a provisional pair stays.
local function settle()
  local newcomer, older = provisional()
  if not newcomer or (id ~= newcomer and id ~= older) then return end
  if count <= limit then
    slots[newcomer][RIVAL] = ''
    changed[newcomer] = true
  elseif id == older then
    put_an_end_to(newcomer, LOST, slots[older][LABEL], now + slots[older][TTL])
  elseif overdue_at(slots[older]) <= now then
    put_an_end_to(older, SUPERSEDED, slots[newcomer][LABEL])
  end
end

local function renew(slot)
  slot[SEEN] = now
  slot[BEATS] = slot[BEATS] + beat
  if guess then
    pace(slot, slot[TTL], slot[HOLD], slot[INTERVAL], slot[SELF_REFRESHING])
  else
    pace(slot, ttl, hold, interval, self_refreshing)
  end
  slot[NETWORKS] = seen_here(fresh_networks(slot))
  put(id, slot)
  settle()
  return answer('renewed', slot[STARTED])
end

go_astray()
local tombstone = tombstone_of(id)
local over = false -- this very instance was ended, or no new one may start yet
if tombstone then
  if instance then
    over = instance <= tombstone[AT]
  else
    over = tombstone[HELD_UNTIL] > now
  end
  if over and tombstone[REASON] ~= LOST then
    local wait = 0
    if not instance then
      if self_refreshing == 1 then
        -- It has not understood yet: its silence begins anew.
        local held = math.min(now + 2 * patience(interval), tombstone[AT] + PROLONGED_MS)
        tombstone[UNTIL] = math.max(tombstone[UNTIL], held)
        tombstone[HELD_UNTIL] = math.max(tombstone[HELD_UNTIL], held)
        lay(id, tombstone)
      end
      wait = tombstone[HELD_UNTIL] - now
    end
    return answer('ended', 0, tombstone[REASON], tombstone[BY], wait)
  end
end
if not over then
  if slots[id] then return renew(slots[id]) end
  if tombstone and instance and instance <= tombstone[RELEASED] then
    if tombstone[RELEASED_UNTIL] > now then return answer('renewed', instance) end
  end
  if intent == 'touch' then return answer('absent') end
end

-- --- What the rest is made of ---

-- The streams of this device, by a key of the same strength; the longest unseen first.
local function same_device()
  local ids = {}
  for other, slot in pairs(slots) do
    if slot[DEVICE] == device and slot[STRONG] == strong then ids[#ids + 1] = other end
  end
  return sort(ids, SEEN)
end

-- Those of them that no newcomer waits for already.
local function replaceable_by_guess()
  local _, awaited = provisional()
  local ids = {}
  for _, other in ipairs(same_device()) do
    if other ~= awaited then ids[#ids + 1] = other end
  end
  return ids
end

local function open(outcome, rival)
  local started = now
  if tombstone then started = math.max(now, tombstone[AT] + 1, tombstone[RELEASED] + 1) end
  local slot = {now, started, now, beat, ttl, hold, interval, self_refreshing, strong,
    device, content, route, label, rival or '', seen_here({})}
  pace(slot, ttl, hold, interval, self_refreshing)
  put(id, slot)
  return answer(outcome, started)
end

-- How long until the first moment that could change the answer.
local function until_room()
  local wait
  local function consider(moment)
    if moment > now and (not wait or moment - now < wait) then wait = moment - now end
  end
  if limit > 0 then
    for _, slot in pairs(slots) do
      consider(slot[EXPIRES])
      if may_displace and slot[BEATS] == 0 then consider(slot[SEEN] + silent_after) end
    end
    if may_displace and takeover >= TAKEOVER_QUIET and strong == 0 then
      for _, other in ipairs(replaceable_by_guess()) do consider(overdue_at(slots[other])) end
    end
  end
  return wait or ttl
end

local function refuse(not_before)
  local wait = math.max(until_room(), not_before - now, MIN_RETRY_MS)
  return answer('refused', 0, LOST, '', wait, listing())
end

-- --- 5 to 10: ways to a new slot, and none ---

local function take_over()
  local old
  if strong == 1 then
    if takeover >= TAKEOVER_STRONG then old = same_device()[1] end
  elseif takeover >= TAKEOVER_QUIET then
    for _, other in ipairs(replaceable_by_guess()) do
      if overdue_at(slots[other]) <= now then
        old = other
        break
      end
    end
  end
  if not old then return end
  local rival = slots[old][RIVAL]
  put_an_end_to(old, SUPERSEDED, label)
  return open('takeover', rival)
end

local function stand_beside()
  if takeover < TAKEOVER_PROVISIONAL or strong == 1 then return end
  if provisional() or count > limit then return end
  local older = same_device()[1]
  return older and open('provisional', older)
end

local function make_room(evictable)
  local needed = count - limit + 1
  if #evictable < needed then return end
  for i = 1, needed do put_an_end_to(evictable[i], EVICTED, label) end
  return open('admitted')
end

local function evict_silent()
  local silent = {}
  for _, other in ipairs(oldest_first()) do
    local slot = slots[other]
    if slot[BEATS] == 0 and now - slot[SEEN] >= silent_after then
      silent[#silent + 1] = other
    end
  end
  return make_room(silent)
end

if over then return refuse(tombstone[HELD_UNTIL]) end
if limit <= 0 then return refuse(0) end
if count < limit then return open('admitted') end
if not may_displace then return refuse(0) end
return take_over()
  or stand_beside()
  or evict_silent()
  or (evicts_oldest and make_room(oldest_first()))
  or refuse(0)
