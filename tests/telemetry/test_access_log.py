"""The access log: a share of all requests, whichever way each went, and nothing that opens any."""

import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy.telemetry.access_log import AccessLog
from tests.support.playlists import serve_channels
from tests.support.stack import Stack
from tests.web.wire import Wire, status, value

ENTRY = "/live/one/master.m3u8"


def requests(entries: list[Any]) -> list[dict[str, Any]]:
    return [dict(entry) for entry in entries if entry["event"] == "request"]


async def play(stack: Stack) -> list[tuple[bytes, bytes]]:
    """Start, refresh until the fast path answers, be refused until it refuses, and get lost."""
    async with Wire(stack) as wire:
        entry = f"{ENTRY}?token={stack.token()}"
        replies = [await wire.ask(entry)]
        low = re.search(rb"low/index.m3u8\?_sid=[\w.-]+", replies[0][1])
        assert low
        refresh = f"/live/one/{low[0].decode()}"
        refused = f"{ENTRY}?token={stack.token('bob', limit=0)}"
        asked = [*[refresh] * 5, *[refused] * 8, "/nowhere?token=canary"]
        return replies + [await wire.ask(target) for target in asked]


@pytest.mark.parametrize("fast_path", [True, False])
async def test_each_request_is_logged_with_what_it_came_to(*, fast_path: bool) -> None:
    settings: dict[str, Any] = {
        "listen": {"fast_path": fast_path},
        "log": {"access_sample": 1},
        "origin": {"cache": "10m"},
    }
    async with Stack(**settings) as stack:
        serve_channels(stack.origin, "one")
        with capture_logs() as entries:
            replies = await play(stack)
    logged = requests(entries)
    assert [entry["status"] for entry in logged] == [status(reply) for reply in replies]
    ids = [value(reply, "X-Request-Id") for reply in replies]
    assert [entry["request_id"] for entry in logged] == ids
    kinds = ["entry", *["child"] * 5, *["entry"] * 8, "api"]
    assert [entry["kind"] for entry in logged] == kinds
    refused = [entry["code"] for entry in logged[6:14]]
    assert (refused, logged[14]["code"]) == (["stream_limit"] * 8, "not_found")
    streams = {entry["stream"] for entry in logged[:6]}
    assert streams == {value(replies[1], "Playgate-Stream")}
    assert len({entry["account"] for entry in logged[:6]}) == 1
    assert not re.search(r"token|_sid|eyJ|canary|alice|m3u8", str(logged))


async def test_nothing_is_logged_of_a_request_unless_it_is_asked_for() -> None:
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        with capture_logs() as entries:
            await play(stack)
    assert requests(entries) == []


def test_the_share_that_is_drawn_is_the_one_that_is_asked_for() -> None:
    for share in (0.0, 0.1, 0.5, 1.0):
        log = AccessLog(share)
        drawn = sum(log.draw() for _ in range(20_000))
        assert abs(drawn / 20_000 - share) < 0.02
