"""A set of keys that somebody else keeps and changes, and what is known of it here.

- The last good set is used until there is another, for as long as the process lives: an issuer
  that is away, or answers nonsense, takes nobody's keys. Only a set that holds others takes one.
- It is looked at again in the background: after ``refresh``, sooner where the issuer says so
  (``Cache-Control: max-age``) or a look failed. A bit sooner by chance, so that many proxies that
  were started together do not come together.
- A token whose key is not there makes it look at once, but not more often than ``LOOK_EVERY``, and
  waits for no longer than ``LOOK_SECONDS``. Whoever floods us with made-up key ids costs the issuer
  a request in half a minute, and us no more than any other bad token.
- There is one look at a time; whoever wants one meanwhile gets its result.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from proxy import jwks
from proxy.credentials.keys import Key, Sought
from proxy.model import Clock

# Seconds. Between two looks for a key that a token asked for.
LOOK_EVERY = 30.0
# How long such a token's request waits, from the start of the look: a player's patience is for
# its manifest.
LOOK_SECONDS = 1.0
# How many requests may wait so at a time, of listen.max_in_flight (2048): a crowd of viewers who
# were all given the new key, and still not all places there are.
LOOKERS = 512
# Seconds after which a look has failed: an issuer that answers slower is away.
READ_SECONDS = 10.0
# The least time between two looks in the background, whatever max-age says.
LEAST_PAUSE = 30.0
# After a failure: at first, and at most.
FIRST_RETRY, LAST_RETRY = 1.0, 60.0
# The part of a pause that is left to chance.
JITTER = 0.1


class KeysUnavailable(Exception):
    """A look failed; the text says why, for the log, and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a look found.

    ``content`` is None where it is what ``version`` of the last good one stands for. ``max_age``
    is how long it may be used by its own account (seconds); None where it gives none.
    """

    content: bytes | None
    version: str | None = None
    max_age: float | None = None


class Reader(Protocol):
    """Where the documents come from."""

    async def read(self, version: str | None) -> Document:
        """Read it, if it is another than ``version``.

        Raises:
            KeysUnavailable: it cannot be had.
        """


class Observer(Protocol):
    """Hears of what an operator wants to know, each change once."""

    def changed(self, source: str, kids: tuple[str | None, ...], skipped: tuple[str, ...]) -> None:
        """Note the keys of a source, and which of its document are of no use and why."""

    def failed(self, source: str, reason: str) -> None:
        """Note that a source, which was well, cannot be had; its last keys are used on."""

    def recovered(self, source: str) -> None:
        """Note that a source that could not be had can be."""


@dataclass(frozen=True, slots=True)
class SourceRules:
    """Whose keys a source has, what for, and how old they may become (seconds)."""

    algorithms: tuple[str, ...]
    issuers: tuple[str, ...] = ()
    refresh: float = 600.0


class KeySource:
    """One source; ``clock`` gives seconds and never goes back, ``chance`` a number below 1."""

    def __init__(
        self,
        name: str,
        reader: Reader,
        rules: SourceRules,
        observer: Observer,
        *,
        clock: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.keys: tuple[Key, ...] = ()
        self._reader = reader
        self.rules = rules
        self._observer = observer
        self._clock = clock
        self._chance = chance
        self._begun = clock()
        self.document: Document | None = None  # the last good one, with its content
        self._confirmed: float | None = None
        self._skipped: tuple[str, ...] = ()
        self._failures = 0
        self._look: asyncio.Task[bool] | None = None
        self._look_begun = 0.0
        self._next_look = clock()
        self._lookers = 0

    @property
    def age(self) -> float | None:
        """Seconds since its keys were last found to be so; None where none ever were."""
        return None if self._confirmed is None else self._clock() - self._confirmed

    def alarming_age(self) -> float:
        """The same, and seconds since the start where none ever were, so that it can be watched."""
        return self._clock() - (self._begun if self._confirmed is None else self._confirmed)

    def may_have(self, sought: Sought) -> bool:
        """Tell whether such a key could be found by looking again.

        A token that names no key is of one that is there, unless there is none yet.
        """
        rules = self.rules
        return (
            sought.algorithm in rules.algorithms
            and (not rules.issuers or sought.issuer in rules.issuers)
            and (sought.kid is not None or not self.keys)
        )

    async def look(self) -> bool:
        """Look for a key a token asks for; tell whether the keys are others now."""
        now = self._clock()
        if self._look is None:
            if now < self._next_look:
                return False
            self._next_look = now + LOOK_EVERY
        elif self._lookers >= LOOKERS:
            return False
        look = self._begin()
        self._lookers += 1
        try:
            # Neither whoever goes away meanwhile nor the end of the source ends more than it must.
            await asyncio.wait((look,), timeout=self._look_begun + LOOK_SECONDS - now)
        finally:
            self._lookers -= 1
        return look.done() and not look.cancelled() and look.result()

    async def refresh(self) -> bool:
        """Look at the source; tell whether the keys are others now. Nothing is raised."""
        return await asyncio.shield(self._begin())

    async def keep_fresh(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(self.pause())

    async def close(self) -> None:
        """Break off a look under way."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)

    def pause(self) -> float:
        """Give how long until the next look in the background (seconds)."""
        refresh = self.rules.refresh
        if self._failures:
            longest = min(FIRST_RETRY * 2.0 ** min(self._failures - 1, 10), LAST_RETRY, refresh)
        else:
            max_age = self.document.max_age if self.document else None
            age = refresh if max_age is None else max_age
            longest = min(max(age, LEAST_PAUSE), refresh)
        return longest * (1 - JITTER * self._chance())

    def adopt(self, document: Document) -> bool:
        """Take the keys of a document; tell whether they are others than before.

        Raises:
            KeysUnavailable: it holds none that can be used.
        """
        changed = document.content is not None and self._replace(document.content)
        if document.content is None and self.document is not None:
            document = replace(document, content=self.document.content)
        self.document = document
        self._confirmed = self._clock()
        return changed

    def inherit(self, other: "KeySource") -> None:
        """Begin with what another found at the same place, where it had other rules."""
        if other.document is None or other.age is None:
            return
        with suppress(KeysUnavailable):  # by these rules, none of it can be used
            self.adopt(other.document)
            self._confirmed = self._clock() - other.age

    def _replace(self, content: bytes) -> bool:
        rules = self.rules
        try:
            found = jwks.parse(content, rules.algorithms)
        except ValueError as error:
            raise KeysUnavailable(f"the document {error}") from error
        keys = tuple(
            Key(one.algorithm, one.kid, one.key, issuers=rules.issuers) for one in found.keys
        )
        changed = keys != self.keys
        if changed or found.skipped != self._skipped:
            self.keys, self._skipped = keys, found.skipped
            self._observer.changed(self.name, tuple(key.kid for key in keys), found.skipped)
        return changed

    def _begin(self) -> asyncio.Task[bool]:
        """Begin a look, or give the one that is under way."""
        if self._look is None:
            self._look_begun = self._clock()
            self._look = asyncio.create_task(self._looked())
            self._look.add_done_callback(self._done)
        return self._look

    def _done(self, _: asyncio.Task[bool]) -> None:
        self._look = None

    async def _looked(self) -> bool:
        try:
            version = self.document.version if self.document else None
            async with asyncio.timeout(READ_SECONDS):
                document = await self._reader.read(version)
            changed = self.adopt(document)
        except TimeoutError:
            return self._failed(f"no answer within {READ_SECONDS:.0f} s")
        except KeysUnavailable as error:
            return self._failed(str(error))
        except Exception as error:  # noqa: BLE001  # the keys there are outlive whatever it was
            return self._failed(f"unexpected: {type(error).__name__}")
        if self._failures:
            self._failures = 0
            self._observer.recovered(self.name)
        return changed

    def _failed(self, reason: str) -> bool:
        self._failures += 1
        if self._failures == 1:
            self._observer.failed(self.name, reason)
        return False
