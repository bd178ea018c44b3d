"""Attempts and policies to vary, as a viewer at home would make them."""

from proxy.admission.policy import OnLimit, Policy, Rule, Takeover
from proxy.model import Playback, Stray
from proxy.streams import Attempt, Cadence, Intent

ACCOUNT = "a" * 32
TTL = 30_000
LIVE = Cadence(ttl_ms=TTL, interval_ms=6_000)
# On demand: held for an hour until the first beat.
FILM = Cadence(ttl_ms=90_000, hold_ms=3_600_000, interval_ms=30_000)
KEPT = Cadence(ttl_ms=0, guess=True)


def policy(
    takeover: Takeover = Takeover.QUIET,
    on_limit: OnLimit = OnLimit.REJECT,
    *,
    silent_after_ms: int = 120_000,
    max_networks: int = 2,
    tombstone_ms: int = 3_600_000,
    rules: tuple[Rule, ...] = (),
    observes: bool = False,
) -> Policy:
    return Policy(takeover, on_limit, silent_after_ms, max_networks, tombstone_ms, rules, observes)


def attempt(
    stream: str,
    *,
    account: str = ACCOUNT,
    device: str | None = None,
    strong: bool = False,
    network: str = "home",
    instance_ms: int | None = None,
    stray: Stray | None = None,
    limit: int = 2,
    cadence: Cadence = LIVE,
    beat: bool = False,
    intent: Intent = Intent.START,
    rules: tuple[str, ...] | None = (),
    jti: str | None = None,
    issued_ms: int | None = 0,
    route: str = "live",
) -> Attempt:
    """A request for a stream; unless told, each stream is on a device of its own."""
    playback = Playback(
        stream=stream,
        device=device or f"device of {stream}",
        strong=strong,
        content=f"tv.example/{stream}.m3u8",
        route=route,
        label=f"label of {stream}",
        network=network,
        agent="agent",
        instance_ms=instance_ms,
        stray=stray,
    )
    return Attempt(
        account,
        playback,
        limit,
        "default",
        cadence,
        beat,
        intent,
        rules,
        jti=jti,
        issued_ms=issued_ms,
    )
