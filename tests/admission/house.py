"""An account whose streams are decided on by the model and by Redis at the same time.

Whatever the model answers, Redis must answer too.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

from proxy.admission.decision import decide
from proxy.admission.ledger import Ledger
from proxy.admission.policy import Policy
from proxy.admission.redis import RedisStore
from proxy.streams import Attempt, Cadence, Decision, EndReason, Outcome
from tests.admission.samples import ACCOUNT, attempt, policy

START_MS = 1_700_000_000_000
houses = count(1)


class House:
    """One account and a clock that is set by hand."""

    def __init__(self, url: str, rules: Policy, runner: asyncio.Runner) -> None:
        self.policy = rules
        self.ledger = Ledger()
        self.now_ms = START_MS
        self._run = runner.run
        self._url = url
        self._key_prefix = f"house {next(houses)}"
        self._redis = self._store()

    def _store(self) -> RedisStore:
        return RedisStore(
            self._url,
            self.policy,
            key_prefix=self._key_prefix,
            timeout=30,
            now_ms=lambda: self.now_ms,
        )

    def close(self) -> None:
        self._run(self._redis.close())

    def change(self, rules: Policy) -> None:
        """Go on by other rules, as a proxy does that was restarted with them."""
        self.close()
        self.policy = rules
        self._redis = self._store()

    def ask(self, wanted: Attempt, *, after: int = 0) -> Decision:
        self.now_ms += after
        told = decide(self.ledger, wanted, self.policy, self.now_ms)
        assert self._run(self._redis.decide(wanted)) == told
        return told

    def watch(self, *streams: str, beat: bool = True, limit: int = 2) -> None:
        """Start streams, or let them beat."""
        for stream in streams:
            told = self.ask(attempt(stream, beat=beat, limit=limit))
            assert told.outcome in (Outcome.ADMITTED, Outcome.RENEWED)

    def playing(self) -> list[str]:
        streams = self.ledger.listing(self.now_ms)
        assert self._run(self._redis.streams(ACCOUNT)) == streams
        return [stream.id for stream in streams]

    def amend(self, stream: str, cadence: Cadence) -> None:
        self.ledger.amend(stream, cadence, self.now_ms)
        self._run(self._redis.amend(ACCOUNT, stream, cadence))
        self.playing()

    def end(self, stream: str | None, *, by: str = "admin", hold_ms: int = 0) -> list[str]:
        ended = self.ledger.end(stream, self.policy, self.now_ms, by=by, hold_ms=hold_ms)
        assert self._run(self._redis.end(ACCOUNT, stream, by=by, hold_ms=hold_ms)) == ended
        assert all(one.reason is EndReason.KILLED for one in ended)
        return [one.stream.id for one in ended]

    def stop(self, stream: str, *, by: str = "phone") -> list[str]:
        ended = self.ledger.stop(stream, self.policy, self.now_ms, by=by)
        assert self._run(self._redis.stop(ACCOUNT, stream, by=by)) == ended
        return [one.stream.id for one in ended]

    def forget(self, stream: str, started_ms: int, *, kept: bool = False) -> None:
        forgotten = self.ledger.forget(stream, started_ms, self.now_ms, kept=kept)
        assert self._run(self._redis.forget(ACCOUNT, stream, started_ms, kept=kept)) == forgotten

    def release(self, stream: str, instance_ms: int | None = None) -> bool:
        ended = self.ledger.release(stream, instance_ms, self.now_ms)
        assert self._run(self._redis.release(ACCOUNT, stream, instance_ms)) == ended
        return ended is not None


Build = Callable[..., House]


@contextmanager
def building(url: str) -> Iterator[Build]:
    """Give a way to build a house by the operator's rules, over the Redis at ``url``."""
    with asyncio.Runner() as runner, ExitStack() as built_houses:

        def built(rules: Policy | None = None) -> House:
            house = House(url, rules or policy(), runner)
            built_houses.callback(house.close)
            return house

        yield built
