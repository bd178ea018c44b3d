"""What is done to a proxy of several processes while it is used. Each test prints its figures."""

import asyncio
import signal

import pytest
from aiohttp import web

from tests.conftest import Tell
from tests.processes.crowd import ENTRY, Tally, Viewer, more_of, watching
from tests.processes.fleet import READY, Fleet, alive, state
from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import LIVE
from tests.support.poll import until

pytestmark = pytest.mark.deploy

RELOADS = 8
# Seconds that a busy machine may take to end what has nothing left to do.
PATIENCE = 120


async def test_a_reload_loses_no_request_and_every_worker_follows(fleet: Fleet, tell: Tell) -> None:
    async with watching(fleet) as tally:
        for number in range(RELOADS):
            fleet.write(limits={"default": 5 + number})
            fleet.tell(signal.SIGHUP)
            await more_of(tally, 40)
        # Whoever is asked: the answer comes when all have followed.
        fleet.write(limits={"default": 99})
        status, answer = await fleet.operate("/admin/v1/reload", "POST")
        assert (status, answer["result"]) == (200, "reloaded")
        assert answer["changed"] == [{"key": "limits.default", "old": 4 + RELOADS, "new": 99}]
        for _ in range(12):
            _, shown = await fleet.operate("/admin/v1/config")
            assert shown["limits"]["default"] == 99
        pids = fleet.pids
    tell(f"reload: {tally}")
    assert tally.failed.total() == 0
    assert len(pids) == fleet.workers
    # One that comes later begins with it, though the file is no good by then.
    fleet.write(limits={"default": -1})
    assert (await fleet.operate("/admin/v1/reload", "POST"))[0] == 422
    async with fleet.replacing():
        fleet.tell(signal.SIGKILL, pids[0])
    for _ in range(12):
        _, shown = await fleet.operate("/admin/v1/config")
        assert shown["limits"]["default"] == 99


async def test_a_reload_says_how_many_workers_have_not_followed(fleet: Fleet) -> None:
    before, hung = fleet.said(READY), fleet.pids[0]
    fleet.tell(signal.SIGSTOP, hung)

    async def stands() -> bool:
        return state(hung) == "T"

    await until(stands, "a worker stands still")
    fleet.write(limits={"default": 99})
    status, answer = await fleet.operate("/admin/v1/reload", "POST")
    assert (status, answer["result"], answer["workers_behind"]) == (200, "reloaded", 1)
    await fleet.logged("not all workers have reloaded")
    await fleet.logged(READY, before + 1)  # the master has replaced it
    _, answer = await fleet.operate("/admin/v1/reload", "POST")
    assert (answer["result"], answer["workers_behind"]) == ("unchanged", 0)


async def test_a_new_program_takes_over_and_no_request_is_lost(fleet: Fleet, tell: Tell) -> None:
    async with watching(fleet) as tally:
        for _ in range(2):
            before = set(fleet.pids)
            counted = await fleet.total("playgate_requests_total")
            await fleet.upgrade()
            await more_of(tally, 60)
            assert not before & set(fleet.pids)
            for _ in range(6):
                now = await fleet.total("playgate_requests_total")
                assert now >= counted, "a counter fell"
                counted = now
    tell(f"rolling restart (SIGUSR2, then SIGTERM to the old master): {tally}")
    assert tally.failed.total() == 0
    assert await fleet.total("playgate_requests_total") == tally.requests


async def test_a_new_program_that_cannot_start_changes_nothing(fleet: Fleet) -> None:
    async with watching(fleet) as tally:
        before = fleet.pids
        fleet.write(limits={"default": -1})
        fleet.tell(signal.SIGUSR2)
        await fleet.logged("limits.default: must be at least 0")
        await more_of(tally, 60)
        assert fleet.pids == before
        fleet.write(limits={"default": 4})

        async def may_try_again() -> bool:
            fleet.tell(signal.SIGUSR2)
            return fleet.said("all workers serve") > 1

        await until(may_try_again, "a new master")
    assert tally.failed.total() == 0


async def test_workers_that_are_told_to_end_are_replaced_and_lose_nothing(
    fleet: Fleet, tell: Tell
) -> None:
    async with watching(fleet) as tally:
        for pid in fleet.pids:
            async with fleet.replacing():
                fleet.tell(signal.SIGTERM, pid)
                # To whoever balances, the proxy is ready all the time.
                while alive(pid):
                    assert (await fleet.operate("/readyz"))[0] == 200
            await more_of(tally, 60)
    tell(f"worker kill (SIGTERM to each in turn): {tally}")
    assert tally.failed.total() == 0


async def test_a_worker_that_is_killed_loses_what_it_was_answering_and_nothing_else(
    fleet: Fleet,
    tell: Tell,
) -> None:
    viewers = 12
    async with watching(fleet, viewers=viewers) as tally:
        for pid in fleet.pids:
            async with fleet.replacing():
                fleet.tell(signal.SIGKILL, pid)
            await more_of(tally, 60)
    tell(f"worker kill (SIGKILL to each in turn), each request sent once: {tally}")
    # Each viewer has one request under way at most, or one connection that is gone.
    assert tally.failed.total() <= viewers * fleet.workers
    assert set(tally.failed) <= {"ConnectionResetError", "IncompleteReadError", "BrokenPipeError"}


async def test_a_client_that_tries_again_does_not_notice_a_worker_that_is_killed(
    fleet: Fleet,
    tell: Tell,
) -> None:
    async with watching(fleet, again=True) as tally:
        for pid in fleet.pids:
            async with fleet.replacing():
                fleet.tell(signal.SIGKILL, pid)
            await more_of(tally, 60)
    tell(f"worker kill (SIGKILL to each in turn), sent again where it broke off: {tally}")
    assert tally.failed.total() == 0


async def test_a_drain_answers_all_that_is_under_way_and_says_that_it_is_not_ready(
    fleet: Fleet,
    origin: TestOrigin,
    tell: Tell,
) -> None:
    entered, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        entered.release()
        await go_on.wait()
        return web.Response(text=LIVE, headers={"Content-Type": HLS})

    held = 8
    async with watching(fleet) as tally:
        paths = [f"/live/slow{number}/index.m3u8" for number in range(held)]
        origin.answers |= dict.fromkeys(paths, slow)
        waiting = [
            asyncio.create_task(
                Viewer(fleet, "", f"slow/{number}", tally).ask(
                    f"{path}?token={fleet.token(f's{number}')}"
                )
            )
            for number, path in enumerate(paths)
        ]
        for _ in range(held):
            await entered.acquire()
        fleet.tell(signal.SIGTERM)
        await fleet.logged('"draining"', fleet.workers)
        for _ in range(12):
            assert (await fleet.operate("/readyz"))[0] == 503
        assert fleet.process.returncode is None
        go_on.set()
        answers = await asyncio.gather(*waiting)
        assert all(answer and "_sid=" in answer for answer in answers)
        # listen.drain_timeout is five minutes. Nothing of that is needed.
        async with asyncio.timeout(PATIENCE):
            assert await fleet.process.wait() == 0
    tell(f"drain (SIGTERM): {tally}")
    assert tally.failed.total() == 0


async def test_a_second_signal_ends_the_drain(fleet: Fleet, origin: TestOrigin) -> None:
    entered, over = asyncio.Event(), asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        entered.set()
        await over.wait()
        return web.Response()

    origin.answers[ENTRY] = silent
    viewer = Viewer(fleet, "", "x/1", Tally())
    asking = asyncio.create_task(viewer.ask(f"{ENTRY}?token={fleet.token('x')}"))
    await entered.wait()
    fleet.tell(signal.SIGTERM)
    await fleet.logged('"draining"', fleet.workers)
    assert not asking.done()
    fleet.tell(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        assert await fleet.process.wait() == 0
    assert await asking is None
    over.set()


async def test_workers_whose_master_is_killed_do_not_stay_behind(fleet: Fleet) -> None:
    pids = fleet.pids
    fleet.tell(signal.SIGKILL)
    for pid in pids:
        await fleet.ended(pid)


async def test_a_worker_that_hangs_keeps_nobody_out_and_is_replaced(
    fleet: Fleet, tell: Tell
) -> None:
    hung, viewers = fleet.pids[0], 12
    async with fleet.replacing():
        fleet.tell(signal.SIGSTOP, hung)
        async with watching(fleet, viewers=viewers) as tally:  # all of them come while it hangs

            async def all_were_served() -> bool:
                return len(tally.served) == viewers

            await until(all_were_served, "everybody got something")
            assert alive(hung), "they waited for it to be replaced"
    tell(f"a worker that hangs, for who comes meanwhile: {tally}")
    assert tally.failed.total() == 0
    assert not alive(hung)
