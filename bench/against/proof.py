"""Whether a server does the job at all: three streams play, a fourth does not, for however long.

Asked over HTTP alone. Slots are made to lapse after a few seconds; the three then renew for longer
than that, as live viewers do, and a fourth is tried all the time. At the end one of the three
stops, and the fourth is to come in.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.against import world
from bench.against.client import Connection, Unexpected, child, connect
from bench.against.peers.terms import Peer
from bench.against.stage import Stage, serving

TTL = 4
# Refreshes within a slot's life, as with a playlist of six seconds and a slot of thirty.
BEATS = 5
# So many lives of a slot the three play; so many a slot that was left may take to be free again.
LIVES, PATIENCE = 2.0, 3.0


class Unfit(Exception):
    """The server does not do the job; the text says what it did instead."""


def prove_all(peers: Sequence[Peer], stage: Stage) -> Mapping[str, str | None]:
    """Try servers, all at the same time, and say of each what it does wrong; None: nothing."""
    with ThreadPoolExecutor(max(1, len(peers))) as pool:  # all that were asked for may be absent
        found = pool.map(lambda peer: prove(peer, stage), peers)
        return dict(zip((peer.name for peer in peers), found, strict=True))


def prove(peer: Peer, stage: Stage) -> str | None:
    """Try a server, with an account of its own."""
    try:
        with serving(peer, stage, ttl=TTL) as served:
            asyncio.run(try_limits(served.port, f"proof-{peer.name}", TTL))
    except (Unfit, Unexpected, ConnectionError) as error:
        return str(error)
    return None


async def try_limits(
    port: int,
    account: str,
    ttl: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Play three streams and try a fourth, at a server whose slots lapse after so many seconds.

    Time is the ``clock``'s, in seconds, and passes in a ``pause``.

    Raises:
        Unfit: it did something else than to refuse the fourth for as long as the three play.
    """
    connection = await connect(port)
    *first, newcomer = (
        world.Stream(account, f"device-{number}", world.PROOF_CHANNEL)
        for number in range(world.LIMIT + 1)
    )
    await _expect_locked(connection, first[0])
    children = [await _start(connection, stream) for stream in first]
    begun = clock()
    while (played := clock() - begun) < LIVES * ttl:
        await _beat(connection, children)
        if await _enters(connection, newcomer):
            raise Unfit(f"admits a fourth stream beside three that renew, after {played:.0f} s")
        await pause(ttl / BEATS)  # the pace of players, not a wait for something
    left = clock()
    while not await _enters(connection, newcomer):
        if clock() - left > PATIENCE * ttl:
            raise Unfit("never frees the slot of a stream that is over")
        await _beat(connection, children[1:])
        await pause(ttl / BEATS)
    connection.close()


async def _expect_locked(connection: Connection, stream: world.Stream) -> None:
    """Nobody gets in without a credential or with a forged one."""
    bare = stream.entry().partition("?")[0]
    rendition = bare.replace("master.m3u8", f"{world.RENDITIONS[0]}/index.m3u8")
    forged = f"{bare}?token={world.token(stream, secret=world.JWT_SECRET[::-1])}"
    for path in (bare, forged, rendition, f"{rendition}?_sid=forged"):
        status, _ = await connection.ask(path)
        if status not in (401, 403):
            raise Unfit(f"answers {status} to {path.partition('?')[0]} without a good credential")


async def _start(connection: Connection, stream: world.Stream) -> str:
    """Start a stream, and give where its next manifest is."""
    entry = stream.entry()
    status, body = await connection.ask(entry)
    if status != 200:
        raise Unfit(f"answers {status} to one of the first three streams")
    return child(entry, body)


async def _beat(connection: Connection, children: Sequence[str]) -> None:
    for path in children:
        status, body = await connection.ask(path)
        if status != 200 or "#EXTINF" not in body:
            raise Unfit(f"answers {status} to a refresh")


async def _enters(connection: Connection, stream: world.Stream) -> bool:
    status, _ = await connection.ask(stream.entry())
    if status == 200:
        return True
    if not 400 <= status < 500:
        raise Unfit(f"answers {status} where it should refuse")
    return False
