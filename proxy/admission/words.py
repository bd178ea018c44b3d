"""Attempts in the words of Redis, for questions that are asked again and again.

A command is as long as a screen, and nearly all in it is the same for all who watch a channel: what
is asked, by which policy and rules, what keys are called. That is written once (``Manner``), and
each question keeps what is its own. Where something comes of its answer, the attempt is read back
from there, as Redis was told it.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from hiredis import Reader

from proxy.admission import scripts, wire
from proxy.admission.keys import Keys
from proxy.admission.policy import Policy
from proxy.admission.store import Manner, Question
from proxy.model import Playback, Stray
from proxy.redis_pipe import Argument, packed
from proxy.streams import Attempt, Cadence, Intent

# Manners that are kept, each for all that is asked so: limits, channels, their tempos.
MAX_MANNERS = 16_384


class _Alike(NamedTuple):
    """What attempts have in common whose questions are asked in one manner."""

    intent: Intent
    limit: int
    rule: str
    cadence: Cadence
    beat: bool
    content: str
    route: str
    rules: tuple[str, ...] | None
    # Of the account: in which part of the store it lies, and how many bytes its name has.
    part: int
    length: int

    def attempt(self, account: str, own: Any) -> Attempt:
        """Give an attempt, by what is its own."""
        texts = Reader(encoding="utf-8")
        texts.feed(b"*%d\r\n%b" % (wire.OWN, own))
        stream, device, strong, network, instance, *rest = texts.gets()
        stray, stray_device, label, jti, issued = rest
        playback = Playback(
            stream=stream,
            device=device,
            strong=strong == "1",
            content=self.content,
            route=self.route,
            label=label,
            network=network,
            agent="",
            instance_ms=int(instance) if instance else None,
            stray=Stray(stray, stray_device) if stray else None,
        )
        return Attempt(
            account,
            playback,
            self.limit,
            self.rule,
            self.cadence,
            self.beat,
            self.intent,
            self.rules,
            jti or None,
            int(issued) if issued else None,
        )


class Spoken(NamedTuple):
    """A command, but for the account (three times) and what is an attempt's own; by which policy.

    ``slot`` is the hash slot in which the account lies.
    """

    command: bytes
    policy: Policy
    slot: int


class Words:
    """Puts attempts into words, by one policy."""

    def __init__(self, keys: Keys, policy: Policy) -> None:
        self._keys = keys
        self._policy = policy
        self._policy_args = wire.policy_args(policy)
        self._rule_args = wire.rule_args(policy)
        self._manner = lru_cache(MAX_MANNERS)(self._made)

    def arguments(self, attempt: Attempt) -> tuple[str | int, ...]:
        """Write an attempt as ``decide.lua`` takes it, but for the time."""
        playback = attempt.playback
        return (
            *wire.manner_args(attempt.intent, attempt.limit, attempt.cadence, beat=attempt.beat),
            *self._policy_args,
            *wire.own_args(attempt),
            *wire.content_args(playback.content, playback.route, attempt.rules),
            *self._rule_args,
        )

    def question(self, attempt: Attempt) -> Question:
        """Put an attempt into words."""
        account, playback = attempt.account, attempt.playback
        alike = _Alike(
            attempt.intent,
            attempt.limit,
            attempt.rule,
            attempt.cadence,
            attempt.beat,
            playback.content,
            playback.route,
            attempt.rules,
            self._keys.part(account),
            len(written(account)),
        )
        own = _bulks(*wire.own_args(attempt))
        return Question(self._manner(alike), account, playback.stream, own)

    def _made(self, alike: _Alike) -> Manner:
        stand_in = "\0" * alike.length  # in no key's name
        keys = self._keys.named(stand_in, alike.part)
        before = (
            *("EVALSHA", scripts.DECIDE.digest, len(keys), *keys, ""),
            *wire.manner_args(alike.intent, alike.limit, alike.cadence, beat=alike.beat),
            *self._policy_args,
        )
        behind = (
            *wire.content_args(alike.content, alike.route, alike.rules),
            *self._rule_args,
        )
        count = len(before) + wire.OWN + len(behind)
        command = b"*%d\r\n%b%%b%b" % (
            count,
            _bulks(*before).replace(b"%", b"%%").replace(written(stand_in), b"%b"),
            _bulks(*behind).replace(b"%", b"%%"),
        )
        words = Spoken(command, self._policy, self._keys.slot(alike.part))
        return Manner(
            alike.attempt, alike.limit, alike.rule, alike.route, alike.beat, alike.part, words
        )


def written(account: str) -> bytes:
    """Write an account's name as it is in keys."""
    return account.encode("utf-8", "replace")


def _bulks(*arguments: Argument) -> bytes:
    """Write some of a command's arguments."""
    return packed(*arguments).partition(b"\r\n")[2]
