import aiohttp
from aiohttp import web

from proxy.demo.request_log import RequestLog, log_handler
from tests.demo.serving import served


def application(log: RequestLog) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application(middlewares=[log.middleware()])
    app.router.add_get("/asked", answer)
    app.router.add_get("/_log", log_handler(log))
    return app


async def shown(client: aiohttp.ClientSession, query: str) -> tuple[int, list[int]]:
    async with client.get(f"/_log?{query}") as answer:
        document = await answer.json()
    return document["total"], [entry["number"] for entry in document["requests"]]


async def test_a_reader_continues_where_it_was() -> None:
    log = RequestLog(lambda: 0.0)
    async with served(application(log)) as client:
        for _ in range(5):
            (await client.get("/asked")).release()
        assert await shown(client, "after=0") == (5, [1, 2, 3, 4, 5])
        assert await shown(client, "after=3") == (5, [4, 5])
        assert await shown(client, "after=0&limit=2") == (5, [4, 5])
        assert await shown(client, "after=5") == (5, [])
        assert await shown(client, "limit=0") == (5, [])
        assert await shown(client, "limit=-1") == (5, [])


async def test_numbers_that_are_none_are_a_bad_request() -> None:
    async with served(application(RequestLog(lambda: 0.0))) as client:
        for query in ("after=x", "limit=", "after=1e3"):
            async with client.get(f"/_log?{query}") as answer:
                assert answer.status == 400


async def test_old_entries_make_room_for_new_ones() -> None:
    log = RequestLog(lambda: 0.0, capacity=3)
    async with served(application(log)) as client:
        for number in range(5):
            (await client.get(f"/missing-{number}")).release()
    assert [entry.path for entry in log] == ["/missing-2", "/missing-3", "/missing-4"]
    assert log.total == 5


async def test_headers_are_kept_for_tests_and_never_shown() -> None:
    log = RequestLog(lambda: 0.0)
    async with served(application(log)) as client:
        (await client.get("/asked?token=canary", headers={"X-Secret": "canary"})).release()
        async with client.get("/_log") as answer:
            assert "canary" not in await answer.text()
    (entry,) = log
    assert ("X-Secret", "canary") in entry.headers
    assert entry.query == "token=canary"
