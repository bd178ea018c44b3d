-- Kills a stream, as a viewer of the account asked; with too much churn its slot is left to lapse.
-- Answers {ended}, or {} where there is none. ARGV: now, stream, by, tombstone_ms.

local id, by, tombstone_ms = ARGV[2], ARGV[3], tonumber(ARGV[4])
local slot = slots[id]
local told = {}
if slot and slot[EXPIRES] > now then
  if may_churn_at() > now then
    bar(id, KILLED, by, 0, tombstone_ms)
  else
    churn()
    told[1] = bury(id, KILLED, by, 0, tombstone_ms)
  end
end
commit()
return told
