-- Lists the active streams, oldest first. ARGV: now. Stores nothing.

return listing()
