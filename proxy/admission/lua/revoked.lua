-- Tells whether a credential's token is revoked: 1 or 0. ARGV: now, jti, issued. Stores nothing.

return is_revoked(ARGV[2], tonumber(ARGV[3])) and 1 or 0
