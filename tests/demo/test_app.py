"""The whole demo: what its banner promises, and how it starts and stops."""

import asyncio
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from proxy.demo.app import Backends, backends, banner, demo_settings
from proxy.demo.issuer import Issuer
from proxy.serve import Service
from proxy.settings.load import from_mapping
from proxy.settings.store_url import MEMORY
from tests.support import needs
from tests.support.redis_server import RedisServer, free_port

SECRET = "a-secret-of-at-least-32-bytes-for-the-tests"
OPERATOR = "an-operators-token-of-no-consequence"


@dataclass
class Demo:
    service: Service
    behind: Backends

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"


@asynccontextmanager
async def running(store: str) -> AsyncIterator[Demo]:
    issuer = Issuer(SECRET, time.time)
    async with backends(issuer) as behind:
        mapping = demo_settings(
            issuer=issuer, behind=behind, operator=OPERATOR, port=0, store=store
        )
        if store != MEMORY:
            mapping["store"] = {"url": store, "timeout": "10s"}  # a busy Redis is not away
        service = Service(from_mapping(mapping))
        await service.start()
        try:
            yield Demo(service, behind)
        finally:
            await service.stop()


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    async with running("memory://") as started:
        yield started


async def shell(script: str) -> str:
    needs.program("curl", install="apt-get install curl")
    bash = needs.program("bash", install="apt-get install bash")
    process = await asyncio.create_subprocess_exec(
        bash, "-eu", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate(script.encode())
    assert (process.returncode, errors) == (0, b"")
    return output.decode()


def commands(text: str) -> str:
    """The banner's lines that are meant to be pasted: those set in furthest."""
    return "\n".join(line for line in text.splitlines() if line.startswith("    "))


@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_the_printed_lines_show_what_they_say(store: str, redis_server: RedisServer) -> None:
    url = redis_server.url if store == "redis" else "memory://"
    async with running(url) as demo:
        printed = banner(demo.service.port, demo.service.admin_port, OPERATOR)
        output = await shell(commands(printed))
        asked = [entry.path for entry in demo.behind.log]
    head, _, rest = output.partition("HTTP/1.1 ")
    assert head.split() == ["tv:", "200", "phone:", "200", "tablet:", "200", "laptop:", "429"]
    assert rest.startswith("429 ")
    assert '"code": "stream_limit"' in rest
    assert [f'"device": "{device}"' in rest for device in ("tv", "phone", "tablet")] == [True] * 3
    assert rest.split()[-2:] == ["laptop:", "200"]
    # Each result that a comment promises is in the output, in that order.
    promised = [line.rpartition("# ")[2][:3] for line in printed.splitlines() if "# " in line]
    promised = [status for status in promised if status.isdigit()]
    assert promised == ["200", "200", "200", "429", "200"]
    # Asked twice while refused and once when there was room: the origin saw only the last.
    assert asked.count("/live/tidewater/master.m3u8") == 1


async def test_page_and_media_are_of_one_origin(demo: Demo) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{demo.url}/") as page:
            assert str(page.url) == f"{demo.url}/demo/"
            assert page.content_type == "text/html"
        async with client.get(f"{demo.url}/demo/login?user=alice&format=text") as answer:
            token = await answer.text()
        async with client.get(f"{demo.url}/vod/redmesa/manifest.mpd?token={token}") as answer:
            assert answer.status == 200


async def test_the_session_cookie_is_enough_to_watch_and_stays_this_side_of_the_origin(
    demo: Demo,
) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        (await client.get(f"{demo.url}/demo/login?user=alice")).release()
        async with client.get(f"{demo.url}/vod/redmesa/master.m3u8") as answer:
            assert answer.headers["Playgate-Decision"] == "admitted"
    (entry,) = demo.behind.log
    assert not any("session=" in value for _, value in entry.headers)


async def test_the_origins_own_log_is_not_for_the_public(demo: Demo) -> None:
    async with aiohttp.ClientSession() as client, client.get(f"{demo.url}/_log") as answer:
        assert answer.status == 404


async def test_the_printed_token_opens_the_console(demo: Demo) -> None:
    printed = banner(demo.service.port, demo.service.admin_port, OPERATOR)
    found = re.search(r"Console +(\S+) +admin token: (\S+)", printed)
    assert found
    async with aiohttp.ClientSession() as client:
        async with client.get(found[1]) as page:
            assert "Playgate console" in await page.text()
        headers = {"Authorization": f"Bearer {found[2]}"}
        async with client.get(f"{found[1]}admin/v1/stats", headers=headers) as answer:
            assert answer.status == 200


async def test_nothing_listens_beyond_loopback(demo: Demo) -> None:
    mapping = demo_settings(
        issuer=Issuer(SECRET, time.time), behind=demo.behind, operator=OPERATOR, port=8080
    )
    settings = from_mapping(mapping)
    urls = (demo.behind.origin, demo.behind.site)
    assert {settings.listen.host, settings.admin.host} == {"127.0.0.1"}
    assert all(url.startswith("http://127.0.0.1:") for url in urls)


# --- The command ----------------------------------------------------------------------------------


async def command(*options: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "demo", *options), stdout=PIPE, stderr=PIPE
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_the_banner_comes_when_all_is_ready_and_a_signal_ends_it(
    stop: signal.Signals,
) -> None:
    process = await command("--port", "0")
    assert process.stdout is not None
    url = ""
    while not url.startswith("http"):
        url = (await process.stdout.readline()).decode().rpartition(" ")[2].strip()
    async with aiohttp.ClientSession() as client, client.get(url) as page:
        assert page.status == 200
    process.send_signal(stop)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_what_keeps_the_demo_from_starting_is_told_in_a_line(demo: Demo) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    taken = str(demo.service.port)
    for options, code, word in (
        (("--store", "redis//typo"), 1, "--store: must be"),
        (("--port", "0", "--store", nobody), 3, "--store: the store cannot be used: "),
        (("--port", taken), 1, "--port: "),
        (("--port", "70000"), 2, "--port"),
    ):
        process = await command(*options)
        output, errors = await process.communicate()
        assert (process.returncode, output) == (code, b""), options
        assert word in errors.decode()
        assert "Traceback" not in errors.decode()


async def test_the_origin_runs_by_itself_as_in_a_container() -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy.demo.origin", "--port", str(port)), stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    assert b"Running" in await process.stdout.readline()
    url = f"http://127.0.0.1:{port}/live/tidewater/master.m3u8"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
