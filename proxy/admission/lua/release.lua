-- Gives a stream's slot back, as its own player asked. Answers {ended}, or {} where the instance
-- that asks ('': any) has no slot. ARGV: now, stream, instance.

local id, instance = ARGV[2], tonumber(ARGV[3])
local slot = slots[id]
local told = {}
if slot and slot[EXPIRES] > now then
  local tombstone = tombstone_of(id) or {now + REPEATED_MS, 0, 0, 0, 0, LOST, ''}
  if instance and instance <= math.max(tombstone[AT], tombstone[RELEASED]) then return told end
  local over = math.max(now, slot[STARTED])
  if tombstone[RELEASED] > 0 then
    tombstone[AT], tombstone[REASON], tombstone[BY] = over, GIVEN_BACK, ''
  end
  tombstone[UNTIL] = math.max(tombstone[UNTIL], now + REPEATED_MS)
  tombstone[RELEASED], tombstone[RELEASED_UNTIL] = over, now + RELEASED_MS
  told[1] = {stream(id, slot), GIVEN_BACK, now}
  remove(id)
  lay(id, tombstone)
end
commit()
return told
