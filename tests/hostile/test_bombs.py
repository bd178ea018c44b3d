"""What is large to read costs its own viewers their manifest, and others not even a wait."""

import asyncio

import pytest

from tests.conftest import Tell
from tests.hostile.bombs import bombs
from tests.hostile.stage import beat
from tests.support.playlists import serve_channels
from tests.support.stack import Stack
from tests.web.wire import Wire, status

pytestmark = pytest.mark.hostile


async def test_a_manifest_that_is_too_much_is_read_or_refused_while_others_play(tell: Tell) -> None:
    came = {200: 0, 502: 0}
    settings = {"max_manifest": "64MiB", "cache": "10m", "timeout": "5m"}
    async with Stack(origin=settings) as stack, Wire(stack) as other:
        serve_channels(stack.origin, "one")
        child = await beat(stack)
        for number, (name, extension, content_type, text) in enumerate(bombs()):
            path = f"/live/bomb-{number}.{extension}"
            stack.origin.answers[path] = (content_type, text)
            bomb = asyncio.create_task(stack.watch(path, f"viewer-{number}"))
            while True:
                assert status(await other.ask(child)) == 200, name
                if (await asyncio.wait([bomb], timeout=0.05))[0]:
                    break
            answer = bomb.result()
            assert answer.status in came, name
            came[answer.status] += 1
            assert answer.status == 200 or answer.code == "origin_invalid", name
            assert b"root:" not in answer.body, name
            del stack.origin.answers[path]
    tell(
        f"manifests that are too much: {came[200]} read, {came[502]} refused as its origin's; "
        "hangs 0"
    )
