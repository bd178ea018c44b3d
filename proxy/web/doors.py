"""The sockets on which a port accepts connections, some of them for a while only."""

import asyncio
import socket
import ssl
from collections.abc import Collection

from aiohttp import web

from proxy.web.sockets import Sockets, queued, take_no_more

# Connections that may wait to be accepted on each.
BACKLOG = 1024
# Until connections are made that had begun (seconds): a round trip to whoever balances.
HANDSHAKE_SECONDS = 0.01


class Doors:
    """Accepts from those of the sockets that are open; the others stay as they are."""

    def __init__(
        self, runner: web.BaseRunner, sockets: Sockets, tls: ssl.SSLContext | None
    ) -> None:
        self._runner = runner
        self._sockets = sockets
        self._tls = tls
        self._open: dict[int, web.SockSite] = {}

    @property
    def port(self) -> int:
        """The port of all of them."""
        return int(self._sockets[0].getsockname()[1])

    def __len__(self) -> int:
        """How many there are, open or not."""
        return len(self._sockets)

    async def open(self, wanted: Collection[int]) -> None:
        """Accept from these, by their places, and from no others."""
        for place in self._open.keys() - set(wanted):
            await self._open.pop(place).stop()
        for place in set(wanted) - self._open.keys():
            # A copy, because what is closed then is closed, and others may go on with the socket.
            site = web.SockSite(
                self._runner, self._sockets[place].dup(), ssl_context=self._tls, backlog=BACKLOG
            )
            await site.start()
            self._open[place] = site

    async def take_no_more(self) -> None:
        """Have no connection begin any more, in this process or another; accept what has begun."""
        for one in self._sockets:
            take_no_more(one)
        await asyncio.sleep(HANDSHAKE_SECONDS)

    async def close(self) -> Sockets:
        """Accept no more. Gives the connections that had been made and waited for it.

        Those of all sockets: whoever accepted from another may have closed it before.
        """
        await self.open(())
        waiting: list[socket.socket] = []
        for one in self._sockets:
            waiting += queued(one)
            one.close()
        return tuple(waiting)
