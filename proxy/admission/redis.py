"""The store many proxies share: one Redis (or Valkey), asked by Lua scripts.

    {prefix}:{<account>}:streams    hash: stream id -> slot
    {prefix}:{<account>}:ended      hash: stream id -> tombstone; "churn" -> when it is forgiven
    {prefix}:{<account>}:revoked    hash: a token's id, hashed -> revocation
    {prefix}:active                 hash: (instant, route) -> how many slots are counted until then

A slot and a tombstone live in hashes of their own: the first stays as small as the account's limit
and is read whole at each beat, while tombstones live as long as tickets, are many for a viewer who
zaps, and are read one by one. So are revocations, which few accounts have. An account's keys carry
it as their hash tag, so that a cluster keeps them together. The last is everybody's (``tally``):
many proxies over one Redis need one. All always expire.

One script decides, atomically for the account, by Redis's own clock. At this boundary, and only
here, whatever goes wrong between us and Redis becomes ``StoreUnavailable``; no call lasts longer
than the timeout. What a script hands over once is lost with an answer that nobody waits for any
more: so a call that no request waits for is given longer, and a connection of its own. A call that
is cancelled takes its connection with it, so that its answer cannot be read by the next one. A
script Redis has forgotten (restart, SCRIPT FLUSH) is sent again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

from redis.exceptions import NoScriptError

from proxy.admission import scripts, wire
from proxy.admission.policy import OnLimit, Policy
from proxy.admission.revocations import Revocation, too_many
from proxy.admission.scripts import Script
from proxy.admission.tally import total
from proxy.errors import StoreUnavailable
from proxy.model import Subject
from proxy.redis_client import client, closed
from proxy.streams import Attempt, Cadence, Decision, Ended, Lapsed, Stream

# Each call holds a connection for as long as Redis takes, a fraction of a millisecond: this many
# carry more than one Redis can answer. Calls above it wait their turn, within their timeout.
CONNECTIONS = 32
# For what no request waits for, seconds: longer than Redis pauses for a fork or a slow command.
BACKGROUND_SECONDS = 5.0

Observe = Callable[[str, float, bool], None]


def unobserved(operation: str, seconds: float, succeeded: bool, /) -> None:  # noqa: FBT001  # a callback
    """Take no notice of a call."""


class RedisStore:
    """Counts streams in Redis.

    ``url`` is ``redis://``, ``rediss://`` or ``unix://``, with redis-py's options in its query.
    ``timeout`` is in seconds. ``observe`` hears of each call: operation, seconds, success; not of
    those that were cancelled. ``now_ms`` replaces Redis's clock, for tests.

    Raises:
        ValueError: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        policy: Policy,
        *,
        key_prefix: str,
        timeout: float,
        observe: Observe = unobserved,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._url = url
        self._key_prefix = key_prefix
        self._timeout = timeout
        self._observe = observe
        self._now_ms = now_ms
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._background_turn = asyncio.Semaphore(1)
        # All scripts may run twice: the second run finds what the first one stored.
        self._redis = client(url, timeout=timeout, connections=CONNECTIONS)
        self._background = client(url, timeout=BACKGROUND_SECONDS, connections=1)
        self.govern(policy)

    def govern(self, policy: Policy) -> None:
        """Decide by another policy from now on; a call under way keeps that which it began with."""
        self._policy = policy
        self._policy_args = (
            policy.takeover.rank,
            int(policy.on_limit is OnLimit.EVICT_OLDEST),
            policy.silent_after_ms,
            policy.max_networks,
            policy.tombstone_ms,
        )
        self._rule_args = wire.rule_args(policy)

    async def wait_for(self, timeout: float) -> None:  # noqa: ASYNC109  # of the calls to come
        """Let calls take another time from now on (seconds); returns when the last old one is over.

        By connections of their own: redis-py gives each its own time for being made.
        """
        if timeout == self._timeout:
            return
        old, patience = self._redis, self._timeout
        self._redis = client(self._url, timeout=timeout, connections=CONNECTIONS)
        self._timeout = timeout
        try:
            await asyncio.sleep(patience)
        finally:
            await closed(old)

    async def start(self) -> None:
        """Connect and hand over the scripts."""
        async with self._boundary("start"):
            for script in scripts.ALL:
                await self._redis.script_load(script.text)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(closed(self._redis), closed(self._background))

    async def ping(self) -> None:
        """Return if Redis answers."""
        async with self._boundary("ping"):
            await self._redis.ping()

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, and note what follows."""
        playback, cadence, stray = attempt.playback, attempt.cadence, attempt.playback.stray
        async with self._boundary("decide"):
            policy = self._policy
            answer = await self._run(
                scripts.DECIDE,
                attempt.account,
                attempt.intent.value,
                attempt.limit,
                *wire.cadence_args(cadence),
                int(attempt.beat),
                *self._policy_args,
                playback.stream,
                playback.device,
                int(playback.strong),
                playback.network,
                "" if playback.instance_ms is None else playback.instance_ms,
                stray.stream if stray else "",
                stray.device if stray else "",
                playback.content,
                playback.route,
                playback.label,
                attempt.jti or "",
                "" if attempt.issued_ms is None else attempt.issued_ms,
                wire.rule_names(attempt.rules),
                *self._rule_args,
            )
            return wire.decision(answer, attempt, policy)

    async def amend(self, account: str, stream: str, cadence: Cadence) -> None:
        """Correct how long a stream's slot lives, counted from now."""
        async with self._boundary("amend"):
            await self._run(scripts.AMEND, account, stream, *wire.cadence_args(cadence))

    async def release(
        self, account: str, stream: str, instance_ms: int | None = None
    ) -> Ended | None:
        """Give back the slot of a stream; None where it has none."""
        async with self._boundary("release"):
            instance = "" if instance_ms is None else instance_ms
            answer = await self._run(scripts.RELEASE, account, stream, instance)
            return next(iter(wire.ends(answer)), None)

    async def stop(self, account: str, stream: str, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked."""
        async with self._boundary("stop"):
            answer = await self._run(scripts.STOP, account, stream, by, self._policy.tombstone_ms)
            return wire.ends(answer)

    async def forget(self, account: str, stream: str, started_ms: int) -> Ended | None:
        """Take back the slot of an instance that could not be served; None where it has none."""
        async with self._boundary("forget"):
            answer = await self._run(scripts.FORGET, account, stream, started_ms)
            return next(iter(wire.ends(answer)), None)

    async def end(
        self, account: str, stream: str | None, *, by: str, hold_ms: int = 0
    ) -> tuple[Ended, ...]:
        """Kill one stream or all of them (None), oldest first."""
        which = "all" if stream is None else "one"
        tombstone_ms = self._policy.tombstone_ms
        async with self._boundary("end"):
            answer = await self._run(
                scripts.END, account, which, stream or "", by, hold_ms, tombstone_ms
            )
            return wire.ends(answer)

    async def drop_lapsed(self, accounts: Sequence[str]) -> tuple[Lapsed, ...]:
        """Drop the slots of these accounts whose time is up, and hand them back: in one go."""
        async with self._boundary("drop_lapsed", in_background=True):
            answers = await self._run_for_each(scripts.LAPSE, map(self._keys, accounts))
            return tuple(map(wire.lapsed, answers))

    async def revoke(self, account: str, revocation: Revocation) -> tuple[Ended, ...]:
        """Revoke tokens and their tickets, and end the streams that play by them, oldest first.

        Raises:
            BadRequest: more tokens of the account are revoked than can be remembered.
        """
        async with self._boundary("revoke"):
            answer = await self._run(
                scripts.REVOKE,
                account,
                revocation.jti or "",
                revocation.before_ms,
                revocation.until_ms,
                self._policy.tombstone_ms,
            )
            ended = None if answer is None else wire.ends(answer)
        if ended is None:
            raise too_many()
        return ended

    async def is_revoked(self, subject: Subject) -> bool:
        """Tell whether a credential's token is revoked."""
        jti, issued_ms = subject.jti or "", subject.issued_ms
        async with self._boundary("is_revoked"):
            return await self._run(scripts.REVOKED, subject.account, jti, issued_ms) == 1

    async def streams(self, account: str) -> tuple[Stream, ...]:
        """List the active streams, oldest first."""
        async with self._boundary("streams"):
            return wire.streams(await self._run(scripts.LIST, account))

    async def active(self) -> dict[str, int]:
        """How many streams are active, by route."""
        async with self._boundary("active", in_background=True):
            answers = await self._run_for_each(scripts.ACTIVE, [(self._tally(),)])
            return total(map(wire.numbers, answers))

    def _keys(self, account: str) -> tuple[str, str, str, str]:
        """Build an account's keys: its slots, its tombstones, its revocations, and its tally."""
        tag = f"{self._key_prefix}:{{{account}}}"
        return f"{tag}:streams", f"{tag}:ended", f"{tag}:revoked", self._tally()

    def _tally(self) -> str:
        """Build the key of the tally."""
        return f"{self._key_prefix}:active"

    async def _run(self, script: Script, account: str, *args: str | int) -> object:
        keys = self._keys(account)
        now_ms = "" if self._now_ms is None else self._now_ms()
        redis = self._redis
        try:
            return await redis.evalsha(script.digest, len(keys), *keys, now_ms, *args)
        except NoScriptError:
            # EVAL runs it and leaves it known by its digest.
            return await redis.eval(script.text, len(keys), *keys, now_ms, *args)

    async def _run_for_each(self, script: Script, keys: Iterable[Sequence[str]]) -> list[object]:
        """Run a script that takes no arguments over each of these sets of keys, in one go."""
        sets = list(keys)
        try:
            return await self._run_all(script, sets)
        except NoScriptError:
            await self._background.script_load(script.text)
            return await self._run_all(script, sets)

    async def _run_all(self, script: Script, sets: list[Sequence[str]]) -> list[object]:
        now_ms = "" if self._now_ms is None else self._now_ms()
        async with self._background.pipeline(transaction=False) as pipe:
            for keys in sets:
                pipe.evalsha(script.digest, len(keys), *keys, now_ms)
            return await pipe.execute()

    @asynccontextmanager
    async def _boundary(
        self, operation: str, *, in_background: bool = False
    ) -> AsyncIterator[None]:
        """Bound a call in time, hear of it, and give its failure the one name it has outside."""
        started = perf_counter()
        limit = BACKGROUND_SECONDS if in_background else self._timeout
        turns = self._background_turn if in_background else self._turns
        try:
            async with asyncio.timeout(limit), turns:
                yield
        # Anything: a client library may raise what it likes, and so may the reading of an answer
        # that is none (another server on that port). None of it may become a 500.
        except Exception as error:
            self._observe(operation, perf_counter() - started, False)  # noqa: FBT003  # a callback
            raise StoreUnavailable from error
        self._observe(operation, perf_counter() - started, True)  # noqa: FBT003  # a callback
