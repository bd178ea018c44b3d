"""Connections to origins: aiohttp's client, with the three habits changed that a proxy can't have.

- It resends a request by itself when a kept connection turns out to be dead. Here ``retries`` says
  how often that is done, and health is told of it, so the failure comes out at once.
- It takes a kept connection from its pool without a look at what has come in meanwhile. An origin
  that sends more than it was asked for would have those bytes taken for the answer to the next
  request: another viewer's, and all that follow shifted by one. Such a connection is dropped.
- A request made again may meet the next dead connection of the same pool (a firewall that forgot
  them all). The second attempt therefore dials anew, outside the pool.

It keeps no cookies, heeds no proxy settings of the environment, adds no fields but Host, decodes
nothing and follows no redirect.
"""

from aiohttp import (
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from proxy.errors import OriginUnreachable
from proxy.origin.exchange import Answer, Until
from proxy.origin.headers import Fields
from proxy.origin.upstream import OriginConfig

# Seconds an idle connection is kept: longer than a live playlist's refresh, shorter than the
# 60 s and more after which load balancers drop theirs. One that is dropped earlier costs a retry.
KEEPALIVE = 15.0

# Bytes read ahead of a slow viewer, for each segment on its way (aiohttp buffers up to twice it).
READ_AHEAD = 64 * 1024


class Transport:
    """The sockets of one process, from ``start`` to ``close``.

    As many as there are requests under way, which are bounded where they come in: each may have one
    of its own, held by the origin for many seconds, and nobody is to wait for one here.
    """

    def __init__(self) -> None:
        self._pooled: ClientSession | None = None
        self._single: ClientSession | None = None

    async def start(self) -> None:
        """Make the pool; connections are opened when they are needed."""
        self._pooled = _session(_CarefulConnector(limit=0, keepalive_timeout=KEEPALIVE))
        self._single = _session(TCPConnector(limit=0, force_close=True))

    async def close(self) -> None:
        """Close every connection, those in use too. May be called again."""
        sessions, self._pooled, self._single = (self._pooled, self._single), None, None
        for session in sessions:
            if session is not None:
                await session.close()

    async def send(
        self,
        method: str,
        url: URL,
        fields: Fields,
        config: OriginConfig,
        *,
        deadline: float,
        again: bool,
    ) -> Answer:
        """Give the response once its header is here; whoever gets it closes it.

        ``deadline`` is in the event loop's time. ``again`` says that an attempt failed before.
        Raises OriginUnreachable, OriginTimeout, or OriginInvalid for what is not HTTP.
        """
        session = self._single if again else self._pooled
        if session is None:
            raise OriginUnreachable("The proxy is not connected to its origins.")
        timeout = ClientTimeout(connect=config.connect_timeout)
        async with Until(deadline):
            response = await session.request(
                method, url, headers=fields, timeout=timeout, allow_redirects=False
            )
        assert isinstance(response, Answer)  # noqa: S101  # the session makes no others
        return response


class _CarefulConnector(TCPConnector):
    """Never gives out a kept connection on which something is waiting to be read."""

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  # the name is aiohttp's
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


async def _without_resending(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Take a failed connection out of the sight of aiohttp, which would send again."""
    try:
        return await send(request)
    except (ClientOSError, ServerDisconnectedError) as error:
        raise OriginUnreachable from error


def _session(connector: TCPConnector) -> ClientSession:
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        response_class=Answer,
        read_bufsize=READ_AHEAD,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        middlewares=(_without_resending,),
    )
