-- Corrects how long a stream's slot lives, counted from now; no sign of life.
-- ARGV: now, stream, ttl, hold, interval, self_refreshing (0 or 1).

local slot = slots[ARGV[2]]
if slot and slot[EXPIRES] > now then
  pace(slot, tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
  put(ARGV[2], slot)
end
commit()
return 0
