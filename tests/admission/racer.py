"""One proxy of a race: for each round on standard input, starts streams and says what it was told.

A line in is an account; the line out is the outcomes, in the order of the streams.
"""

import asyncio
import sys

from proxy.admission.redis import RedisStore
from tests.admission.samples import attempt, policy


async def race(url: str, racer: str, streams: int, limit: int) -> None:
    store = RedisStore(url, policy(), key_prefix="race", timeout=30)
    await store.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    while account := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        told = await asyncio.gather(
            *[
                store.decide(attempt(f"{racer}-{number}", account=account, limit=limit))
                for number in range(streams)
            ]
        )
        sys.stdout.write(" ".join(one.outcome for one in told) + "\n")
        sys.stdout.flush()
    await store.close()


if __name__ == "__main__":
    asyncio.run(race(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
