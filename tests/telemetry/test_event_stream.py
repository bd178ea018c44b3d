"""Events in a real Redis: in order, bounded, and never in anybody's way."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from proxy.redis_client import client, trouble
from proxy.telemetry import event_stream
from proxy.telemetry.event_stream import BATCH, EventStream
from proxy.telemetry.events import Event, EventType
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port, lasting
from tests.support.stack import Stack

KEY = "test:events"
# Seconds: what took longer would be sent again, or not at all where the proxy ends.
PATIENT = 60.0
ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"


def event(number: int, kind: EventType = EventType.STARTED) -> Event:
    return Event(kind, "2026-01-01T00:00:00.000Z", stream=str(number), limit=3, seconds=1.5)


@dataclass
class Sent:
    """A sink, and what it lost."""

    url: str
    queue: int = 1000
    max_length: int = 100_000
    lost: int = field(default=0)

    def __post_init__(self) -> None:
        self.sink = EventStream(
            client(self.url, timeout=PATIENT, connections=1),
            KEY,
            max_length=self.max_length,
            queue=self.queue,
            dropped=self._dropped,
        )

    def _dropped(self, number: int) -> None:
        self.lost += number

    def put(self, *numbers: int, kind: EventType = EventType.STARTED) -> None:
        for number in numbers:
            self.sink.put(event(number, kind))


async def events(redis: Redis, key: str = KEY) -> list[dict[bytes, bytes]]:
    """What was told, in order."""
    entries: Any = await redis.xrange(key)
    return [fields for _, fields in entries]


async def streams(redis: Redis) -> list[int]:
    """The numbers of what was told."""
    return [int(fields[b"stream"]) for fields in await events(redis)]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that keeps what it has when it is killed."""
    with lasting() as server:
        yield server


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine take its time."""
    for name in ("SEND_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(event_stream, name, PATIENT)


@pytest.fixture
def hasty(_patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon, at the end, on what cannot be sent."""
    monkeypatch.setattr(event_stream, "CLOSE_SECONDS", 0.1)


async def test_events_arrive_in_their_order_with_their_fields(
    redis_server: RedisServer, redis: Redis
) -> None:
    sent = Sent(redis_server.url, queue=3 * BATCH)
    await sent.sink.start()
    sent.put(*range(2 * BATCH))

    async def all_there() -> bool:
        return await streams(redis) == list(range(2 * BATCH))

    await until(all_there, "all events in the stream")
    assert (await events(redis))[0] == {
        b"event": b"stream.started",
        b"ts": b"2026-01-01T00:00:00.000Z",
        b"stream": b"0",
        b"limit": b"3",
        b"seconds": b"1.5",
    }
    await sent.sink.close()
    assert sent.lost == 0


async def test_the_stream_keeps_about_as_many_as_it_is_to(
    redis_server: RedisServer, redis: Redis
) -> None:
    sent = Sent(redis_server.url, max_length=300)
    await sent.sink.start()
    sent.put(*range(1000))

    async def all_sent() -> bool:
        return (await streams(redis))[-1:] == [999]

    await until(all_sent, "the last event is there")
    await sent.sink.close()
    kept = await streams(redis)
    assert kept[-1] == 999
    assert 300 <= len(kept) < 600


@pytest.mark.usefixtures("hasty")
async def test_what_the_queue_cannot_hold_is_dropped_and_counted() -> None:
    sent = Sent(f"redis://127.0.0.1:{free_port()}/0", queue=100)
    sent.put(*range(150))
    assert sent.lost == 50
    await sent.sink.close()
    assert sent.lost == 150


@pytest.mark.parametrize("lesser", [EventType.REFUSED, EventType.REJECTED])
async def test_refusals_leave_room_for_starts_and_ends(
    redis_server: RedisServer, redis: Redis, lesser: EventType
) -> None:
    sent = Sent(redis_server.url, queue=100)
    sent.put(*range(80), kind=lesser)
    assert sent.lost == 30
    sent.put(*range(100, 150), kind=EventType.ENDED)
    assert sent.lost == 30
    await sent.sink.start()
    await sent.sink.close()
    assert await streams(redis) == [*range(50), *range(100, 150)]


async def test_events_wait_for_a_redis_that_is_away_and_are_sent_when_it_is_back(
    server: RedisServer,
) -> None:
    sent = Sent(server.url)
    await sent.sink.start()

    async def told(*numbers: int) -> None:
        async def there() -> bool:
            return await streams(redis) == [*numbers]

        async with Redis.from_url(server.url, socket_timeout=None) as redis:
            await until(there, f"events {numbers}")

    async def away() -> bool:
        return sent.sink._away

    sent.put(1, 2)
    await told(1, 2)
    server.stop()
    sent.put(3, 4)
    await until(away, "an event that could not be sent")
    sent.put(5)
    server.start()
    await told(1, 2, 3, 4, 5)
    await sent.sink.close()
    assert sent.lost == 0


async def test_a_redis_that_is_nearly_full_gets_no_event_twice(
    server: RedisServer,
) -> None:
    """What it took of a batch is not sent again with what it did not."""
    sent = Sent(server.url)
    async with Redis.from_url(server.url, socket_timeout=None) as redis:
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", used + 1_000_000)
        for number in range(BATCH):
            sent.sink.put(replace(event(number), content="c" * 16_000))

        async def refused() -> bool:
            return sent.sink._away

        await sent.sink.start()
        await until(refused, "an event that did not fit")
        assert 0 < len(await streams(redis)) < BATCH
        await redis.config_set("maxmemory", 0)

        async def all_there() -> bool:
            return len(set(await streams(redis))) == BATCH

        await until(all_there, "all events in the stream")
        assert sorted(await streams(redis)) == [*range(BATCH)]
    await sent.sink.close()


async def test_what_redis_said_is_told_without_the_password() -> None:
    redis = client(f"redis://:canary@127.0.0.1:{free_port()}/0", timeout=5, connections=1)
    error = ResponseError("unknown command 'AUTH', with args beginning with: 'canary'")
    told = trouble(error, redis)
    assert told.startswith("ResponseError: unknown command 'AUTH'")
    assert "canary" not in told


@pytest.mark.usefixtures("hasty")
async def test_a_key_that_is_no_stream_loses_events_and_nothing_else(
    redis_server: RedisServer, redis: Redis
) -> None:
    await redis.set(KEY, "something else", ex=60)
    sent = Sent(redis_server.url, queue=100)
    await sent.sink.start()
    sent.put(*range(120))
    await sent.sink.close()
    assert sent.lost == 120
    assert await redis.get(KEY) == b"something else"


async def test_what_viewers_do_is_told_to_whoever_reads(
    redis_server: RedisServer, redis: Redis
) -> None:
    settings: dict[str, Any] = {
        "store": {"url": redis_server.url, "timeout": "10s"},
        "events": {"sink": "redis-stream"},
        "limits": {"default": 1},
    }
    async with Stack(**settings) as stack:
        serve_channels(stack.origin, "one", "two")
        entry = await stack.watch(ONE)
        refused = await stack.watch(TWO, agent="other/1")
        assert refused.code == "stream_limit"
        assert (await stack.ask(f"{ONE}?token=nonsense")).code == "token_invalid"
        await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        id_ = entry.headers["Playgate-Stream"]
    # What was queued is sent before the proxy is gone.
    told = [
        {name.decode(): value.decode() for name, value in fields.items()}
        for fields in await events(redis, "playgate:events")
    ]
    assert [(one["event"], one["reason"]) for one in told] == [
        ("stream.started", "admitted"),
        ("stream.refused", "default"),
        ("token.rejected", "token_invalid"),
        ("stream.ended", "killed"),
    ]
    started, refusal, _, ended = told
    assert (started["stream"], ended["stream"]) == (id_, id_)
    assert len({one["account"] for one in (started, refusal, ended)}) == 1
    assert "alice" not in str(told)
    assert (refusal["limit"], refusal["active"]) == ("1", "1")
    assert float(ended["seconds"]) >= 0


async def test_garbage_tokens_push_no_start_out_of_the_stream(
    redis_server: RedisServer, redis: Redis
) -> None:
    begun = time.time()
    settings: dict[str, Any] = {
        "store": {"url": redis_server.url, "timeout": "10s"},
        "events": {"sink": "redis-stream"},
    }
    async with Stack(clock=lambda: begun, **settings) as stack:
        serve_channels(stack.origin, "one")
        await stack.watch(ONE)
        for number in range(20):
            await stack.ask(f"{ONE}?token=garbage{number}")
            await stack.ask(f"/live/one/low/index.m3u8?_sid=x.garbage{number}")
    told = [fields[b"event"] for fields in await events(redis, "playgate:events")]
    assert sorted(told) == [b"stream.started", *[b"token.rejected"] * 2]
    exposed, _ = stack.service.metrics.exposition("text/plain")
    assert b"playgate_events_spared_total 38.0" in exposed
    assert b"playgate_events_dropped_total 0.0" in exposed, "nothing that was to be told is lost"


@pytest.mark.usefixtures("hasty")
async def test_a_redis_that_is_away_delays_nobody_and_stops_with_the_proxy() -> None:
    settings: dict[str, Any] = {
        "store": {"url": f"redis://127.0.0.1:{free_port()}/0"},
        "events": {"sink": "redis-stream"},
    }
    async with Stack(**settings) as stack:
        serve_channels(stack.origin, "one")
        assert (await stack.watch(ONE)).status == 200
    exposed, _ = stack.service.metrics.exposition("text/plain")
    assert b"playgate_events_dropped_total 1.0" in exposed
