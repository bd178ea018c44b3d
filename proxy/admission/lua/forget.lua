-- Removes the slot of an instance that could not be served, as if it had never been.
-- ARGV: now, stream, started.

local slot = slots[ARGV[2]]
if slot and slot[STARTED] == tonumber(ARGV[3]) then remove(ARGV[2]) end
commit()
return 0
