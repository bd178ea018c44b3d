"""What requests leave behind: nothing that only the garbage collector would find.

An exception that holds itself, by a frame of its traceback, takes some sixty objects with it, and
in a storm of refusals the collector, which stops everything, has to look all the time.
"""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.playlists import serve_channels
from tests.support.stack import Stack
from tests.web.wire import Wire, status

ENTRY = "/live/one/master.m3u8"
TIMES = 20


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(limits={"default": 1}) as stack:
        serve_channels(stack.origin, "one")
        stack.origin.answers["/live/no/master.m3u8"] = ("text/html", "<html>")
        assert (await stack.watch(ENTRY, "full", device="first")).status == 200
        yield stack


@contextmanager
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("expected", "target"),
    [
        (200, lambda stack, n: f"{ENTRY}?token={stack.token(f'fan-{n}')}"),
        (429, lambda stack, n: f"{ENTRY}?token={stack.token('full', device=f'other-{n}')}"),
        (401, lambda stack, n: f"{ENTRY}?token={stack.token()[:-5]}x{n:04}"),
        (401, lambda _, n: f"/live/one/low/index.m3u8?_sid=x.y{n}.z"),
        (404, lambda _, n: f"/nothing/{n}"),
        (502, lambda stack, n: f"/live/no/master.m3u8?token={stack.token(f'unlucky-{n}')}"),
    ],
    ids=["a start", "a refusal", "a bad token", "a bad ticket", "no route", "no manifest"],
)
async def test_no_request_leaves_anything_to_the_garbage_collector(
    stack: Stack, expected: int, target: Callable[[Stack, int], str]
) -> None:
    async with Wire(stack) as wire:
        assert status(await wire.ask(target(stack, 0))) == expected
        targets = [target(stack, number) for number in range(1, TIMES + 1)]
        with uncollected():
            for one in targets:
                assert status(await wire.ask(one)) == expected
            assert gc.collect() < TIMES
