"""What is remembered of one stream: the slot it holds while it plays, the tombstone when it ended.

Values that answer questions about themselves and change nothing. Instants and spans are
milliseconds, all of them integers, so that the Lua scripts in Redis, which know only floating
point, compute exactly the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from proxy.model import Playback
from proxy.streams import Attempt, Cadence, EndReason, Intent, Stream
from proxy.values import value

# A beat is late after a quarter of its interval (a segment's download, a slow radio), but never
# before this: players pause, buffer and retry for a few seconds at any time.
MIN_PATIENCE_MS = 5_000


def patience_ms(cadence: Cadence) -> int:
    """Give for how long after a beat the next one is not overdue."""
    return max(MIN_PATIENCE_MS, cadence.interval_ms * 5 // 4)


@value(frozen=True, slots=True)
class Slot:
    """One active stream.

    ``rival`` is the older stream beside which this one plays on approval (provisional takeover).
    ``networks`` are those it was seen on, each with the time, the latest first. ``rules`` names the
    rules whose ceilings it counts in, as of when it was last heard of.
    ``jti`` and ``issued_ms`` are those of the credential that it was last renewed with, ``limit``
    and ``rule`` what that allowed its account (``Attempt``), which Redis does not remember.
    """

    stream: str
    expires_ms: int
    started_ms: int
    seen_ms: int
    beats: int
    cadence: Cadence
    device: str
    strong: bool
    networks: tuple[tuple[str, int], ...]
    content: str
    route: str
    label: str
    rival: str | None = None
    rules: tuple[str, ...] = ()
    jti: str | None = None
    issued_ms: int = 0
    limit: int = 0
    rule: str = ""

    def paced(self, cadence: Cadence, now_ms: int) -> "Slot":
        """Live by another cadence from now on."""
        return replace(self, cadence=cadence, expires_ms=now_ms + _span_ms(cadence, self.beats))

    def renewed(self, attempt: Attempt, max_networks: int, now_ms: int) -> "Slot":
        """Take a sign of life: the slot lives on from now."""
        beats = self.beats + attempt.beat
        cadence = self.cadence if attempt.cadence.guess else attempt.cadence
        here, networks = attempt.playback.network, self.networks
        if here:
            others = [entry for entry in networks if entry[0] != here]
            fresh = _fresh(others, cadence, now_ms) if others else ()  # most are on one network
            networks = ((here, self._again(now_ms)), *fresh)[:max_networks]
        known = attempt.issued_ms is not None
        return Slot(
            stream=self.stream,
            expires_ms=now_ms + _span_ms(cadence, beats),
            started_ms=self.started_ms,
            seen_ms=now_ms,
            beats=beats,
            cadence=cadence,
            device=self.device,
            strong=self.strong,
            networks=networks,
            content=self.content,
            route=self.route,
            label=self.label,
            rival=self.rival,
            rules=self.rules if attempt.rules is None else attempt.rules,
            jti=attempt.jti if known else self.jti,
            issued_ms=attempt.issued_ms if attempt.issued_ms is not None else self.issued_ms,
            limit=attempt.limit if known else self.limit,
            rule=attempt.rule if known else self.rule,
        )

    @property
    def here(self) -> str:
        """The network it was last seen on; empty where nobody saw one."""
        return self.networks[0][0] if self.networks else ""

    def beaten(self, beats: int, now_ms: int) -> "Slot":
        """Take more signs of life by what renewed it last: so many beats, the last one now."""
        beats += self.beats
        networks = self.networks
        if networks:
            fresh = _fresh(networks[1:], self.cadence, now_ms)
            networks = ((self.here, self._again(now_ms)), *fresh)
        expires_ms = now_ms + _span_ms(self.cadence, beats)
        return replace(self, beats=beats, seen_ms=now_ms, expires_ms=expires_ms, networks=networks)

    def _again(self, now_ms: int) -> int:
        """Give when it was seen on a network again: later than its start, also in the same ms.

        By that it is known that somebody came, where the start is undone (``Ledger.forget``).
        """
        return max(now_ms, self.started_ms + 1)

    @property
    def is_seen_since_its_start(self) -> bool:
        """Whether anybody came after who started it."""
        seen = (self.seen_ms, *(at for _, at in self.networks[:1]))
        return any(at > self.started_ms for at in seen)

    def claim(self, account: str) -> Attempt:
        """Give what claims this slot in another store, displacing nobody: no beat, and no news."""
        playback = Playback(
            stream=self.stream,
            device=self.device,
            strong=self.strong,
            content=self.content,
            route=self.route,
            label=self.label,
            network=self.here,
            agent="",
            instance_ms=self.started_ms,
        )
        return Attempt(
            account,
            playback,
            self.limit,
            self.rule,
            replace(self.cadence, hold_ms=0, guess=True) if self.beats else self.cadence,
            intent=Intent.CLAIM,
            rules=self.rules,
            jti=self.jti,
            issued_ms=self.issued_ms,
        )

    def fresh_networks(self, now_ms: int) -> list[tuple[str, int]]:
        """The networks the stream was seen on within its TTL."""
        return _fresh(self.networks, self.cadence, now_ms)

    def overdue_at(self) -> int:
        """The first instant at which the next beat is overdue."""
        return self.seen_ms + patience_ms(self.cadence) + 1

    def as_stream(self) -> Stream:
        """The slot as it is listed."""
        return Stream(
            id=self.stream,
            content=self.content,
            route=self.route,
            device=self.label,
            started_ms=self.started_ms,
            seen_ms=self.seen_ms,
            expires_ms=self.expires_ms,
            beats=self.beats,
            on_demand=self.cadence.hold_ms > 0,
        )


def _span_ms(cadence: Cadence, beats: int) -> int:
    """Give how long a slot lives from now: to the end of what it loads until its first beat."""
    holds = beats == 0 and cadence.hold_ms > 0
    return cadence.hold_ms if holds else cadence.ttl_ms


def _fresh(
    networks: Iterable[tuple[str, int]], cadence: Cadence, now_ms: int
) -> list[tuple[str, int]]:
    return [entry for entry in networks if entry[1] + cadence.ttl_ms > now_ms]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """How a stream ended, for the tickets that are still out there.

    Instances that started up to ``at_ms`` may not go on, for ``reason``; None is the newcomer that
    lost its provisional place, which is a refusal rather than an end. Entries without a ticket may
    not start a new instance before ``hold_until_ms``.

    A release is noted here too, beside an end it must not shorten: instances up to ``released_ms``
    were given back by their own player, whose last requests may arrive until
    ``released_until_ms``.
    """

    until_ms: int
    at_ms: int = 0
    reason: EndReason | None = None
    by: str = ""
    hold_until_ms: int = 0
    released_ms: int = 0
    released_until_ms: int = 0

    def ends(self, instance_ms: int | None, now_ms: int) -> bool:
        """Tell whether an instance (None: a new one, by token) is one that may not go on."""
        if instance_ms is None:
            return self.hold_until_ms > now_ms
        return instance_ms <= self.at_ms

    def released(self, instance_ms: int | None, now_ms: int) -> bool:
        """Tell whether an instance was released by its own player a moment ago."""
        if instance_ms is None or self.released_until_ms <= now_ms:
            return False
        return instance_ms <= self.released_ms

    def first_instance(self, now_ms: int) -> int:
        """The start of an instance that is newer than all that ended here."""
        return max(now_ms, self.at_ms + 1, self.released_ms + 1)


def opened(
    attempt: Attempt,
    playback: Playback,
    started_ms: int,
    now_ms: int,
    *,
    rival: str | None = None,
) -> Slot:
    """Make the slot of a new stream."""
    beats = int(attempt.beat)
    return Slot(
        stream=playback.stream,
        expires_ms=now_ms + _span_ms(attempt.cadence, beats),
        started_ms=started_ms,
        seen_ms=now_ms,
        beats=beats,
        cadence=attempt.cadence,
        device=playback.device,
        strong=playback.strong,
        networks=((playback.network, now_ms),),
        content=playback.content,
        route=playback.route,
        label=playback.label,
        rival=rival,
        rules=attempt.rules or (),
        jti=attempt.jti,
        issued_ms=attempt.issued_ms or 0,
        limit=attempt.limit,
        rule=attempt.rule,
    )
