"""Manifests that are asked for all the time are fetched before anybody has to wait for them."""

import gc
from pathlib import Path
from urllib.parse import urljoin

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

        async def fetched_ahead() -> bool:
            answer = await stack.ask(low, X_Request_Id="viewer", Accept_Language="nl")
            assert answer.status == 200
            # Each fetch that somebody waited for is a miss; the master was one.
            registry = stack.service.metrics.registry
            misses = registry.get_sample_value("playgate_manifest_cache_total", {"result": "miss"})
            assert misses is not None
            return stack.origin.paths.count(LOW) - (misses - 1) >= 2

        await until(fetched_ahead, "a playlist was fetched that nobody waited for")
        headers = stack.origin.requests[-1].headers
        assert headers.keys().isdisjoint({"X-Forwarded-For", "X-Request-Id", "Accept-Language"})
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
        gc.collect()
        assert len([one for one in sources() if all(one is not other for other in before)]) == 1
        assert stack.origin.paths.count(ENTRY) == 1


def sources() -> list[ManifestSource]:
    """Give all that there are in this process, those of other tests too."""
    return [one for one in gc.get_objects() if isinstance(one, ManifestSource)]
