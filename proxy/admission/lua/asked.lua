-- What is asked of decide.lua, by names. Goes on where common.lua ends.
--
-- ARGV: now, and what Words.arguments writes.

local intent, limit = ARGV[2], tonumber(ARGV[3])
local ttl, hold, interval = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local self_refreshing, guess, beat = tonumber(ARGV[7]), ARGV[8] == '1', tonumber(ARGV[9])
local takeover, evicts_oldest = tonumber(ARGV[10]), ARGV[11] == '1'
local silent_after, max_networks = tonumber(ARGV[12]), tonumber(ARGV[13])
local tombstone_ms = tonumber(ARGV[14])
local id, device, strong, network = ARGV[15], ARGV[16], tonumber(ARGV[17]), ARGV[18]
local instance = tonumber(ARGV[19]) -- nil: an entry by token
local stray_id, stray_device = ARGV[20], ARGV[21] -- '': none
local label = ARGV[22]
local jti, issued = ARGV[23], tonumber(ARGV[24]) -- issued is nil: no credential came
local content, route = ARGV[25], ARGV[26]
local rules = ARGV[27] -- the names of those it counts in, as a slot has them; '?': nobody knows
local observes = ARGV[28] == '1'
local FIRST_RULE = 29 -- from here on there are all of them: name, most, 1 if it only looks on
