"""What is right in rare places and a slip in most: accepted, and told of wherever it is read.

A doubt says what will happen and what would be usual. What can be right nowhere is an error
instead, and stands with the section it is about.
"""

from collections.abc import Iterator

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

Doubt = tuple[KeyPath, str]


def doubts(settings: Settings) -> Iterator[Doubt]:
    """Give the keys of a good configuration that are hardly meant so, and why."""
    yield from _of_operators(settings)
    yield from _of_lives(settings)
    for index, route in enumerate(settings.routes):
        # A single file that anybody may have needs no manifest, nor does the root.
        if route.segments != "open" and route.path.is_for_no_manifest and route.path.text != "/":
            yield ("routes", index, "path"), NO_MANIFEST


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
