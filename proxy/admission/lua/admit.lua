-- A new slot, or none: the rest of decision.py in Lua. Goes on where ways.lua ends.

-- --- Still 2: a stream that was ended ---

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
  return answer('ended', 0, {reason = tombstone[REASON], by = tombstone[BY], wait = wait})
end

-- --- Still 3: a stream that has a slot, where one of the account's is provisional ---

local function put_an_end_to(victim, reason, by, hold_until)
  ended[#ended + 1] = bury(victim, reason, by, hold_until or 0, tombstone_ms)
end

-- Lets the stream that was just heard of settle who of a provisional pair stays.
local function settle()
  local newcomer, older = provisional()
  if not newcomer or (id ~= newcomer and id ~= older) then return end
  local has_room = true
  for _, ceiling in ipairs((ceilings(slots[newcomer][RULES]))) do
    has_room = has_room and number_under(ceiling) <= ceiling[MOST]
  end
  if has_room then
    slots[newcomer][RIVAL] = ''
    changed[newcomer] = true
  elseif id == older then
    put_an_end_to(newcomer, LOST, slots[older][LABEL], now + slots[older][TTL])
  elseif overdue_at(slots[older]) <= now then
    put_an_end_to(older, SUPERSEDED, slots[newcomer][LABEL])
  end
end

if mine then
  settle()
  return answer('renewed', mine[STARTED])
end

-- --- 5 and 6: a new slot, or none ---

local function refuse(enforced, full, not_before)
  local wait = math.max(not_before - now, MIN_RETRY_MS)
  for _, ceiling in ipairs(#full > 0 and full or {enforced[1]}) do
    wait = math.max(wait, until_room(ceiling, full))
  end
  local met = full[1] or enforced[1]
  local conflicts = {}
  for _, other in ipairs(oldest_first()) do
    local slot = slots[other]
    if covers(met, slot) then conflicts[#conflicts + 1] = stream(other, slot) end
  end
  return answer('refused', 0, {
    ceiling = met[NUMBER], active = #conflicts, requested = count + 1,
    wait = wait, conflicts = conflicts,
  })
end

local function let_go(other)
  ended[#ended + 1] = {stream(other, slots[other]), LAPSED, now}
  remove(other)
end

local function open(outcome, way, met)
  local started = tombstone and first_instance(tombstone) or now
  local rival = way.rival and slots[way.rival] and way.rival or ''
  local slot = {now, 0, started, now, beat, ttl, hold, interval, self_refreshing, strong,
    device, content, route, label, rival, seen_here(now, {}), rules == '?' and '' or rules,
    issued or 0, jti}
  pace(slot, ttl, hold, interval, self_refreshing)
  put(id, slot)
  return answer(outcome, started, {
    ceiling = met and met[NUMBER], active = met and number_under(met),
    requested = count + way.costs,
  })
end

local enforced, observed = ceilings(rules)
local full = full_of(enforced)
if over then return refuse(enforced, full, tombstone[HELD_UNTIL]) end
local way = first_way(full, false)
if not way then return refuse(enforced, full, 0) end
for _, other in ipairs(way.victims) do put_an_end_to(other, way.reason, label) end
if way.hasty then churn() end
full = full_of(observed)
local gentle = first_way(full, true)
if not gentle then return open('observed', way, full[1]) end
for _, other in ipairs(gentle.victims) do let_go(other) end
return open(way.outcome ~= 'admitted' and way.outcome or gentle.outcome, way)
