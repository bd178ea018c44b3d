-- Kills one stream or all of them, oldest first. Answers {ended...}.
-- ARGV: now, which ('one' or 'all'), stream, by, hold, tombstone_ms.

local told = {}
for _, id in ipairs(oldest_first()) do
  if ARGV[2] == 'all' or id == ARGV[3] then
    told[#told + 1] = bury(id, KILLED, ARGV[4], now + tonumber(ARGV[5]), tonumber(ARGV[6]))
  end
end
commit()
return told
