"""How the scripts' answers become values. The other end of each is the ``return`` of a script."""

from typing import Any

from proxy.admission.ceilings import MAX_STREAMS
from proxy.admission.policy import OnLimit, Policy, Rule
from proxy.admission.scripts import REASONS
from proxy.streams import (
    EVERY_ACCOUNT,
    Attempt,
    Cadence,
    Decision,
    Ended,
    Intent,
    Lapsed,
    Outcome,
    Renewal,
    Stream,
)

# How many arguments of ``decide.lua`` are an attempt's own.
OWN = 10
# How many parts the shorter of its answers has.
GOES_ON = 3

_OUTCOMES = {outcome.value.encode(): outcome for outcome in Outcome}


def cadence_args(cadence: Cadence) -> tuple[int, int, int, int, int]:
    """Write a cadence as the scripts take it: ttl, hold, interval, self_refreshing, guess."""
    return (
        cadence.ttl_ms,
        cadence.hold_ms,
        cadence.interval_ms,
        int(cadence.self_refreshing),
        int(cadence.guess),
    )


def policy_args(policy: Policy) -> tuple[int, ...]:
    """Write a policy, but for its rules, as ``decide.lua`` takes it."""
    return (
        policy.takeover.rank,
        int(policy.on_limit is OnLimit.EVICT_OLDEST),
        policy.silent_after_ms,
        policy.max_networks,
        policy.tombstone_ms,
    )


def manner_args(
    intent: Intent, limit: int, cadence: Cadence, *, beat: bool
) -> tuple[str | int, ...]:
    """Write how an attempt is made, which ``decide.lua`` takes first."""
    return intent.value, limit, *cadence_args(cadence), int(beat)


def own_args(attempt: Attempt) -> tuple[str | int, ...]:
    """Write what is an attempt's own, as ``decide.lua`` takes it behind the policy."""
    playback, stray = attempt.playback, attempt.playback.stray
    if stray is not None and stray.stream == playback.stream:
        stray = None  # it is where it would go
    return (
        playback.stream,
        playback.device,
        int(playback.strong),
        playback.network,
        "" if playback.instance_ms is None else playback.instance_ms,
        stray.stream if stray else "",
        stray.device if stray else "",
        playback.label,
        attempt.jti or "",
        "" if attempt.issued_ms is None else attempt.issued_ms,
    )


def content_args(content: str, route: str, rules: tuple[str, ...] | None) -> tuple[str, str, str]:
    """Write what is watched, as ``decide.lua`` takes it behind what is an attempt's own."""
    return content, route, rule_names(rules)


def rule_names(names: tuple[str, ...] | None) -> str:
    """Write the names of rules as slots have them, so that one is found with its commas around."""
    if names is None:
        return "?"
    return f",{','.join(names)}," if names else ""


def rule_args(policy: Policy) -> tuple[str | int, ...]:
    """Write all rules as ``decide.lua`` takes them, behind whether nothing is refused at all."""
    args: list[str | int] = [int(policy.observes)]
    for rule in policy.rules:
        args += rule.name, rule.limit, int(rule.observed)
    return tuple(args)


# An answer is whatever Redis says. What does not fit its place raises TypeError, ValueError or
# LookupError, which the store's boundary takes for what it is: not an answer.
def decision(answer: Any, asked: str, limit: int, rule: str, policy: Policy) -> Decision:
    """Read the answer of ``decide.lua`` on a stream of who may have so many, by a rule."""
    if answer.__class__ is list and len(answer) == GOES_ON:
        started_ms, active, lapse_ms = map(int, answer)
        told = (Outcome.RENEWED, asked, started_ms, active, limit, rule, active, active)
        # One is made at each beat, and this takes a third of the time of the class's own way.
        return tuple.__new__(Renewal, (*told, None, None, 0, (), (), lapse_ms))
    outcome, stream, started_ms, playing, requested, number, active, *rest = answer
    reason, by, wait_ms, conflicts, ended, lapse_ms = rest
    # In the order in which they are counted there.
    full = (*policy.rules, Rule(EVERY_ACCOUNT, MAX_STREAMS))[number - 1] if number else None
    return Decision(
        _OUTCOMES[outcome],
        _text(stream),
        int(started_ms),
        int(active),
        full.limit if full else limit,
        full.name if full else rule,
        int(playing),
        int(requested),
        REASONS[reason],
        _text(by) if by else None,
        int(wait_ms),
        streams(conflicts) if conflicts else (),
        ends(ended) if ended else (),
        int(lapse_ms),
    )


def lapsed(answer: Any) -> Lapsed:
    """Read the answer of ``lapse.lua``."""
    ended, next_lapse_ms = answer
    return Lapsed(ends(ended), int(next_lapse_ms))


def streams(answer: Any) -> tuple[Stream, ...]:
    """Read the answer of ``list.lua``."""
    return tuple(_stream(fields) for fields in answer)


def numbers(answer: Any) -> dict[str, int]:
    """Read the answer of ``active.lua``."""
    return {
        _text(route): int(number) for route, number in zip(answer[::2], answer[1::2], strict=True)
    }


def ends(answer: Any) -> tuple[Ended, ...]:
    """Read the answer of ``end.lua`` and ``release.lua``."""
    return tuple(_ended(fields) for fields in answer)


def _ended(fields: Any) -> Ended:
    stream, code, at_ms = fields
    reason = REASONS[code]
    if reason is None:
        raise ValueError("an end without a reason")
    return Ended(_stream(stream), reason, int(at_ms))


def _stream(fields: Any) -> Stream:
    stream, content, route, label, started_ms, seen_ms, expires_ms, beats, hold_ms = fields
    return Stream(
        id=_text(stream),
        content=_text(content),
        route=_text(route),
        device=_text(label),
        started_ms=int(started_ms),
        seen_ms=int(seen_ms),
        expires_ms=int(expires_ms),
        beats=int(beats),
        on_demand=int(hold_ms) > 0,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
