"""A store that is guarded against its absence, and a clock that is set by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.admission.breaker import BACKOFF
from proxy.admission.outage import OutageGuard
from proxy.admission.policy import OnOutage, Policy
from proxy.admission.redis import RedisStore
from proxy.errors import StoreUnavailable
from proxy.streams import Attempt, Decision, Outcome
from tests.admission.samples import ACCOUNT, attempt, policy
from tests.support.redis_server import RedisServer

START = 1_700_000_000.0
# What a store answers in; far above what a busy machine needs.
PATIENT = 10.0


class Guarded:
    """A guard before a Redis, and a clock that is set by hand."""

    def __init__(self, server: RedisServer, mode: OnOutage, patience: float, rules: Policy) -> None:
        self.server = server
        self.now = START
        self.redis_ahead = 0.0
        self.calls: list[tuple[str, bool]] = []
        self.changes: list[StoreUnavailable | None] = []
        self.granted: list[tuple[Attempt, Decision]] = []
        self.redis = RedisStore(
            server.url,
            rules,
            key_prefix="outage",
            timeout=patience,
            now_ms=lambda: round((self.now + self.redis_ahead) * 1000),
            observe=lambda operation, _seconds, succeeded: self.calls.append(
                (operation, succeeded)
            ),
        )
        self.guard = OutageGuard(
            self.redis,
            rules,
            mode,
            clock=lambda: self.now,
            on_change=self.changes.append,
            granted=lambda attempt, told: self.granted.append((attempt, told)),
        )

    async def ask(self, wanted: Attempt) -> Outcome:
        return (await self.guard.decide(wanted)).outcome

    async def watch(self, *streams: str, limit: int = 2) -> list[Outcome]:
        return [await self.ask(attempt(stream, limit=limit)) for stream in streams]

    async def listed(self) -> list[str]:
        return [stream.id for stream in await self.guard.streams(ACCOUNT)]

    async def return_of_redis(self) -> None:
        if self.server.process is None:
            self.server.start()
        self.now += BACKOFF
        await self.guard.ping()


@asynccontextmanager
async def guarded(
    server: RedisServer,
    mode: OnOutage = OnOutage.LOCAL,
    *,
    patience: float = PATIENT,
    rules: Policy | None = None,
) -> AsyncIterator[Guarded]:
    home = Guarded(server, mode, patience, rules or policy())
    await home.guard.start()
    try:
        yield home
    finally:
        await home.guard.close()
