-- Removes the slot of an instance that could not be served, as if it had never been; not one that
-- somebody was heard of in since. Answers {ended}, or {} where there is no such slot.
-- ARGV: now, stream, started, 1 if whoever forgets it kept it meanwhile.

local id = ARGV[2]
local slot = slots[id]
local told = {}
local is_its_own = slot and slot[STARTED] == tonumber(ARGV[3])
if is_its_own and ARGV[4] ~= '1' then
  local good, _, seen = pcall(struct.unpack, NETWORK_FORMAT, slot[NETWORKS])
  is_its_own = slot[SEEN] <= slot[STARTED] and not (good and seen > slot[STARTED])
end
if is_its_own then
  told[1] = {stream(id, slot), GIVEN_BACK, now}
  remove(id)
end
commit()
return told
