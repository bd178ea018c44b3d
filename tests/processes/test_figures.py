"""The metrics of several workers: whoever is asked tells of all."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.processes.crowd import ENTRY, more_of, watching
from tests.processes.fleet import Fleet, descriptors
from tests.support.origin import TestOrigin
from tests.support.poll import until

pytestmark = pytest.mark.deploy

KILLS = 6


def counted_in(pid: int) -> Path:
    """The folder in which a worker leaves its metrics."""
    files = (link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir())
    return next(file.parent for file in files if file.name == "used")


def pages(pid: int) -> int:
    """How many pages of memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


async def test_any_worker_tells_of_all_and_no_counter_falls_when_one_is_killed(
    fleet: Fleet,
) -> None:
    folder = counted_in(fleet.pids[0])
    assert folder.stat().st_mode & 0o077 == 0, "nobody else's"
    files = 0
    async with watching(fleet, again=True) as tally:
        counted = cpu = 0.0
        for number in range(KILLS):
            async with fleet.replacing():
                fleet.tell(signal.SIGKILL, fleet.pids[0])
            await more_of(tally, 20)
            for _ in range(4):
                answered = tally.requests
                samples = await fleet.metrics()
                now = sum(samples["playgate_requests_total"].values())
                assert now >= counted, "a counter fell"
                assert now >= answered, "what is answered was counted before"
                counted = now
                assert samples["process_cpu_seconds_total"][()] >= cpu
                cpu = samples["process_cpu_seconds_total"][()]
                assert samples["playgate_store_up"] == {(): 1}
                assert samples["playgate_degraded"] == {(): 0}
                assert list(samples["playgate_build_info"].values()) == [1]
            if number == 0:
                files = len(list(folder.iterdir()))
        assert len(list(folder.iterdir())) == files, "the folder grows with each that dies"

    async def all_is_told() -> bool:
        samples = await fleet.metrics()
        streams = {(("route", "live"),): 12, (("route", "none"),): 0}
        in_flight = samples["playgate_in_flight_requests"]
        return in_flight == {(): 0} and samples["playgate_active_streams"] == streams

    # A request is in flight for a moment after its answer, and a worker looks for streams at times.
    await until(all_is_told, "nothing is in flight, and twelve streams are active")
    samples = await fleet.metrics()
    assert sum(samples["playgate_requests_total"].values()) >= tally.requests
    buckets = samples["playgate_request_seconds_bucket"]
    counts = samples["playgate_request_seconds_count"]
    assert sum(counts.values()) == sum(samples["playgate_requests_total"].values())
    assert all(buckets[(*key[:1], ("le", "+Inf"), *key[1:])] == counts[key] for key in counts)


async def test_what_can_be_refused_is_counted_from_0_whoever_is_asked_first(fleet: Fleet) -> None:
    refusals = (await fleet.metrics())["playgate_refusals_total"]
    labels = {"route": "live", "code": "stream_limit", "rule": "default"}
    assert refusals[tuple(sorted(labels.items()))] == 0
    assert not any(refusals.values())


async def test_what_processes_take_is_that_of_all_workers(fleet: Fleet) -> None:
    async def is_told() -> bool:
        samples = await fleet.metrics()
        memory = samples["process_resident_memory_bytes"][()] / os.sysconf("SC_PAGE_SIZE")
        is_of_all = 0.7 < memory / sum(map(pages, fleet.pids)) < 1.4
        return is_of_all and samples["process_open_fds"][()] > max(map(descriptors, fleet.pids))

    # Each tells a moment after it has begun to serve.
    await until(is_told, "what all workers take")


async def test_the_console_is_told_of_all_workers(fleet: Fleet) -> None:
    async with watching(fleet) as tally:
        pass

    async def all_are_seen() -> bool:
        _, stats = await fleet.operate("/admin/v1/stats")
        return bool(stats["active_streams"]["live"] == 12)

    await until(all_are_seen, "twelve active streams")
    began = set()
    for _ in range(6):
        _, stats = await fleet.operate("/admin/v1/stats")
        began.add(stats["started_at"])
        assert stats["totals"]["requests"] == {"ok": tally.requests}
        assert stats["totals"]["ended"] == dict.fromkeys(stats["totals"]["ended"], 0)
    assert len(began) == 1, "to the page, the numbers would seem to begin anew"


async def test_a_route_and_an_origin_that_are_gone_are_shown_no_more(
    fleet: Fleet, origin: TestOrigin
) -> None:
    live = fleet.mapping()["routes"]
    other = {"name": "other", "path": "/other/**", "origins": ["http://127.0.0.1:9"]}

    async def names(metric: str) -> set[str]:
        return {value for labels in (await fleet.metrics())[metric] for _, value in labels}

    for routes in ([*live, other], live, [*live, other], live):
        fleet.write(routes=routes)
        assert (await fleet.operate("/admin/v1/reload", "POST"))[0] == 200
        for _ in range(4):
            wanted = {route["name"] for route in routes} | {"none"}
            assert await names("playgate_active_streams") == wanted
            assert len(await names("playgate_origin_up")) == len(routes)
    _, stats = await fleet.operate("/admin/v1/stats")
    assert stats["origins"] == [{"origin": origin.url, "up": True}]


async def test_every_worker_counts_in_the_same_store(fleet: Fleet) -> None:
    """A start at one is refused at another: limits are of the proxy, not of a process."""

    async def start(device: str) -> int:
        headers = {"User-Agent": device, "Connection": "close"}
        url = f"{fleet.url}{ENTRY}?token={fleet.token('alice')}"
        async with aiohttp.request("GET", url, headers=headers) as answer:
            return answer.status

    statuses = await asyncio.gather(*(start(f"tv/{number}") for number in range(12)))
    assert sorted(statuses) == [200] * 4 + [429] * 8

    async def is_shown() -> bool:
        samples = await fleet.metrics()
        return samples["playgate_active_streams"][(("route", "live"),)] == 4

    await until(is_shown, "four active streams")
