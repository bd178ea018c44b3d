"""Whether a server does the job at all: three streams play, a fourth does not, for however long.

Asked over HTTP alone. Slots are made to lapse after a few seconds; the three then renew for longer
than that, as live viewers do, and a fourth is tried all the time. At the end one of the three
stops, and the fourth is to come in.
"""

import asyncio
import time
from dataclasses import dataclass

import aiohttp

from bench.against import world
from bench.against.load import HEADERS, child, fetch
from bench.against.peers.terms import Peer
from bench.against.stage import Stage, serving

TTL = 4
# Refreshes within a slot's life, as with a playlist of six seconds and a slot of thirty.
BEATS = 5
# So many lives of a slot the three play; so many a slot that was left may take to be free again.
LIVES, PATIENCE = 2.0, 3.0


class Unfit(Exception):
    """The server does not do the job; the text says what it did instead."""


@dataclass(frozen=True, slots=True)
class Player:
    """A device that has a stream: where its next manifest is."""

    stream: world.Stream
    child: str


def prove(peer: Peer, stage: Stage) -> str | None:
    """Try a server, and say what it does wrong; None: nothing."""
    with serving(peer, stage, ttl=TTL) as served:
        try:
            asyncio.run(_try(served.port))
        except Unfit as error:
            return str(error)
    return None


async def _try(port: int) -> None:
    streams = [
        world.Stream("proof", f"device-{number}", world.PROOF_CHANNEL)
        for number in range(world.LIMIT + 1)
    ]
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        await _expect_locked(session, port, streams[0])
        players = [await _start(session, port, stream) for stream in streams[:-1]]
        newcomer = streams[-1]
        begun = time.monotonic()
        while (played := time.monotonic() - begun) < LIVES * TTL:
            for player in players:
                await _beat(session, port, player)
            if await _enters(session, port, newcomer):
                raise Unfit(f"admits a fourth stream beside three that renew, after {played:.0f} s")
            await asyncio.sleep(TTL / BEATS)  # the pace of players, not a wait for something
        left = time.monotonic()
        while not await _enters(session, port, newcomer):
            if time.monotonic() - left > PATIENCE * TTL:
                raise Unfit("never frees the slot of a stream that is over")
            for player in players[1:]:
                await _beat(session, port, player)
            await asyncio.sleep(TTL / BEATS)


async def _expect_locked(session: aiohttp.ClientSession, port: int, stream: world.Stream) -> None:
    """Nobody gets in without a credential, with a forged one, or with another title's ticket."""
    entry = stream.entry()
    bare, token = entry.split("?token=")
    head, claims, signature = token.split(".")
    forged = f"{bare}?token={head}.{claims}.{signature[::-1]}"
    rendition = bare.replace("master.m3u8", f"{world.RENDITIONS[0]}/index.m3u8")
    for path in (bare, forged, rendition, f"{rendition}?_sid=forged"):
        status, _ = await fetch(session, port, path)
        if status not in (401, 403):
            raise Unfit(f"answers {status} to {path.partition('?')[0]} without a good credential")


async def _start(session: aiohttp.ClientSession, port: int, stream: world.Stream) -> Player:
    entry = stream.entry()
    status, body = await fetch(session, port, entry)
    if status != 200:
        raise Unfit(f"answers {status} to one of the first three streams")
    return Player(stream, child(entry, body))


async def _beat(session: aiohttp.ClientSession, port: int, player: Player) -> None:
    status, body = await fetch(session, port, player.child)
    if status != 200 or "#EXTINF" not in body:
        raise Unfit(f"answers {status} to a refresh")


async def _enters(session: aiohttp.ClientSession, port: int, stream: world.Stream) -> bool:
    status, _ = await fetch(session, port, stream.entry())
    if status == 200:
        return True
    if not 400 <= status < 500:
        raise Unfit(f"answers {status} where it should refuse")
    return False
