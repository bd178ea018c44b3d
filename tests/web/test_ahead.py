"""Manifests that are asked for all the time are fetched before anybody has to wait for them."""

import gc
from pathlib import Path
from urllib.parse import urljoin

from aiohttp import web

from proxy.manifest_source import ManifestSource
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.stack import Stack

ENTRY = "/live/one/master.m3u8"
LOW = "/live/one/low/index.m3u8"


async def test_who_refreshes_waits_for_no_origin_and_is_not_told_to_it() -> None:
    async with Stack(origin={"cache": "500ms"}) as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch(ENTRY)
        low = urljoin(ENTRY, entry.uris()[0])

        def fetches() -> tuple[int, list[web.BaseRequest]]:
            """Give how many somebody waited for, and all that came to the origin."""
            # Each that somebody waited for is a miss; the master was one.
            registry = stack.service.metrics.registry
            misses = registry.get_sample_value("playgate_manifest_cache_total", {"result": "miss"})
            assert misses is not None
            asked = [one for one in stack.origin.requests if one.path == LOW]
            return int(misses) - 1, asked

        async def fetched_ahead() -> bool:
            answer = await stack.ask(low, X_Request_Id="viewer", Accept_Language="nl")
            assert answer.status == 200
            waited_for, asked = fetches()
            return len(asked) - waited_for >= 2

        await until(fetched_ahead, "a playlist was fetched that nobody waited for")
        waited_for, asked = fetches()
        ahead = [one.headers for one in asked if "X-Forwarded-For" not in one.headers]
        assert len(ahead) == len(asked) - waited_for
        for headers in ahead:
            assert headers.keys().isdisjoint({"X-Request-Id", "Accept-Language"})
            assert headers["X-Forwarded-Proto"] == "http"


async def test_a_manifest_in_memory_keeps_nothing_of_a_configuration_that_was(
    tmp_path: Path,
) -> None:
    before = sources()
    async with Stack(folder=tmp_path, origin={"cache": "10m"}) as stack:
        serve_channels(stack.origin, "one")
        assert (await stack.watch(ENTRY)).status == 200
        assert (await stack.reload(limits={"default": 2})).status == 200
        assert (await stack.watch(ENTRY)).status == 200

        async def one_is_left() -> bool:
            gc.collect()
            ours = [one for one in sources() if all(one is not other for other in before)]
            return len(ours) == 1

        await until(one_is_left, "the last connection that was served by the other has ended")
        assert stack.origin.paths.count(ENTRY) == 1


def sources() -> list[ManifestSource]:
    """Give all that there are in this process, those of other tests too."""
    return [one for one in gc.get_objects() if isinstance(one, ManifestSource)]
