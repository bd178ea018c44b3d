-- How much of it there may be of what an account's viewers end before its time: ledger.py in Lua.
-- Kept beside the tombstones, and read only where a slot might go.

local function forgiven()
  local packed = redis.pcall('HGET', KEYS[2], CHURN)
  if is_no_hash(packed) or not packed then return 0 end
  local fields = all_of(#packed, pcall(struct.unpack, INSTANT_FORMAT, packed))
  return fields and fields[1] or 0
end

local function may_churn_at()
  return forgiven() - (MAX_CHURN - 1) * CHURN_MS
end

local function churn()
  if dry then return end
  local until_ms = math.max(forgiven(), now) + CHURN_MS
  put_beside(CHURN, struct.pack(INSTANT_FORMAT, until_ms), until_ms)
end
