"""What ``store.url`` says: where to ask, whom to ask who is primary, and how to connect.

redis:// rediss:// unix://          the Redis itself
redis+sentinel:// rediss+...        sentinels, and the name of what they watch
redis+cluster:// rediss+...         some nodes of a cluster, which know the others
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

# An idle connection may have died unnoticed (a restart, a firewall): one more try on a new one.
# Whoever sends commands here sends such as may run twice.
RETRIES = 1
SENTINEL_PORT, NODE_PORT = 26379, 6379
# What the sentinels are told in place of what Redis is.
_OF_SENTINELS = {"sentinel_username": "username", "sentinel_password": "password"}

# A host and its port.
Address = tuple[str, int]


class Way(StrEnum):
    """How the Redis is found that is asked, as it stands behind the ``+`` of a scheme."""

    ONE = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store is.

    ``nodes`` are the sentinels or some nodes of the cluster, ``name`` is what the sentinels call
    the primary. ``options`` are what redis-py makes connections to Redis with, ``secrets`` what no
    message may hold.
    """

    way: Way
    nodes: tuple[Address, ...]
    name: str
    kind: type[AbstractConnection]
    is_tls: bool
    options: Mapping[str, Any]
    of_sentinels: Mapping[str, Any]
    secrets: tuple[str, ...]

    def node(self, address: Address) -> AbstractConnection:
        """Give a connection to one Redis, not made yet."""
        return self._to(address, self.options)

    def sentinel(self, address: Address) -> AbstractConnection:
        """Give a connection to one sentinel, not made yet."""
        return self._to(address, self.of_sentinels)

    def _to(self, address: Address, options: Mapping[str, Any]) -> AbstractConnection:
        host, port = address
        return self.kind(**{**options, "host": host, "port": port})


def parse(url: str, timeout: float) -> Place:
    """Read a URL; ``timeout`` in seconds bounds how long a connection may take to be made.

    How long an answer may take is the caller's to bound. Texts are sent and got as bytes of UTF-8.

    Raises:
        ValueError: the URL cannot be used. The message does not quote it: it may hold a password.
    """
    try:
        place = _parsed(url, timeout)
    except ValueError:
        raise ValueError("the store's URL is none of a Redis") from None
    try:
        # An option that redis-py does not know surfaces where a connection is made of it.
        place.kind(**place.options)
        place.kind(**place.of_sentinels)
    except (RedisError, TypeError, ValueError):
        raise ValueError("the store's URL has an option that is not known") from None
    return place


def _parsed(url: str, timeout: float) -> Place:
    parts = urlsplit(url)
    scheme, _, suffix = parts.scheme.partition("+")
    way = Way(suffix)
    userinfo, at, authority = parts.netloc.rpartition("@")
    name, _, database = parts.path.strip("/").partition("/")
    plain = url
    if way is Way.SENTINEL:
        plain = f"{scheme}://{userinfo}{at}host/{database}?{parts.query}"
    elif way is Way.CLUSTER:
        plain = f"{scheme}://{userinfo}{at}host?{parts.query}"
    options: dict[str, Any] = {**parse_url(plain), **_fixed(timeout)}
    kind = options.pop("connection_class", Connection)
    of_sentinels = _of_sentinels(options)
    if way is not Way.ONE:
        options.pop("host")
    options.setdefault("protocol", 2)
    passwords = (one.get("password") for one in (options, of_sentinels))
    return Place(
        way,
        () if way is Way.ONE else _addresses(authority, way),
        unquote(name) if way is Way.SENTINEL else "",
        kind,
        issubclass(kind, SSLConnection),
        options,
        of_sentinels,
        tuple(filter(None, passwords)),
    )


def _fixed(timeout: float) -> dict[str, Any]:
    return {
        "decode_responses": False,
        # What a viewer or a title is called is not always Unicode; that is no reason to refuse.
        "encoding": "utf-8",
        "encoding_errors": "replace",
        "retry": Retry(NoBackoff(), RETRIES),
        # Every call is bounded as a whole; this one bounds what redis-py does after a failure.
        "socket_connect_timeout": timeout,
        "socket_timeout": None,
    }


def _of_sentinels(options: dict[str, Any]) -> dict[str, Any]:
    """Give the options of connections to sentinels; what is theirs alone leaves the others."""
    theirs = {
        name: value
        for name, value in options.items()
        if name not in ("username", "password", "db", "protocol", "host", "port", "path")
    }
    for option, name in _OF_SENTINELS.items():
        theirs.pop(option, None)
        if (value := options.pop(option, None)) is not None:
            theirs[name] = value
    return theirs


def _addresses(authority: str, way: Way) -> tuple[Address, ...]:
    default = SENTINEL_PORT if way is Way.SENTINEL else NODE_PORT
    found = (urlsplit(f"//{one}") for one in authority.split(","))
    return tuple((one.hostname or "", one.port or default) for one in found)
