-- Removes the slot of an instance that could not be served, as if it had never been.
-- Answers {ended}, or {} where the instance has no slot. ARGV: now, stream, started.

local id = ARGV[2]
local slot = slots[id]
local told = {}
if slot and slot[STARTED] == tonumber(ARGV[3]) then
  told[1] = {stream(id, slot), GIVEN_BACK, now}
  remove(id)
end
commit()
return told
