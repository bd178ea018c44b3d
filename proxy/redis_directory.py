"""Who has which hash slot of a cluster, as far as is known.

Any node tells it (``CLUSTER SLOTS``). It is asked at first and whenever something was not where it
should be: what was learned holds until then.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from proxy.redis_place import Address, Place
from proxy.redis_primary import answer

# So many nodes are asked at once, and the first that answers is believed: one that is dead costs
# nothing, and one that is cut off is one of several.
ABREAST = 3
# How long what was looked up is good for (seconds), whoever finds it wrong: a node that is away is
# found to be so by many requests at once, and nobody knows better at once.
FRESH_SECONDS = 0.1


class Directory:
    """What is known of the cluster that a place names: ``homes`` has a primary for each hash slot.

    ``tells`` are called when all of it was told anew.
    """

    def __init__(self, place: Place) -> None:
        self.tells: list[Callable[[], None]] = []
        self._place = place
        self._nodes = set(place.nodes)
        self._looking: asyncio.Task[None] | None = None
        self._looked_at: float | None = None
        self.homes: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS

    def learn(self, slot: int, address: Address) -> None:
        """Take in that a slot has moved, of which a node has told."""
        self.homes[slot] = address

    def begin(self, doubted: Address | None = None) -> None:
        """Begin to ask who has what, unless that is being done or was done a moment ago.

        ``doubted`` is a node that is not to be believed, if there is another.
        """
        if self._looking is not None and not self._looking.done():
            return
        now = asyncio.get_running_loop().time()
        if self._looked_at is None or now - self._looked_at >= FRESH_SECONDS:
            self._looking = asyncio.create_task(self._look(doubted))
            # If all have gone away, nobody wants to hear why it failed.
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def look(self, doubted: Address | None = None) -> None:
        """Ask who has what, as ``begin`` does, and wait for it: all who want to know ask once.

        Raises:
            redis.exceptions.RedisError, OSError: no node tells.
        """
        self.begin(doubted)
        if self._looking is not None:
            await asyncio.shield(self._looking)

    async def primary(self, slot: int) -> AsyncGenerator[Address, None]:
        """Give who has a slot by now.

        Raises:
            redis.exceptions.RedisError, OSError: no node tells.
        """
        await self._look(None)
        if (home := self.homes[slot]) is not None:
            yield home

    async def close(self) -> None:
        """Ask no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))

    async def _look(self, doubted: Address | None) -> None:
        # Seeds are asked as well: their names may be of other machines by now.
        every = {*self._nodes, *self._place.nodes}
        known = list(every - {doubted} or every)
        random.shuffle(known)  # so that not all proxies ask the same
        failure: Exception | None = None
        try:
            for first in range(0, len(known), ABREAST):
                asking = [
                    asyncio.create_task(self._told(node)) for node in known[first : first + ABREAST]
                ]
                try:
                    for one in asyncio.as_completed(asking):
                        try:
                            self._take(await one)
                        except (RedisError, OSError, LookupError, TypeError, ValueError) as error:
                            failure = error
                        else:
                            return
                finally:
                    for task in asking:
                        task.cancel()
                    await asyncio.gather(*asking, return_exceptions=True)
        finally:
            self._looked_at = asyncio.get_running_loop().time()
        why = f": {type(failure).__name__}: {failure}" if failure else ""
        raise RedisConnectionError(f"no node of the cluster tells who has what{why}") from failure

    async def _told(self, node: Address) -> "tuple[Address, Any]":
        return node, await answer(self._place.node(node), "CLUSTER", "SLOTS")

    def _take(self, told: "tuple[Address, Any]") -> None:
        asked, ranges = told
        if not ranges:
            raise ValueError("a node of no cluster, or of one without slots")
        homes: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes: set[Address] = set()
        for first, last, *holders in ranges:
            addresses = list(_addresses(holders, asked))
            nodes.update(addresses)
            homes[first : last + 1] = [addresses[0]] * (last + 1 - first)
        # In place, as whoever looks something up in it has it in hand.
        self.homes[:] = homes
        self._nodes = nodes
        for tell in self.tells:
            tell()


def _addresses(holders: Any, asked: Address) -> Iterator[Address]:
    """Give those who have a range, the primary first; a node may not know its own name."""
    for host, port, *_ in holders:
        name = host.decode() if host else ""
        yield (asked[0] if name in ("", "?") else name, int(port))
