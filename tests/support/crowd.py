"""A great number of active streams in Redis, within seconds: one account's, many times over.

The first account's streams are started through the store, as viewers start them. All others are
copies of its keys under other names, made by a script in Redis, and the tally counts each of them:
byte for byte what as many viewers would have left there.
"""

from redis.asyncio import Redis

from proxy.admission.redis import RedisStore
from proxy.model import Playback
from proxy.streams import Attempt, Cadence

STREAMS_EACH = 2
INTERVAL_MS = 6_000
START_MS = 1_700_000_000_000

_COPIES_AT_ONCE = 10_000
# KEYS: the first account's slots, the tally. ARGV: the first copy's number, how many, then what the
# tally counts for the first account: field, number, ...
_COPY = """
local slots, lives = redis.call('HGETALL', KEYS[1]), redis.call('PTTL', KEYS[1])
local before, after = KEYS[1]:match('^(.*{).*(}.*)$')
for number = ARGV[1], ARGV[1] + ARGV[2] - 1 do
  local key = before .. string.format('%032x', number) .. after
  redis.call('HSET', key, unpack(slots))
  redis.call('PEXPIRE', key, lives)
end
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1] * ARGV[2]) end
"""


def beat(account: int, stream: int, ttl_ms: int = 30_000) -> Attempt:
    """A refresh of a live stream, with names as long as real ones."""
    account_hash = f"{account:032x}"
    playback = Playback(
        stream=f"{account % 16**8:08x}{stream:016x}",
        device=account_hash,
        strong=False,
        content=f"tv.example/live/{account % 50}/master.m3u8",
        route=f"route-{account % 3}",
        label="Chrome on Linux",
        network="0123456789abcdef",
        agent="0123456789abcdef",
        instance_ms=START_MS,
    )
    cadence = Cadence(ttl_ms, 0, INTERVAL_MS)
    return Attempt(account_hash, playback, 3, "default", cadence, beat=True, issued_ms=START_MS)


async def fill(
    store: RedisStore, redis: Redis, accounts: int, *, key_prefix: str, ttl_ms: int
) -> None:
    """Have so many accounts watch ``STREAMS_EACH`` streams on ``route-0`` in an empty Redis."""
    for stream in range(STREAMS_EACH):
        await store.decide(beat(0, stream, ttl_ms))
    slots, tally = f"{key_prefix}:{{{0:032x}}}:streams", f"{key_prefix}:active"
    counted = [part for pair in (await redis.hgetall(tally)).items() for part in pair]
    copy = redis.register_script(_COPY)
    for number in range(1, accounts, _COPIES_AT_ONCE):
        copies = min(_COPIES_AT_ONCE, accounts - number)
        await copy(keys=[slots, tally], args=[number, copies, *counted])
