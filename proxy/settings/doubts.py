"""What is right in rare places and a slip in most: accepted, and told of wherever it is read.

A doubt says what will happen and what would be usual. What can be right nowhere is an error
instead, and stands with the section it is about.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from proxy.settings.routes import NO_MANIFEST
from proxy.settings.schema import Settings
from proxy.settings.source import KeyPath
from proxy.settings.types import duration_text
from proxy.settings.urls import is_local

# Players ask for a live playlist every 2 to 10 seconds, and a moment later where the network is
# slow.
LIVELY_SECONDS = 5.0
# What is watched at a sitting lasts longer than this, as a rule.
SITTING_SECONDS = 3600.0
# Who renews certificates has done so by then, be it of those that live for six days.
RENEWED = timedelta(days=3)

Doubt = tuple[KeyPath, str]


def doubts(settings: Settings, now: float) -> Iterator[Doubt]:
    """Give the keys of a good configuration that are hardly meant so, and why.

    ``now`` is in seconds since the epoch.
    """
    yield from _of_certificate(settings, datetime.fromtimestamp(now, UTC))
    yield from _of_operators(settings)
    yield from _of_lives(settings)
    for index, route in enumerate(settings.routes):
        # A single file that anybody may have needs no manifest, nor does the root.
        if route.segments != "open" and route.path.is_for_no_manifest and route.path.text != "/":
            yield ("routes", index, "path"), NO_MANIFEST


def _of_certificate(settings: Settings, now: datetime) -> Iterator[Doubt]:
    life = settings.listen.tls.life
    if life is None:
        return
    at, (begin, end) = ("listen", "tls", "cert"), life
    if now >= end:
        yield at, f"has expired at {_written(end)}, and players refuse it: renew it"
    elif now < begin:
        why = f"is not valid before {_written(begin)}, and players refuse it until then"
        yield at, f"{why}: is it the right one, and does the clock go right?"
    elif end - now < RENEWED:
        yield at, f"expires at {_written(end)}, and players refuse it from then on: renew it"


def _written(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _of_operators(settings: Settings) -> Iterator[Doubt]:
    admin = settings.admin
    if admin.token is None and not is_local(admin.host):
        why = "without admin.token nobody can end a stream or revoke a token: set one"
        yield ("admin", "host"), f"lets in who is not on this machine, and {why}"


def _of_lives(settings: Settings) -> Iterator[Doubt]:
    streams, tickets = settings.streams, settings.tickets
    if tickets.ttl < SITTING_SECONDS:
        why = "what is watched for longer stops in the middle, and needs a new token"
        yield ("tickets", "ttl"), f"ends each playback after {duration_text(tickets.ttl)}: {why}"
    for key in ("ttl", "vod_ttl"):
        if getattr(streams, key) < LIVELY_SECONDS:
            why = "slots lapse in between, and accounts have more streams than their limit"
            yield ("streams", key), f"is less than players take from one request to the next: {why}"
    if streams.keepalive and streams.silent_after < streams.keepalive_interval:
        why = "a stream may be evicted before its player was to report"
        yield ("streams", "silent_after"), f"is less than streams.keepalive_interval: {why}"
