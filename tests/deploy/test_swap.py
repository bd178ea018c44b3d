"""A swap under load, as the manifests make it: no request is lost; both slots count together."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from tests.support.pair import two_proxies
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

ENTRY = "/live/one/master.m3u8"
# Whoever comes anew, with a token, and refreshes on connections that stay open.
NEWCOMERS, WATCHERS = 3, 3


class Door:
    """What a Service does: a new connection is led to the slot it selects, and stays there."""

    def __init__(self, slot: Stack) -> None:
        self.slot = slot
        self.port = 0

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self.slot.service.port
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, far_writer))
            group.create_task(pump(far_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what comes one way, and its end."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def door(slot: Stack) -> AsyncIterator[Door]:
    opened = Door(slot)
    server = await asyncio.start_server(opened.lead, "127.0.0.1", 0)
    opened.port = server.sockets[0].getsockname()[1]
    async with server:
        yield opened


class Audience:
    """Viewers who do not stop, and what they were answered."""

    def __init__(self, url: str, blue: Stack) -> None:
        self.url = url
        self.blue = blue
        self.answers: Counter[str] = Counter()

    async def ask(self, client: aiohttp.ClientSession, address: str) -> str:
        try:
            async with client.get(address, headers={"Host": "tv.test"}) as answer:
                body = await answer.text()
                self.answers[str(answer.status)] += 1
                return body
        except aiohttp.ClientError as error:
            self.answers[type(error).__name__] += 1
            raise

    def entry(self, account: str) -> str:
        return f"{self.url}{ENTRY}?token={self.blue.token(account)}"

    async def refresh(self, account: str) -> None:
        """Start once, and refresh over one connection that is kept."""
        async with aiohttp.ClientSession() as client:
            playlist = await self.ask(client, self.entry(account))
            child = next(line for line in playlist.splitlines() if line and line[0] != "#")
            while True:
                await self.ask(client, f"{self.url}/live/one/{child}")

    async def come(self, account: str) -> None:
        """Start again and again, each time over a new connection."""
        while True:
            async with aiohttp.ClientSession() as client:
                await self.ask(client, self.entry(account))

    async def more(self, answers: int) -> None:
        """Wait until so many more answers came."""
        enough = self.answers.total() + answers

        async def there() -> bool:
            return self.answers.total() >= enough

        await until(there, f"{answers} more answers, of {self.answers}")


def decisions(stack: Stack) -> dict[str, int]:
    """What a slot has decided so far."""
    lines = stack.service.metrics.exposition("")[0].decode().splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith("playgate_admissions_total"))
    return {
        name.partition('result="')[2].partition('"')[0]: int(float(number))
        for name, _, number in found
        if float(number)
    }


@pytest.mark.usefixtures("redis")
async def test_a_swap_under_load_loses_no_request(redis_server: RedisServer) -> None:
    # A viewer of a busy machine may be late.
    settings = {"listen": {"drain_timeout": "60s"}, "streams": {"ttl": "10m"}}
    async with two_proxies(redis_server, **settings) as pair, door(pair.here) as service:
        blue, green = pair.here, pair.there
        serve_channels(blue.origin, "one")
        audience = Audience(f"http://127.0.0.1:{service.port}", blue)
        viewers = [
            *(asyncio.create_task(audience.refresh(f"watcher-{n}")) for n in range(WATCHERS)),
            *(asyncio.create_task(audience.come(f"newcomer-{n}")) for n in range(NEWCOMERS)),
        ]
        await audience.more(60)
        assert not decisions(green)
        service.slot = green  # the swap
        await audience.more(60)
        assert decisions(green), "newcomers are led to green"
        # The slot that was left goes, as it does when the next version is rolled into it: what is
        # under way is answered, and kept connections are closed between requests. One that was just
        # being sent is sent again on another, as clients do with a GET (RFC 9112 §9.3.1).
        await blue.service.stop()
        await audience.more(60)
        for viewer in viewers:
            viewer.cancel()
        ended = await asyncio.gather(*viewers, return_exceptions=True)
        assert [type(end) for end in ended] == [asyncio.CancelledError] * len(viewers)
        assert audience.answers.keys() == {"200"}
        # Nobody's stream was begun anew: blue's tickets and streams are green's.
        assert set(decisions(green)) == {"renewed"}


@pytest.mark.usefixtures("redis")
async def test_both_slots_count_an_accounts_streams_together(redis_server: RedisServer) -> None:
    async with two_proxies(redis_server) as pair:
        serve_channels(pair.here.origin, "one", "two", "three", "four")
        for number, (slot, title) in enumerate(
            ((pair.here, "one"), (pair.there, "two"), (pair.here, "three")), 1
        ):
            path = f"/live/{title}/master.m3u8?token={slot.token(device=title)}"
            answer = await pair.ask(path, through=slot)
            assert answer.decision == ("admitted", f"{number}/3")
        for slot in (pair.here, pair.there):
            refused = await pair.ask(
                f"/live/four/master.m3u8?token={slot.token(device='four')}", through=slot
            )
            assert (refused.status, refused.code) == (429, "stream_limit")
