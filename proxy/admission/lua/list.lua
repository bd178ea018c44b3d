-- Lists the active streams, oldest first. ARGV: now. Stores nothing.

local streams = {}
for i, id in ipairs(oldest_first()) do streams[i] = stream(id, slots[id]) end
return streams
