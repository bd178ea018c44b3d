-- Drops the slots whose time is up. Answers {{ended...}, next_lapse}. ARGV: now.

local told = drop_lapsed()
commit()
return {told, next_lapse()}
