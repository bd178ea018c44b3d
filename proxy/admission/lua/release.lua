-- Gives a stream's slot back, as its own player asked. Answers {ended}, or {} where the instance
-- that asks ('': any) has no slot, or there was too much churn. ARGV: now, stream, instance.

local id, instance = ARGV[2], tonumber(ARGV[3])
local slot = slots[id]
local told = {}
if slot and slot[EXPIRES] > now then
  local remembered = now + RELEASED_MS + RECALLED_MS
  local tombstone = tombstone_of(id) or {remembered, 0, 0, 0, 0, LOST, ''}
  if instance and instance <= math.max(tombstone[AT], tombstone[RELEASED]) then return told end
  if may_churn_at() > now then return told end
  tombstone[UNTIL] = math.max(tombstone[UNTIL], remembered)
  tombstone[RELEASED] = math.max(now, slot[STARTED])
  tombstone[RELEASED_UNTIL] = now + RELEASED_MS
  told[1] = {stream(id, slot), GIVEN_BACK, now}
  churn()
  remove(id)
  lay(id, tombstone)
end
commit()
return told
