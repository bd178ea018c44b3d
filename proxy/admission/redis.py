"""The store many proxies share: one Redis (or Valkey), asked by Lua scripts.

    {prefix}:{<account>}:streams    hash: stream id -> slot
    {prefix}:{<account>}:ended      hash: stream id -> tombstone; "churn" -> when it is forgiven
    {prefix}:{<account>}:revoked    hash: a token's id, hashed -> revocation
    {prefix}:active                 hash: (instant, route) -> how many slots are counted until then
    {prefix}:ping                   never there: written and deleted, to see that it can be

A slot and a tombstone live in hashes of their own: the first stays as small as the account's limit
and is read whole at each beat, while tombstones live as long as tickets, are many for a viewer who
zaps, and are read one by one. So are revocations, which few accounts have. An account's keys carry
it as their hash tag, so that a cluster keeps them together. The last is everybody's (``tally``):
many proxies over one Redis need one. All always expire.

One script decides, atomically for the account, by Redis's own clock. At this boundary, and only
here, whatever goes wrong between us and Redis becomes ``StoreUnavailable``; no call lasts longer
than the timeout, or twice that where Redis has forgotten a script (restart, SCRIPT FLUSH) and is
sent it again. All requests share one connection (``redis_pipe``), on which nobody waits for
another's answer. What a script hands over once is lost with an answer that nobody waits for any
more: so a call that no request waits for is given longer, and a connection of its own.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import cast

from redis.exceptions import NoScriptError

from proxy.admission import scripts, wire
from proxy.admission.boundary import Boundary, Observe, unobserved
from proxy.admission.policy import Policy
from proxy.admission.revocations import Revocation, too_many
from proxy.admission.scripts import Script
from proxy.admission.store import Heard, Question
from proxy.admission.tally import total
from proxy.errors import StoreUnavailable
from proxy.model import Subject
from proxy.redis_client import client, closed
from proxy.redis_pipe import packed
from proxy.redis_pipes import Pipes, run
from proxy.streams import Attempt, Cadence, Decision, Ended, Lapsed, Stream

# For what no request waits for, seconds: longer than Redis pauses for a fork or a slow command.
BACKGROUND_SECONDS = 5.0


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
        self._key_prefix = key_prefix
        self._observe = observe
        self._now_ms = now_ms
        # All scripts may run twice: the second run finds what the first one stored.
        self._pipes = Pipes(client(url, timeout=BACKGROUND_SECONDS, connections=1), timeout)
        self._background_turn = asyncio.Semaphore(1)
        self._background = client(url, timeout=BACKGROUND_SECONDS, connections=1)
        self.govern(policy)

    def govern(self, policy: Policy) -> None:
        """Decide by another policy from now on; a call under way keeps that which it began with."""
        self._policy = policy
        self._policy_args = wire.policy_args(policy)
        self._rule_args = wire.rule_args(policy)

    def wait_for(self, timeout: float) -> None:
        """Let calls take another time from now on (seconds)."""
        self._pipes.wait_for(timeout)

    async def start(self) -> None:
        """Connect, hand over the scripts, and see that they can write."""
        with self._boundary("start"):
            for script in scripts.ALL:
                await self._pipes.ask(packed("SCRIPT", "LOAD", script.text))
            await self._write()

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(self._pipes.close(), closed(self._background))

    async def ping(self) -> None:
        """Return if Redis answers, and can be written to."""
        with self._boundary("ping"):
            await self._write()

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, and note what follows."""
        with self._boundary("decide"):
            policy = self._policy
            answer = await self._run(scripts.DECIDE, attempt.account, *self._decide_args(attempt))
            return wire.decision(answer, attempt, policy)

    def question(self, attempt: Attempt) -> Question:
        """Put an attempt into words: the command, and the policy it was made by."""
        arguments = self._arguments(attempt.account, *self._decide_args(attempt))
        command = packed("EVALSHA", scripts.DECIDE.digest, *arguments)
        return Question(attempt, (command, self._policy))

    def hear(self, question: Question, heard: Heard) -> bool:
        """Decide, and call ``heard``: where Redis is connected, and its clock not replaced."""
        if self._now_ms is not None:
            return False
        command, policy = cast("tuple[bytes, Policy]", question.words)
        begun = perf_counter()

        def answered(answer: object) -> None:
            told: Decision | StoreUnavailable | None = None
            if isinstance(answer, TimeoutError):
                told = StoreUnavailable()
                told.__cause__ = answer
            elif not isinstance(answer, Exception):
                # A connection that was lost, a script that was forgotten: ``decide`` asks again.
                with suppress(Exception):  # as at the boundary: the answer may be anything
                    told = wire.decision(answer, question.attempt, policy)
            if told is not None:
                self._observe("decide", perf_counter() - begun, told.__class__ is Decision)
            heard(told)

        return self._pipes.hear(command, answered)

    def _decide_args(self, attempt: Attempt) -> tuple[str | int, ...]:
        return (*wire.attempt_args(attempt, self._policy_args), *self._rule_args)

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

    async def forget(self, account: str, stream: str, started_ms: int) -> Ended | None:
        """Take back the slot of an instance that could not be served; None where it has none."""
        with self._boundary("forget"):
            answer = await self._run(scripts.FORGET, account, stream, started_ms)
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
        """Drop the slots of these accounts whose time is up, and hand them back: in one go."""
        with self._boundary("drop_lapsed"):
            answers = await self._run_for_each(scripts.LAPSE, map(self._keys, accounts))
            return tuple(map(wire.lapsed, answers))

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
        with self._boundary("active"):
            answers = await self._run_for_each(scripts.ACTIVE, [(self._tally(),)])
            return total(map(wire.numbers, answers))

    async def _write(self) -> None:
        script, key = scripts.PING, f"{self._key_prefix}:ping"
        await run(self._pipes, script.text, script.digest, (1, key, ""))

    def _keys(self, account: str) -> tuple[str, str, str, str]:
        """Build an account's keys: its slots, its tombstones, its revocations, and its tally."""
        tag = f"{self._key_prefix}:{{{account}}}"
        return f"{tag}:streams", f"{tag}:ended", f"{tag}:revoked", self._tally()

    def _tally(self) -> str:
        """Build the key of the tally."""
        return f"{self._key_prefix}:active"

    async def _run(self, script: Script, account: str, *args: str | int) -> object:
        return await run(self._pipes, script.text, script.digest, self._arguments(account, *args))

    def _arguments(self, account: str, *args: str | int) -> tuple[str | int, ...]:
        """Give what a script over an account's keys is called with."""
        keys = self._keys(account)
        now_ms = "" if self._now_ms is None else self._now_ms()
        return (len(keys), *keys, now_ms, *args)

    async def _run_for_each(self, script: Script, keys: Iterable[Sequence[str]]) -> list[object]:
        """Run a script that takes no arguments over each of these sets of keys, in one go."""
        sets = list(keys)
        async with asyncio.timeout(BACKGROUND_SECONDS), self._background_turn:
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

    def _boundary(self, operation: str) -> Boundary:
        return Boundary(self._observe, operation)
