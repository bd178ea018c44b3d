"""Doctored players that give their slot back after each request: how far they get."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from proxy.admission.ledger import CHURN_MS, MAX_CHURN
from tests.support.playlists import serve_channels
from tests.support.stack import Answer, Stack
from tests.wild.screens import TestClock

LAPSES = 30  # seconds: streams.ttl
GiveBack = Callable[[Stack, Answer], Awaitable[Answer]]


async def release(stack: Stack, entry: Answer) -> Answer:
    return await stack.ask(f"/_playgate/release?_sid={entry.ticket()}", method="POST")


async def stop(stack: Stack, entry: Answer) -> Answer:
    stream, token = entry.headers["Playgate-Stream"], stack.token()
    return await stack.ask(f"/_playgate/streams/{stream}?token={token}", method="DELETE")


async def keep(stack: Stack, entry: Answer) -> Answer:
    """Leave it to the next one to take."""
    return await stack.ask(f"/_playgate/heartbeat?_sid={entry.ticket()}", method="POST")


@pytest.mark.parametrize(
    ("give_back", "limits", "device"),
    [
        pytest.param(release, {}, None, id="each releases"),
        pytest.param(stop, {}, None, id="each stops its own stream"),
        pytest.param(keep, {}, "tv", id="all bear one device's token"),
        pytest.param(keep, {"on_limit": "evict_oldest"}, None, id="each evicts the one before"),
    ],
)
async def test_players_that_share_a_slot_by_turns_get_one_turn_in_ten_seconds(
    give_back: GiveBack, limits: dict[str, str], device: str | None
) -> None:
    clock = TestClock()
    settings: dict[str, Any] = {"limits": {"default": 1, **limits}}

    async def turns(stack: Stack) -> int:
        """Come in by turns until there is no place; each is another stream than the one before."""
        for number in range(2 * MAX_CHURN):
            channel, session = ("one", "two")[number % 2], uuid4().hex
            entry = await stack.watch(
                f"/live/{channel}/master.m3u8", device=device, X_Playback_Session_Id=session
            )
            if entry.status != 200:
                assert entry.code == "stream_limit"
                return number
            assert (await give_back(stack, entry)).status == 204
        raise AssertionError("there is always a place")

    async with Stack(clock, **settings) as stack:
        serve_channels(stack.origin, "one", "two")
        assert await turns(stack) == MAX_CHURN + 1
        for _period in range(2):
            clock.passes(LAPSES)
            # One, because the slot of the last turn has lapsed.
            assert await turns(stack) == 1 + LAPSES * 1000 // CHURN_MS
