-- Gives a stream's slot back, as its own player asked. ARGV: now, stream. Answers {ended} or {}.

local id = ARGV[2]
local slot = slots[id]
local told = {}
if slot and slot[EXPIRES] > now then
  local released_until = now + RELEASED_MS
  local tombstone = tombstone_of(id) or {released_until, 0, 0, 0, 0, '', ''}
  tombstone[UNTIL] = math.max(tombstone[UNTIL], released_until)
  tombstone[RELEASED] = math.max(now, slot[STARTED])
  tombstone[RELEASED_UNTIL] = released_until
  told[1] = {stream(id, slot), 'released', now}
  remove(id)
  lay(id, tombstone)
end
commit()
return told
