"""The Jobs of the pipeline, run against real proxies: the check after a roll, and the load test."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.rendered import JOBS, MANIFESTS, Object, one
from tests.support.playlists import serve_channels
from tests.support.redis_server import RedisServer
from tests.support.stack import JWT_SECRET, Stack

pytestmark = pytest.mark.deploy

CHECKUP = MANIFESTS / "check/checkup.py"
CROWD = MANIFESTS / "overlays/nft/crowd/crowd.py"
ENTRY = "/live/one/master.m3u8"


async def run(script: Path, *arguments: object) -> tuple[int, str, str]:
    """Run a Job's script; gives how it ends, what it prints, what it complains of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PLAYGATE_JWT_SECRET": JWT_SECRET},
    )
    async with asyncio.timeout(120):
        printed, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode(), complained.decode()


def job_container(folder: str) -> Object:
    (inside,) = one(folder, "Job")["spec"]["template"]["spec"]["containers"]
    return dict(inside)


# --- the check after a roll ----------------------------------------------------------------------


def at(stack: Stack) -> tuple[object, ...]:
    service = stack.service
    ports = ("--admin-port", service.admin_port, "--players-port", service.port)
    return ("--host", "127.0.0.1", *ports, "--patience", 0)


@pytest.mark.usefixtures("redis")
async def test_proxies_that_are_well_and_refuse_strangers_pass(redis_server: RedisServer) -> None:
    async with Stack(store={"url": redis_server.url, "timeout": "10s"}) as stack:
        assert await run(CHECKUP, *at(stack)) == (0, "every proxy of 127.0.0.1 is well\n", "")
        code, _, told = await run(CHECKUP, *at(stack), "--path", "/nowhere/master.m3u8")
        assert code == 1
        assert told.endswith("/nowhere/master.m3u8: status 404 not_found\n")
        assert stack.origin.paths == []


async def test_a_proxy_without_its_store_is_ready_and_does_not_pass() -> None:
    with RedisServer() as server:
        server.stop()
        async with Stack(store={"url": server.url}) as stack:
            assert (await stack.operate("/readyz")).status == 200
            code, _, told = await run(CHECKUP, *at(stack))
    assert code == 1
    assert told.endswith("/readyz: status 200, not well: store\n")


async def test_proxies_that_cannot_be_found_or_reached_do_not_pass() -> None:
    code, _, told = await run(CHECKUP, "--slot=blue", "--patience", 0)
    assert code == 1
    assert told.startswith("playgate-admin-blue: ")
    closed = ("--admin-port", 1, "--players-port", 1, "--patience", 0)
    code, _, told = await run(CHECKUP, "--host", "127.0.0.1", *closed)
    assert code == 1
    assert len(told.splitlines()) == 2


@pytest.mark.parametrize("folder", [job for job in JOBS if job.endswith("check")])
def test_a_check_finds_the_proxies_of_its_stage(folder: str) -> None:
    inside = job_container(folder)
    assert inside["command"] == ["python", f"/check/{CHECKUP.name}"]
    assert inside["args"] == ["--slot=$(SLOT)"]
    (slot,) = inside["env"]
    assert slot["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['slot']"
    labels = one(folder, "Job")["spec"]["template"]["metadata"]["labels"]
    service = "-".join(filter(None, ("playgate-admin", labels.get("slot"))))
    found = one(folder.removesuffix("/check"), "Service", "playgate-admin")
    assert found["metadata"]["name"] == service
    assert found["spec"]["clusterIP"] == "None", "the name leads to every proxy, not to one"


# --- the load test -------------------------------------------------------------------------------

# Of two accounts, for a moment; a machine that is busy is no reason to fail.
SMALL = ("--path", ENTRY, "--accounts", 2, "--seconds", 2, "--every", 0.4)
PATIENT = ("--entry", 100, "--child", 100)


async def crowd(stack: Stack, *arguments: object) -> tuple[int, dict[str, Any], str]:
    code, printed, complained = await run(
        CROWD, "--url", f"http://127.0.0.1:{stack.service.port}", *SMALL, *arguments
    )
    return code, json.loads(printed), complained


@pytest.mark.usefixtures("redis")
async def test_the_crowd_watches_what_it_may_and_is_refused_the_rest(
    redis_server: RedisServer,
) -> None:
    async with Stack(store={"url": redis_server.url, "timeout": "10s"}) as stack:
        serve_channels(stack.origin, "one")
        code, report, complained = await crowd(stack, *PATIENT)
        assert (code, complained) == (0, "")
        assert report["entry"]["answers"] == {"200": 6}
        assert report["child"]["answers"].keys() == {"200"}
        assert report["excess"]["answers"].keys() == {"429"}
        assert 0 < report["child"]["p50"] <= report["child"]["p99"] <= report["child"]["max"]
        # The same viewers again: a second crowd is told apart by its share.
        code, report, complained = await crowd(stack, *PATIENT, "--share", 1, "--child", 0)
        assert code == 1
        assert complained.startswith("child: 99 % within ")


async def test_limits_that_do_not_hold_fail_the_load_test() -> None:
    async with Stack(limits={"mode": "observe"}) as stack:
        serve_channels(stack.origin, "one")
        code, report, complained = await crowd(stack, *PATIENT)
    assert code == 1
    assert "excess: answered 200, " in complained
    assert "429" not in report["excess"]["answers"]


async def test_answers_that_fail_fail_the_load_test() -> None:
    async with Stack() as stack:
        code, _, complained = await crowd(stack, *PATIENT)
    assert code == 1
    assert "entry: answered 404, " in complained
    assert "child: never asked for" in complained


async def test_the_jobs_arguments_are_the_scripts() -> None:
    inside = job_container("overlays/nft/crowd")
    assert inside["command"] == ["python", f"/crowd/{CROWD.name}"]
    nobody = ("--accounts=0", "--seconds=0")
    _, _, complained = await run(CROWD, *inside["args"], *nobody)
    assert complained.splitlines() == [
        f"{k}: never asked for" for k in ("entry", "child", "excess")
    ]
