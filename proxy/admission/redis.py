"""The store many proxies share: Redis (or Valkey), alone or a cluster, asked by Lua scripts.

    streams    hash: stream id -> slot
    ended      hash: stream id -> tombstone; "churn" -> when it is forgiven
    revoked    hash: a token's id, hashed -> revocation
    active     hash: (instant, route) -> how many slots are counted until then
    ping       never there: written and deleted, to see that it can be

A slot and a tombstone live in hashes of their own: the first stays as small as the account's limit
and is read whole at each beat, while tombstones live as long as tickets, are many for a viewer who
zaps, and are read one by one. So are revocations, which few accounts have. The last two are not of
an account (``tally``). What they are called, and what a cluster keeps together, is in ``keys``. All
always expire.

One script decides, atomically for the account, by Redis's own clock. At this boundary, and only
here, whatever goes wrong between us and Redis becomes ``StoreUnavailable``; no call lasts longer
than the timeout, or twice that where Redis has forgotten a script (restart, SCRIPT FLUSH) and is
sent it again. All requests share one connection to each Redis there is (``redis_pipe``), on which
nobody waits for another's answer. What a script hands over once is lost with an answer that nobody
waits for any more: so a call that no request waits for is given longer, and connections of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from time import perf_counter

from proxy.admission import scripts, wire
from proxy.admission.boundary import Boundary, Observe, unobserved
from proxy.admission.keys import ClusterKeys, Keys
from proxy.admission.policy import Policy
from proxy.admission.revocations import Revocation, too_many
from proxy.admission.scripts import Script
from proxy.admission.store import ASK_AGAIN, Heard, Listeners, Question, Told
from proxy.admission.tally import total
from proxy.admission.words import Spoken, Words
from proxy.errors import StoreUnavailable
from proxy.model import Subject
from proxy.redis_cluster import connected
from proxy.redis_pipe import packed
from proxy.redis_pipes import run
from proxy.redis_place import Way, parse
from proxy.redis_primary import agreed
from proxy.streams import Attempt, Cadence, Decision, Ended, Lapsed, Renewal, Stream

# For what no request waits for, seconds: longer than Redis pauses for a fork or a slow command.
BACKGROUND_SECONDS = 5.0


class RedisStore:
    """Counts streams in Redis.

    ``url`` is one of ``redis_place``, with redis-py's options in its query.
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
        self._observe = observe
        self._now_ms = now_ms
        self.listeners = Listeners()
        self._place = place = parse(url, BACKGROUND_SECONDS)
        self._keys = (ClusterKeys if place.way is Way.CLUSTER else Keys)(key_prefix)
        self.parts, self.part = self._keys.parts, self._keys.part
        # All scripts may run twice: the second run finds what the first one stored.
        self._pipes, self._background = connected(place, timeout, BACKGROUND_SECONDS)
        self.govern(policy)

    def govern(self, policy: Policy) -> None:
        """Decide by another policy from now on; a call under way keeps that which it began with."""
        self._policy = policy
        self._words = Words(self._keys, policy)

    def wait_for(self, timeout: float) -> None:
        """Let calls take another time from now on (seconds)."""
        self._pipes.wait_for(timeout)

    async def start(self) -> None:
        """Connect, hand over the scripts, and see that they can write."""
        with self._boundary("start"):
            loads = (packed("SCRIPT", "LOAD", script.text) for script in scripts.ALL)
            await self._pipes.everywhere(*loads)
            await asyncio.gather(*map(self._write, range(self.parts)))

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(self._pipes.close(), self._background.close())

    async def ping(self) -> None:
        """Return if Redis answers, and can be written to."""
        await asyncio.gather(*map(self.ping_part, range(self.parts)))

    async def ping_part(self, part: int) -> None:
        """Return if one part answers, and can be written to."""
        if self._place.way is Way.SENTINEL and (primary := await agreed(self._place)):
            self._pipes.keep_to(primary)
            self._background.keep_to(primary)
        with self._boundary("ping"):
            await self._write(part)

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, and note what follows."""
        with self._boundary("decide"):
            policy, arguments = self._policy, self._words.arguments(attempt)
            answer = await self._run(scripts.DECIDE, attempt.account, *arguments)
            asked = attempt.playback.stream
            return wire.decision(answer, asked, attempt.limit, attempt.rule, policy)

    def question(self, attempt: Attempt) -> Question:
        """Put an attempt into words."""
        return self._words.question(attempt)

    def hear(self, question: Question, heard: Heard) -> bool:
        """Decide, and tell: where Redis is connected, and its clock not replaced."""
        if self._now_ms is not None:
            return False
        account = question.account.encode("utf-8", "replace")  # as it is ``written``
        words: Spoken = question.manner.words
        command = words.command % (account, account, account, question.own)
        answered = partial(self._answered, question, heard, perf_counter())
        return self._pipes.hear(command, answered, words.slot)

    def _answered(self, question: Question, heard: Heard, begun: float, answer: object) -> None:
        told: Told = None
        manner = question.manner
        if not isinstance(answer, Exception):
            try:
                told = wire.decision(
                    answer, question.stream, manner.limit, manner.rule, manner.words.policy
                )
            except Exception:  # noqa: BLE001  # as at the boundary: the answer may be anything
                told = None
        elif isinstance(answer, TimeoutError):
            told = StoreUnavailable()
            told.__cause__ = answer
        # Else a connection was lost, a script forgotten: ``decide`` asks again.
        if told is not None and told.__class__ is not Renewal:
            self._observe("decide", perf_counter() - begun, told.__class__ is Decision)
        self.listeners.tell(question, told, heard)

    async def amend(self, account: str, stream: str, cadence: Cadence) -> None:
        """Correct how long a stream's slot lives, counted from now."""
        with self._boundary("amend"):
            await self._run(scripts.AMEND, account, stream, *wire.cadence_args(cadence))

    async def release(
        self, account: str, stream: str, instance_ms: int | None = None
    ) -> Ended | None:
        """Give back the slot of a stream; None where it has none."""
        with self._boundary("release"):
            instance = "" if instance_ms is None else instance_ms
            answer = await self._run(scripts.RELEASE, account, stream, instance)
            return next(iter(wire.ends(answer)), None)

    async def stop(self, account: str, stream: str, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked."""
        with self._boundary("stop"):
            answer = await self._run(scripts.STOP, account, stream, by, self._policy.tombstone_ms)
            return wire.ends(answer)

    async def forget(
        self, account: str, stream: str, started_ms: int, *, kept: bool = False
    ) -> Ended | None:
        """Take back the slot of an instance that could not be served; None where it has none."""
        with self._boundary("forget"):
            answer = await self._run(scripts.FORGET, account, stream, started_ms, int(kept))
            return next(iter(wire.ends(answer)), None)

    async def end(
        self, account: str, stream: str | None, *, by: str, hold_ms: int = 0
    ) -> tuple[Ended, ...]:
        """Kill one stream or all of them (None), oldest first."""
        which = "all" if stream is None else "one"
        tombstone_ms = self._policy.tombstone_ms
        with self._boundary("end"):
            answer = await self._run(
                scripts.END, account, which, stream or "", by, hold_ms, tombstone_ms
            )
            return wire.ends(answer)

    async def drop_lapsed(self, accounts: Sequence[str]) -> tuple[Lapsed, ...]:
        """Drop the slots of these accounts whose time is up, and hand them back: in one go.

        What is handed over once is not to be lost where one part fails: that is to be asked again.
        """
        asked = ((self._keys.part(one), self._keys.of(one)) for one in accounts)
        with self._boundary("drop_lapsed"):
            answers = await self._run_for_each(scripts.LAPSE, asked)
            failures = [one for one in answers if isinstance(one, BaseException)]
            if failures and len(failures) == len(answers):
                raise failures[0]
            return tuple(
                ASK_AGAIN if isinstance(one, BaseException) else wire.lapsed(one) for one in answers
            )

    async def revoke(self, account: str, revocation: Revocation) -> tuple[Ended, ...]:
        """Revoke tokens and their tickets, and end the streams that play by them, oldest first.

        Raises:
            BadRequest: more tokens of the account are revoked than can be remembered.
        """
        with self._boundary("revoke"):
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
        with self._boundary("is_revoked"):
            return await self._run(scripts.REVOKED, subject.account, jti, issued_ms) == 1

    async def streams(self, account: str) -> tuple[Stream, ...]:
        """List the active streams, oldest first."""
        with self._boundary("streams"):
            return wire.streams(await self._run(scripts.LIST, account))

    async def active(self) -> dict[str, int]:
        """How many streams are active, by route."""
        return await self.active_in(range(self.parts))

    async def active_in(self, parts: Iterable[int]) -> dict[str, int]:
        """How many streams are active in some parts, by route."""
        asked = ((part, (self._keys.tally(part),)) for part in parts)
        with self._boundary("active"):
            answers = await self._run_for_each(scripts.ACTIVE, asked)
            for one in answers:
                if isinstance(one, BaseException):
                    raise one
            return total(map(wire.numbers, answers))

    async def _write(self, part: int) -> None:
        script, key = scripts.PING, self._keys.ping(part)
        slot = self._keys.slot(part)
        await run(self._pipes, script.text, script.digest, (1, key, ""), slot)

    def _run(self, script: Script, account: str, *args: str | int) -> Awaitable[object]:
        arguments = self._arguments(account, *args)
        slot = self._keys.slot_of(account)
        return run(self._pipes, script.text, script.digest, arguments, slot)

    def _arguments(self, account: str, *args: str | int) -> tuple[str | int, ...]:
        """Give what a script over an account's keys is called with."""
        keys = self._keys.of(account)
        now_ms = "" if self._now_ms is None else self._now_ms()
        return (len(keys), *keys, now_ms, *args)

    async def _run_for_each(
        self, script: Script, asked: Iterable[tuple[int, Sequence[str]]]
    ) -> list[object]:
        """Run a script that takes no arguments over each of these sets of keys, in one go."""
        now_ms = "" if self._now_ms is None else self._now_ms()
        calls = (
            run(
                self._background,
                script.text,
                script.digest,
                (len(keys), *keys, now_ms),
                self._keys.slot(part),
            )
            for part, keys in asked
        )
        return await asyncio.gather(*calls, return_exceptions=True)

    def _boundary(self, operation: str) -> Boundary:
        return Boundary(self._observe, operation)
