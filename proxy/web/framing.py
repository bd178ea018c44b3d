"""How requests are told apart on a connection, as far as it matters beside aiohttp's parser."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo
from multidict import MultiMapping
from yarl import URL

# How the head of a request ends (RFC 9112 §2.1), and with it one that has no body.
END = b"\r\n\r\n"


class Parsed(Protocol):
    """What a request came to in aiohttp's parser, as far as it is looked at here."""

    method: str
    path: str
    version: HttpVersion
    headers: MultiMapping[str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    should_close: bool
    upgrade: bool
    chunked: bool
    url: URL


def framed(message: Any, payload: Any) -> tuple[Any, Any]:
    """Give what was parsed; an error in its place if nobody can be sure where it ends."""
    if message.__class__ is RawRequestMessage and not _is_framed(cast("Parsed", message)):
        error = BadHttpMessage("it is not known where this request ends")
        return _ErrInfo(error.code, error, error.message), EMPTY_PAYLOAD
    return message, payload


def _is_framed(request: Parsed) -> bool:
    """Tell whether it is known where a request ends (RFC 9112 §6).

    aiohttp's parser lets HTTP/0.9 and HTTP/2.0 pass, and a transfer encoding that is empty. And it
    reads chunks in HTTP/1.0, which has none: somebody on the way may have taken them for requests.
    """
    if not request.chunked and "Transfer-Encoding" in request.headers:
        return False
    return request.version == HttpVersion11 or (
        request.version == HttpVersion10 and not request.chunked
    )


def is_plain(message: Any, payload: Any) -> bool:
    """Tell whether what was parsed is a GET without a body, behind which others may come."""
    return (
        message.__class__ is RawRequestMessage
        and message.method == "GET"
        and message.version == HttpVersion11
        and payload is EMPTY_PAYLOAD
        and not (message.should_close or message.upgrade)
        and "Transfer-Encoding" not in message.headers
    )


def are_whole(data: bytes, messages: Sequence[tuple[Any, Any]]) -> bool:
    """Tell whether messages are all there is of what they were parsed from, and have no bodies.

    Each has one line end twice in a row, which ends it.
    """
    return (
        data.endswith(END)
        and data.count(END) == len(messages)
        and all(map(_has_no_sequel, messages))
    )


def _has_no_sequel(parsed: tuple[Any, Any]) -> bool:
    """Tell whether what follows a message is another one, if anything."""
    message, payload = parsed
    return (
        message.__class__ is RawRequestMessage
        and payload is EMPTY_PAYLOAD
        and not message.should_close
        and not message.upgrade
        and message.method != "CONNECT"
    )
