"""What the documentation shows runs, against a real proxy and a real Redis."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from proxy.telemetry import event_stream
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

EXAMPLES = Path(__file__).parents[1] / "docs/examples"
ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"


async def run(example: str, *arguments: str, stdin: str = "") -> str:
    """Run an example to its end, and give what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / example),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        printed, failed = await process.communicate(stdin.encode())
    assert process.returncode == 0, failed.decode()
    return printed.decode()


async def beats_of(stack: Stack) -> int:
    """How often alice's one stream showed life."""
    [listed] = (await stack.operate("/admin/v1/accounts/alice/streams")).json["streams"]
    return int(listed["beats"])


async def test_the_report_says_what_each_account_watched(
    redis_server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "CLOSE_SECONDS", 60.0)  # a busy machine may take its time
    async with Stack(
        store={"url": redis_server.url, "timeout": "10s"}, events={"sink": "redis-stream"}
    ) as stack:
        serve_channels(stack.origin, "one", "two")
        for account, path in (("alice", ONE), ("alice", TWO), ("bob", ONE)):
            await stack.watch(path, account)
        for account in ("alice", "bob"):
            await stack.operate(f"/admin/v1/accounts/{account}/streams", "DELETE")
    entries: Any = await redis.xrange("playgate:events")
    assert entries
    # An end that was sent twice is one.
    double = next(fields for _, fields in entries if fields[b"event"] == b"stream.ended")
    await redis.xadd("playgate:events", double)
    report = await run("viewing_report.py", redis_server.url)
    totals = [line.split()[1:3] for line in report.splitlines() if not line.startswith(" ")]
    assert sorted(totals) == [["1", "streams"], ["2", "streams"]]
    assert report.count(ONE) == 2
    assert report.count(TWO) == 1
    assert (await run("viewing_report.py", redis_server.url)).strip() == ""


async def test_the_cdns_log_keeps_streams_alive(redis_server: RedisServer, redis: Redis) -> None:
    async with Stack(
        store={"url": redis_server.url, "timeout": "10s"},
        events={"keepalive": True},
        streams={"ttl": "10m"},  # longer than any machine takes to start the example
    ) as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch(ONE)
        low = await stack.ask(f"/live/one/{entry.uris()[0]}")
        beats = await beats_of(stack)
        log = f'203.0.113.7 - - "GET /live/one/low/{low.uris()[0]} HTTP/2" 200\nGET /else\n' * 3
        await run("cdn_keepalive.py", redis_server.url, stdin=log)
        assert await redis.xlen("playgate:keepalive") == 1

        async def heard() -> bool:
            return await beats_of(stack) == beats + 1

        await until(heard, "the beat")
