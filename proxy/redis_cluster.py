"""Calls to the primaries of a cluster: to each on one connection, as to a single Redis.

A call names a hash slot and goes to whoever has it. Where that is another by now, the answer says
so, or there is none; then it is asked who, once for all who want to know, and the call is sent
again. What cannot be had (a primary that is away and not replaced yet) fails its own calls alone.
"""

import asyncio
from collections.abc import Callable

from redis.exceptions import RedisError, ResponseError

from proxy.redis_client import dial, dial_node
from proxy.redis_directory import Directory
from proxy.redis_pipe import packed
from proxy.redis_pipes import Calls, Pipes
from proxy.redis_place import Address, Place, Way

# How often a call may be sent on: a slot that is moving sends it here and there.
HOPS = 5
# The pause before a call is sent again that found a slot half moved (seconds).
PAUSE_SECONDS = 0.01
ASKING = packed("ASKING")


class ClusterPipes:
    """Connections to a cluster, each made when it is needed, and again when it was lost.

    A call is waited for as long as ``timeout`` (seconds), wherever it is sent.
    """

    def __init__(self, place: Place, directory: Directory, timeout: float) -> None:
        self._place = place
        self._timeout = timeout
        self._directory = directory
        directory.tells.append(self._let_go)
        self._nodes: dict[Address, Pipes] = {}

    async def ask(self, command: bytes, slot: int = 0) -> object:
        """Send a command that may run twice to whoever has a slot, and give the answer.

        Raises:
            TimeoutError: there was no answer in time.
            redis.exceptions.RedisError, OSError: it cannot be reached, or answered by an error.
        """
        try:
            return await self._ask(command, slot)
        except TimeoutError:
            # It hangs, and somebody else may have its slots soon.
            self._directory.begin(self._directory.homes[slot])
            raise

    async def _ask(self, command: bytes, slot: int) -> object:
        deadline = asyncio.get_running_loop().time() + self._timeout
        home, failure = self._directory.homes[slot], None
        if home is not None:
            try:
                return await self._node(home).ask(command)
            except TimeoutError:
                raise
            except (RedisError, OSError) as error:
                failure = error
        async with asyncio.timeout_at(deadline):
            return await self._ask_on(command, slot, home, failure)

    async def _ask_on(
        self, command: bytes, slot: int, asked: Address | None, failure: Exception | None
    ) -> object:
        """Send a command on, as its failure says."""
        for _ in range(HOPS):
            where = await self._sent_on(slot, asked, failure)
            asked, failure = self._directory.homes[slot], None
            try:
                if where is not None:
                    return await self._node(where).ask_as_sent_on(ASKING, command)
                if asked is not None:
                    return await self._node(asked).ask(command)
            except TimeoutError:
                raise
            except (RedisError, OSError) as error:
                failure = error
        raise failure or RedisError("a slot that nobody has")

    async def _sent_on(
        self, slot: int, asked: Address | None, failure: Exception | None
    ) -> Address | None:
        """Find out who has a slot after a call has failed; give whom to ask just this once.

        Raises:
            redis.exceptions.RedisError, OSError: nobody else is known, or none would say otherwise.
        """
        kind, _, about = str(failure or "").partition(" ")
        if kind == "ASK":
            return _address(about, asked)
        if kind == "MOVED":
            self._directory.learn(slot, _address(about, asked))
            # What else has moved is found out beside it.
            self._directory.begin()
            return None
        if kind == "TRYAGAIN":
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        if isinstance(failure, ResponseError) and kind not in ("READONLY", "CLUSTERDOWN"):
            raise failure
        await self._directory.look(asked)
        if failure is not None and self._directory.homes[slot] == asked:
            raise failure
        return None

    def hear(self, command: bytes, heard: Callable[[object], None], slot: int = 0) -> bool:
        """Send a command on the connection there is, once; False where there is none.

        ``heard`` is called with the answer, or with one of the errors of ``ask``.
        """
        home = self._directory.homes[slot]
        node = None if home is None else self._nodes.get(home)
        return node is not None and node.hear(command, heard)

    async def everywhere(self, *commands: bytes) -> None:
        """Send commands to all primaries that can be reached.

        Raises:
            redis.exceptions.RedisError, OSError: none can.
        """
        await self._directory.look()
        homes = {home for home in self._directory.homes if home is not None}
        told = await asyncio.gather(
            *(self._node(home).everywhere(*commands) for home in homes), return_exceptions=True
        )
        failures = [one for one in told if isinstance(one, BaseException)]
        if len(failures) == len(homes):
            raise failures[0]

    def keep_to(self, primary: Address) -> None:
        """Nothing: a node that was replaced says so to whoever asks it."""

    def wait_for(self, timeout: float) -> None:
        """Let calls take another time (seconds) from now on."""
        self._timeout = timeout
        for node in self._nodes.values():
            node.wait_for(timeout)

    async def close(self) -> None:
        """Close the connections; who waits on one is told so."""
        nodes = (node.close() for node in self._nodes.values())
        await asyncio.gather(self._directory.close(), *nodes)

    def _node(self, address: Address) -> Pipes:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = Pipes(dial_node(self._place, address), self._timeout)
        return node

    def _let_go(self) -> None:
        """Close the connections to those who have nothing any more, and from whom nothing comes."""
        homes = set(self._directory.homes)
        for address in [one for one in self._nodes if one not in homes]:
            if not self._nodes[address].is_busy:
                self._nodes.pop(address).end()


def connected(place: Place, *timeouts: float) -> tuple[Calls, ...]:
    """Give connections to what a place names for each of these timeouts, none of them made yet."""
    if place.way is Way.CLUSTER:
        directory = Directory(place)
        return tuple(ClusterPipes(place, directory, timeout) for timeout in timeouts)
    return tuple(Pipes(dial(place), timeout) for timeout in timeouts)


def _address(about: str, asked: Address | None) -> Address:
    """Read whom an answer names, behind the slot; no host is that of who said so."""
    host, _, port = about.rpartition(" ")[2].rpartition(":")
    return asked[0] if asked and host in ("", "?") else host, int(port)
