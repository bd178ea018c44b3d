"""A request as the players' port looks at it, before it is a ``Request``."""

from typing import Protocol

from aiohttp.web_protocol import RequestHandler
from multidict import MultiMapping
from yarl import URL

from proxy.web.fast_path import FastConnection
from proxy.web.framing import Parsed
from proxy.web.target import Target


class Incoming(Protocol):
    """A request as aiohttp has it, as far as it is looked at where replies are made."""

    @property
    def method(self) -> str:
        """GET and so on."""

    @property
    def scheme(self) -> str:
        """Of the connection."""

    @property
    def remote(self) -> str | None:
        """The address of whoever is connected."""

    @property
    def raw_path(self) -> str:
        """The target, as it came."""

    @property
    def rel_url(self) -> URL:
        """The target, as aiohttp reads it."""

    @property
    def path(self) -> str:
        """The target's path, as aiohttp reads it."""

    @property
    def headers(self) -> MultiMapping[str]:
        """The fields."""

    @property
    def protocol(self) -> RequestHandler:
        """The connection it came on."""


class PlainRequest:
    """A GET without a body, as aiohttp's parser has read it, and its ``target`` as it is read here.

    ``wording`` is what it is known by if it comes again.
    """

    __slots__ = (
        "headers",
        "protocol",
        "raw_path",
        "rel_url",
        "remote",
        "scheme",
        "target",
        "wording",
    )

    method = "GET"

    def __init__(
        self, connection: FastConnection, message: Parsed, target: Target, wording: bytes
    ) -> None:
        self.protocol = connection
        self.remote, self.scheme = connection.client
        self.raw_path = message.path
        self.headers = message.headers
        self.target = target
        self.wording = wording
        self.rel_url = message.url

    @property
    def path(self) -> str:
        """The target's path, as aiohttp reads it."""
        return self.rel_url.path
