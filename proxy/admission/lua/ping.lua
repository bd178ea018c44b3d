-- Does what a decision cannot do without, and leaves nothing: a Redis that answers, but has become a
-- replica or is full, is no store. Goes on where common.lua ends. KEYS[1]: a key that nobody uses.

redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('DEL', KEYS[1])
