-- May this stream play? decision.py in Lua: the rules, their order and their words are the same.
--
-- Goes on where prelude.lua ends. Answers
-- {outcome, stream, started, playing, requested, ceiling, active, reason, by, retry_after,
-- {conflict...}, {ended...}, next_lapse}, where ceiling is 0 for the account's limit and n for the n-th rule;
-- or {started, active, next_lapse}: the stream that was asked about goes on, and nothing else came of it.

dry = intent == 'peek'
local may_displace = intent ~= 'resume' and intent ~= 'claim'
local ended = drop_lapsed()

-- For lack of names: ``told`` has {ceiling, active, requested, reason, by, wait, conflicts}.
local function answer(outcome, started, told)
  told = told or {}
  commit()
  return {
    outcome, id, started or 0, count, told.requested or count,
    told.ceiling or 0, told.active or count, told.reason or LOST, told.by or '', told.wait or 0,
    told.conflicts or {}, dry and {} or ended, next_lapse(),
  }
end

local function goes_on(started)
  if id ~= ARGV[15] or #ended > 0 then return answer('renewed', started) end
  commit()
  return {started, count, next_lapse()}
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

local function seen_here(at, fresh)
  local packed, room = struct.pack(NETWORK_FORMAT, #network, network, at), max_networks - 1
  for i = 1, #fresh, 2 do
    if fresh[i] ~= network and room > 0 then
      packed = packed .. struct.pack(NETWORK_FORMAT, #fresh[i], fresh[i], fresh[i + 1])
      room = room - 1
    end
  end
  return packed
end

-- The start of an instance that is newer than all that ended there.
local function first_instance(tombstone)
  return math.max(now, tombstone[AT] + 1, tombstone[RELEASED] + 1)
end

if issued and is_revoked(jti, issued) then return answer('revoked') end
go_astray()
local tombstone = tombstone_of(id)
local over = false -- this very instance was ended, or no new one may start yet
if tombstone then
  if instance then
    over = instance <= tombstone[AT]
  else
    over = tombstone[HELD_UNTIL] > now
  end
  over = over and (tombstone[REASON] == KILLED or not observes)
end
local mine = not over and slots[id]
if mine then
  renew(mine)
  if network ~= '' then -- as in renew.lua
    mine[NETWORKS] = seen_here(math.max(now, mine[STARTED] + 1), fresh_networks(mine))
  end
  put(id, mine)
  if tombstone and mine[STARTED] <= tombstone[AT] then
    -- Its viewer stopped it, it kept its slot for too much churn, and is started again.
    mine[STARTED] = first_instance(tombstone)
  end
  if not provisional() then return goes_on(mine[STARTED]) end
elseif not over then
  if tombstone and instance and instance <= tombstone[RELEASED] then
    if intent == 'claim' then return answer('absent') end
    if tombstone[RELEASED_UNTIL] > now then return answer('renewed', instance) end
  end
  if intent == 'touch' then return answer('absent') end
end
