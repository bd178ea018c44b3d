-- What is over an account's streams, and the ways to a new slot under it: ceilings.py and ways.py in
-- Lua. Nothing here changes anything. Goes on where decide.lua and churn.lua end.

-- The ceilings over a stream with these rules: those that are enforced, and those that look on.
local function ceilings(names)
  local enforced, observed = {}, {}
  table.insert(observes and observed or enforced, {0, limit, ''})
  for i = FIRST_RULE, #ARGV, 3 do
    local scope = ',' .. ARGV[i] .. ','
    if names:find(scope, 1, true) then
      local looks_on = observes or ARGV[i + 2] == '1'
      local number = (i - FIRST_RULE) / 3 + 1
      table.insert(looks_on and observed or enforced, {number, tonumber(ARGV[i + 1]), scope})
    end
  end
  table.insert(enforced, {(#ARGV - FIRST_RULE + 1) / 3 + 1, MAX_STREAMS, ''})
  return enforced, observed
end

local function covers(ceiling, slot)
  return ceiling[SCOPE] == '' or slot[RULES]:find(ceiling[SCOPE], 1, true) ~= nil
end

local function number_under(ceiling)
  if ceiling[SCOPE] == '' then return count end
  local number = 0
  for _, slot in pairs(slots) do
    if covers(ceiling, slot) then number = number + 1 end
  end
  return number
end

-- --- The ways ---

local function is_silent(slot)
  return slot[BEATS] == 0 and now - slot[SEEN] >= silent_after
end

local function full_of(list)
  local full = {}
  for _, ceiling in ipairs(list) do
    if number_under(ceiling) >= ceiling[MOST] then full[#full + 1] = ceiling end
  end
  return full
end

-- What this device plays, by a key of the same strength; the longest unseen first. Of that, what
-- counts in everything that is full.
local function same_device(full)
  local ids = {}
  for other, slot in pairs(slots) do
    local counts = slot[DEVICE] == device and slot[STRONG] == strong
    for _, ceiling in ipairs(full) do counts = counts and covers(ceiling, slot) end
    if counts then ids[#ids + 1] = other end
  end
  return sort(ids, SEEN)
end

-- Those of them that it may take over: by a guess none that a newcomer waits for already.
local function may_replace(full)
  if takeover < (strong == 1 and TAKEOVER_STRONG or TAKEOVER_QUIET) then return {} end
  if strong == 1 then return same_device(full) end
  local _, awaited = provisional()
  local ids = {}
  for _, other in ipairs(same_device(full)) do
    if other ~= awaited then ids[#ids + 1] = other end
  end
  return ids
end

local function take_over(full, looks_on)
  local at_once = strong == 1 and (looks_on or may_churn_at() <= now)
  for _, old in ipairs(may_replace(full)) do
    local hasty = overdue_at(slots[old]) > now
    if at_once or not hasty then
      return {
        outcome = 'takeover', victims = {old}, reason = SUPERSEDED, rival = slots[old][RIVAL],
        costs = 0, hasty = hasty,
      }
    end
  end
end

local function stand_beside(full)
  if takeover < TAKEOVER_PROVISIONAL or strong == 1 or provisional() then return end
  for _, ceiling in ipairs(full) do
    if number_under(ceiling) > ceiling[MOST] then return end
  end
  local older = same_device(full)[1]
  return older and {outcome = 'provisional', victims = {}, rival = older, costs = 0}
end

local function make_room(full, evictable)
  local missing = {}
  for i, ceiling in ipairs(full) do missing[i] = number_under(ceiling) - ceiling[MOST] + 1 end
  local victims, costs = {}, 0
  for _, other in ipairs(evictable) do
    local eases = false
    for i, ceiling in ipairs(full) do
      if missing[i] > 0 and covers(ceiling, slots[other]) then
        missing[i] = missing[i] - 1
        eases = true
      end
    end
    if eases then
      victims[#victims + 1] = other
      if not is_silent(slots[other]) then costs = costs + 1 end
    end
  end
  for i = 1, #full do
    if missing[i] > 0 then return end
  end
  return {
    outcome = 'admitted', victims = victims, reason = EVICTED, costs = costs, hasty = costs > 0,
  }
end

local function evict_silent(full)
  local silent = {}
  for _, other in ipairs(oldest_first()) do
    if is_silent(slots[other]) then silent[#silent + 1] = other end
  end
  return make_room(full, silent)
end

local function evict_oldest(full)
  return evicts_oldest and may_churn_at() <= now and make_room(full, oldest_first())
end

local function first_way(full, looks_on)
  if #full == 0 then return {outcome = 'admitted', victims = {}, costs = 0} end
  if not may_displace then return end
  for _, ceiling in ipairs(full) do
    if ceiling[MOST] <= 0 then return end
  end
  return take_over(full, looks_on)
    or (not looks_on and stand_beside(full))
    or evict_silent(full)
    or (not looks_on and evict_oldest(full))
end

-- How long until the first moment that could change the answer for a ceiling.
local function until_room(ceiling, full)
  local wait
  local function consider(moment)
    if moment > now and (not wait or moment - now < wait) then wait = moment - now end
  end
  if ceiling[MOST] > 0 then
    for _, slot in pairs(slots) do
      if covers(ceiling, slot) then
        consider(slot[EXPIRES])
        if may_displace and slot[BEATS] == 0 then consider(slot[SEEN] + silent_after) end
      end
    end
    if may_displace then
      local replaceable = may_replace(full)
      for _, other in ipairs(replaceable) do consider(overdue_at(slots[other])) end
      if evicts_oldest or (strong == 1 and #replaceable > 0) then consider(may_churn_at()) end
    end
  end
  return wait or ttl
end
