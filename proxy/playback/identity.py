"""Which stream a request belongs to. A pure function of the request and its credential.

    stream id = H(account, device key, content)

Deterministic, so that a reload, a second fetch of the master, or a player that opens every
rendition at once is one stream, with nothing to remember.

The device key is the first of: the token's device claim or the configured header, AVPlayer's or
CMCD's playback session, the token's ``jti`` (only if ``identity.jti_per_playback``), and at last
User-Agent and network. Takeover compares something coarser: a *strong* key where there is one,
else always User-Agent and network, because a playback session changes with each title and would
never recognise the viewer who zaps.

A ticket names its playback. It is believed from its own network or with its own User-Agent (a
phone that leaves Wi-Fi keeps its User-Agent); from elsewhere with another one it is a copied URL,
and its bearer is a stream of their own.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from sys import intern

from proxy.model import Playback, Stray, Ticket, Token
from proxy.playback.device import Hints, label_of, printable
from proxy.playback.device_class import class_of
from proxy.query import only

# 96 bits for ids that are compared within one account; hexadecimal, so that one can be pasted
# into a shell or a URL without quoting.
STREAM_BYTES = 12
DEVICE_BYTES = 8
# Compared within one stream; a collision would merge two networks of one viewer.
SHORT_BYTES = 4
# Content travels in each ticket; longer ones are cut and told apart by a hash.
MAX_CONTENT_LENGTH = 192
# Texts that are known as they are hashed: accounts of the moment, contents, networks, User-Agents.
MAX_FRAMED = 4_096


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """``identity`` of the configuration, as far as it names devices."""

    device_header: str | None = None
    jti_per_playback: bool = False


def content_of(host: str, path: str, query: str, params: Collection[str]) -> str:
    """Name what is watched: host, path, and those query parameters that are part of it.

    Other parameters are left out, or a cache-buster would make each reload a new stream.
    """
    chosen = only(query, params) if params else ""
    name = f"{host}{path}?{chosen}" if chosen else f"{host}{path}"
    if len(name) > MAX_CONTENT_LENGTH:
        # Asked for by anybody, and as long as they like: nothing of it is remembered.
        digest = blake2b(_written(name), digest_size=STREAM_BYTES).hexdigest()
        name = f"{name[: MAX_CONTENT_LENGTH - len(digest) - 1]}~{digest}"
    return intern(name)  # each of its streams is remembered with it


def start(
    token: Token,
    hints: Hints,
    *,
    content: str,
    route: str,
    content_rules: tuple[str, ...] = (),
    jti_per_playback: bool = False,
) -> Playback:
    """Identify the playback that a token's request for an entry manifest starts."""
    account = token.subject.account
    stray = _stray(account, hints, content)
    named = token.device or hints.device
    key: tuple[str, ...] | None = None
    if named:
        key = ("device", named)
    elif hints.session:
        key = ("session", hints.session)
    elif jti_per_playback and token.jti:
        key = ("jti", token.jti)
    return Playback(
        stream=_digest(STREAM_BYTES, account, *key, content) if key else stray.stream,
        device=_digest(DEVICE_BYTES, account, "device", named) if named else stray.device,
        strong=bool(named),
        content=content,
        route=route,
        label=label(token, hints),
        network=_digest(SHORT_BYTES, account, hints.network),
        agent=_digest(SHORT_BYTES, account, hints.agent),
        stray=stray if key else None,
        device_class=token.device_class or class_of(hints.agent),
        content_rules=content_rules,
    )


def resume(ticket: Ticket, hints: Hints) -> Playback:
    """Identify the playback of a request that came with a ticket."""
    account, minted = ticket.subject.account, ticket.playback
    network = _digest(SHORT_BYTES, account, hints.network)
    agent = _digest(SHORT_BYTES, account, hints.agent)
    stray = _stray(account, hints, minted.content)
    if network != minted.network and agent != minted.agent:
        return replace(
            minted,
            stream=stray.stream,
            device=stray.device,
            strong=False,
            label=label_of(hints.agent),
            network=network,
            agent=agent,
            device_class=class_of(hints.agent),
        )
    # Made at each request: ``replace`` takes three times as long.
    return Playback(
        stream=minted.stream,
        device=minted.device,
        strong=minted.strong,
        content=minted.content,
        route=minted.route,
        label=minted.label,
        network=network,
        agent=minted.agent,
        instance_ms=minted.instance_ms,
        stray=stray,
        device_class=minted.device_class,
        content_rules=minted.content_rules,
    )


def label(credential: Token | Ticket, hints: Hints) -> str:
    """Name the device of a request as its streams are listed."""
    if isinstance(credential, Ticket):
        return resume(credential, hints).label
    named = credential.device or hints.device
    return (named and printable(named)) or label_of(hints.agent)


def is_copied(ticket: Ticket, hints: Hints) -> bool:
    """Tell whether a ticket came from where it was not made: its bearer is another stream."""
    return resume(ticket, hints).stream != ticket.playback.stream


def named(token: Token, stream: str, hints: Hints) -> Playback:
    """Identify a stream by its id alone: enough to keep it, not to start it."""
    account = token.subject.account
    return Playback(
        stream=stream,
        device="",
        strong=False,
        content="",
        route="",
        label="",
        network=_digest(SHORT_BYTES, account, hints.network),
        agent=_digest(SHORT_BYTES, account, hints.agent),
    )


def astray(playback: Playback, stream: str) -> Playback:
    """Give the playback under the id the decision was made for: its own, or its stray's."""
    if playback.stray is None or stream != playback.stray.stream:
        return playback
    stray = playback.stray
    return replace(playback, stream=stray.stream, device=stray.device, strong=False, stray=None)


def _stray(account: str, hints: Hints, content: str) -> Stray:
    here = ("agent", hints.agent, hints.network)
    return Stray(
        stream=_digest(STREAM_BYTES, account, *here, content),
        device=_digest(DEVICE_BYTES, account, *here),
    )


def _digest(size: int, *parts: str) -> str:
    """Hash parts so that no two different lists of parts run together."""
    return blake2b(b"".join(map(_framed, parts)), digest_size=size).hexdigest()


def _written(part: str) -> bytes:
    """Write a part after its length."""
    raw = part.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(4, "big") + raw


# Each is in several hashes, and most are many viewers'. None is longer than a name.
_framed = lru_cache(MAX_FRAMED)(_written)
